// SPDX-License-Identifier: Apache-2.0
// What STYLE says about who may include whom, as a function of one file's path and text. Nothing about taste.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace throng {

/// `path` is relative to the repository. One sentence, "path:line: what is wrong", for each broken rule.
std::vector<std::string> tidy_complaints(std::string_view path, std::string_view text);

}  // namespace throng
