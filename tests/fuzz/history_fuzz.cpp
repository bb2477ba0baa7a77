// SPDX-License-Identifier: Apache-2.0
// link: throngverify_parts
// Any bytes as a history file: what is taken is written and read again as it was, and can be judged, whatever it says
// happened.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tools/throngverify/history_file.hpp"
#include "tools/throngverify/verdict.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace throng::verify;
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  const auto run = read_history(in);
  if (!run) return 0;
  std::stringstream file;
  write_history(file, *run);
  const auto again = read_history(file);
  require(again.ok() && again->events.size() == run->events.size());
  const auto report = check(*run);
  std::ostringstream text;
  print_verdict(text, *run, report);
  require(text.str().find("verdict: ") != std::string::npos);
  require(!verdict_json(*run, report).empty());
  return 0;
}
