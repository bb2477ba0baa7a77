// SPDX-License-Identifier: Apache-2.0
// The RTM frame decoder against arbitrary bytes: it must neither crash nor read outside, keep its bounds, and answer
// with well-formed JSON whatever it was sent.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "net/gateway/rtm_frame.hpp"
#include "storage/json/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto must_be_json = [](const std::string& answer) {
    if (!throng::parse_json(answer, {.bytes_max = answer.size(), .depth_max = 100, .values_max = 100'000}))
      std::abort();
  };
  std::size_t count = 0;
  throng::decode_rtm_frame(
      text,
      [&](const throng::rtm_command& command) {
        ++count;
        if (command.users.size() > throng::rtm_ids_max) std::abort();
        if (!std::is_sorted(command.users.begin(), command.users.end())) std::abort();
        if (!command.pong.empty()) must_be_json(command.pong);
        must_be_json(throng::render_rtm_ack(command.id, "1.000000", command.text));
      },
      [&](const throng::rtm_problem& problem) {
        ++count;
        must_be_json(throng::render_rtm_error(problem.id, problem.what));
      });
  if (count == 0 && text.find_first_not_of(" \t\r\n") != text.npos) std::abort();  // everything is answered
  if (count > throng::rtm_objects_max + 1) std::abort();
  return 0;
}
