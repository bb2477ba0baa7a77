// SPDX-License-Identifier: Apache-2.0
// The shell's `trace`: the next messages on their way into entities.
#include <algorithm>
#include <cstdlib>

#include "net/admin/shell.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

std::vector<shell::command> shell::trace_commands() {
  return {
      {"trace", "trace [ENTITY] [--count N] [--for 10s]", "the next messages on their way into entities", false,
       &shell::trace},
  };
}

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void shell::trace(const shell_words& words, io_loop& where, answer reply) {
  std::optional<entity_key> key;
  if (!words.arguments.empty()) {
    key = parse_entity_key(words.arguments[0]);
    if (!key) return reply(failure_reply(usage_of("trace")));
  }
  std::size_t count = 20;
  if (words.options.contains("count"))
    count = std::clamp<std::size_t>(std::strtoul(words.options.at("count").c_str(), nullptr, 10), 1, 10'000);
  milliseconds time{10'000};
  if (words.options.contains("for")) {
    auto parsed = parse_shell_duration(words.options.at("for"));
    if (!parsed || *parsed > seconds(60))
      return reply(failure_reply({errc::invalid_arguments, "--for is at most 60s"}));
    time = *parsed;
  }
  if (is_tracing_.exchange(true))
    return reply(failure_reply({errc::conflict, "another trace is under way; it ends within a minute"}));
  services_.inspect.start_trace(key, count, time);
  wait_for_trace(count, services_.door.now() + time, where, std::move(reply));
}

void shell::wait_for_trace(std::size_t count, steady_time until, io_loop& where, answer reply) {
  auto records = services_.inspect.read_trace();
  if (records.size() < count && services_.door.now() < until)
    return where.after(milliseconds(50), [this, count, until, &where, reply = std::move(reply)]() mutable {
      wait_for_trace(count, until, where, std::move(reply));
    });
  shell_table table{{"TIME", "ENTITY", "MESSAGE", "KIND", "MAILBOX"}, {}, {}};
  for (const auto& each : records)
    table.rows.push_back({to_text(message_ts{each.at.time_since_epoch().count()}), to_text(each.to), each.message,
                          each.is_ask ? "ask" : "tell", each.mailbox});
  table.note = std::to_string(records.size()) + " messages; the trace is off again";
  is_tracing_.store(false);
  reply(table_reply(table));
}

}  // namespace throng
