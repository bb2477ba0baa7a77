// SPDX-License-Identifier: Apache-2.0
// The shell's `trace`: the next messages on their way into entities.
#include <algorithm>
#include <cstdlib>

#include "net/admin/shell.hpp"
#include "net/admin/shell_gather.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds time_default{10'000};
constexpr milliseconds time_max{60'000};
constexpr milliseconds look_every{50};

std::size_t count_of(const shell_words& words) {
  const auto wanted = words.options.find("count");
  if (wanted == words.options.end()) return 20;
  return std::clamp<std::size_t>(std::strtoul(wanted->second.c_str(), nullptr, 10), 1, 10'000);
}

std::optional<milliseconds> time_of(const shell_words& words) {
  const auto wanted = words.options.find("for");
  if (wanted == words.options.end()) return time_default;
  const auto time = parse_shell_duration(wanted->second);
  return time && *time <= time_max ? time : std::nullopt;
}

bool has_enough(const shell_words& words, const shell_parts& parts) {
  std::size_t rows = 0;
  for (const auto& each : parsed(parts).good) rows += each.root().find("rows").size();
  return rows >= count_of(words);
}

milliseconds lasts(const shell_words& words) { return time_of(words).value_or(milliseconds(0)) + look_every; }

}  // namespace

std::vector<shell::command> shell::trace_commands() {
  return {
      {"trace", "trace [ENTITY] [--count N] [--for 10s]", "the next messages on their way into entities", false,
       &shell::trace, scope_t::everywhere, &shell::merge_traces, lasts, has_enough},
  };
}

void shell::trace(const shell_words& words, io_loop& where, answer reply) {
  if (words.options.contains("end")) {
    has_trace_ended_.store(true);
    return reply(done_reply("the trace is off"));
  }
  std::optional<entity_key> key;
  if (!words.arguments.empty()) {
    key = parse_entity_key(words.arguments[0]);
    if (!key) return reply(failure_reply(usage_of("trace")));
  }
  const auto time = time_of(words);
  if (!time) return reply(failure_reply({errc::invalid_arguments, "--for is at most 60s"}));
  if (is_tracing_.exchange(true))
    return reply(failure_reply({errc::conflict, "another trace is under way; it ends within a minute"}));
  const auto count = count_of(words);
  has_trace_ended_.store(false);
  services_.inspect.start_trace(key, count, *time);
  wait_for_trace(count, services_.door.now() + *time, where, std::move(reply));
}

void shell::wait_for_trace(std::size_t count, steady_time until, io_loop& where, answer reply) {
  const auto records = services_.inspect.read_trace();
  if (records.size() < count && !has_trace_ended_.load() && services_.door.now() < until)
    return where.after(look_every, [this, count, until, &where, reply = std::move(reply)]() mutable {
      wait_for_trace(count, until, where, std::move(reply));
    });
  shell_table table{{"TIME", "ENTITY", "MESSAGE", "KIND", "FROM", "MAILBOX"}, {}, {}};
  for (const auto& each : records) {
    table.rows.push_back({to_text(message_ts{each.at.time_since_epoch().count()}), to_text(each.to), each.message,
                          each.is_ask ? "ask" : "tell", each.from.id != 0 ? to_text(each.from) : "outside",
                          each.mailbox});
    table.order.push_back(-each.at.time_since_epoch().count());  // the earliest first
  }
  table.total = records.size();
  is_tracing_.store(false);
  reply(table_reply(table));
}

std::string shell::merge_traces(const shell_words& words, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  for (const auto& node : members()) {  // that didn't have to see anything
    if (std::ranges::find(all.answered, node.name, &shell_part::node) != all.answered.end()) continue;
    if (node.name == services_.node)
      has_trace_ended_.store(true);
    else if (services_.peers)
      services_.peers->ask_node(node.number, R"({"line":"trace --end"})", seconds(1), [](const auto&) {});
  }
  auto table = merged_table(parts.good, count_of(words), "");
  table.note = std::to_string(table.rows.size()) + " messages; the trace is off again";
  table.total.reset();
  return with_partial(table_reply(table), parts.partial);
}

}  // namespace throng
