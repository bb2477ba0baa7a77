// SPDX-License-Identifier: Apache-2.0
// What a command line asks of throngsh itself: `--file FILE` puts the answer into a file here, not on the node. Pure.
#pragma once

#include <string>
#include <string_view>

#include "storage/model/result.hpp"

namespace throng {

struct asked_line {
  std::string line;  // for the node, without the option
  std::string file;  // empty: none
};
/// The file's name is one word, without quotes. Errors: errc::invalid_arguments if there is none.
result<asked_line> take_file_option(std::string_view line);

}  // namespace throng
