// SPDX-License-Identifier: Apache-2.0
#include "config/problem.hpp"

#include "config/plain_text.hpp"

namespace throng {

std::string to_text(const config_problem& problem) {
  auto line = make_plain(problem.where, 1'024);
  if (!problem.key.empty()) line += ": " + make_plain(problem.key, 100);
  return line + ": " + make_plain(problem.expected, 500);
}

}  // namespace throng
