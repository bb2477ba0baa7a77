// SPDX-License-Identifier: Apache-2.0
// What a statement looks like without its values: literals become '?', and a long one is cut. Values are people's data
// and belong neither in a record of statements nor in a log.
#pragma once

#include <string>
#include <string_view>

namespace throng::mysql {

inline constexpr std::size_t shape_bytes_max = 240;

std::string shape_of(std::string_view sql);

}  // namespace throng::mysql
