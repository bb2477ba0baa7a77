// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_top.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include "net/admin/shell.hpp"
#include "net/admin/shell_format.hpp"

namespace throng {

using std::chrono::milliseconds;

milliseconds top_time(const shell_words& words) {
  const auto wanted = words.options.find("every");
  const auto time = wanted == words.options.end() ? std::nullopt : parse_shell_duration(wanted->second);
  return std::clamp(time.value_or(milliseconds(1'000)), milliseconds(100), milliseconds(60'000));
}

std::optional<top_order> parse_top_order(std::string_view text) {
  if (text == "rate") return top_order::rate;
  if (text == "mailbox") return top_order::mailbox;
  if (text == "messages") return top_order::messages;
  return std::nullopt;
}

shell_table top_table(const std::vector<entity_view>& before, const std::vector<entity_view>& now, milliseconds between,
                      top_order by, std::size_t limit) {
  std::map<entity_key, const entity_view*> first;
  for (const auto& each : before) first.emplace(each.key, &each);
  struct line {
    const entity_view* view;
    std::uint64_t rate;
    std::int64_t rank;
  };
  std::vector<line> lines;
  std::uint64_t sum = 0;
  for (const auto& each : now) {
    const auto found = first.find(each.key);
    const bool is_same = found != first.end() && found->second->messages <= each.messages && each.age >= between;
    if (!is_same && each.age > between && each.mailbox == 0) continue;
    const auto messages = is_same ? each.messages - found->second->messages : each.age > between ? 0 : each.messages;
    if (messages == 0 && each.mailbox == 0) continue;
    const auto rate = messages * 1'000 / static_cast<std::uint64_t>(std::max<std::int64_t>(1, between.count()));
    sum += rate;
    const auto rank = by == top_order::rate      ? static_cast<std::int64_t>(messages)
                      : by == top_order::mailbox ? std::int64_t{each.mailbox}
                                                 : static_cast<std::int64_t>(each.messages);
    lines.push_back({&each, rate, rank});
  }
  std::stable_sort(lines.begin(), lines.end(), [](const line& a, const line& b) { return a.rank > b.rank; });
  shell_table table{{"ENTITY", "STATE", "MSG/S", "MAILBOX", "WAITING", "MESSAGES", "AGE"}, {}, {}};
  for (const auto& each : lines) {
    if (table.rows.size() == limit) break;
    const auto& view = *each.view;
    table.rows.push_back({to_text(view.key), std::string(name_of(view.state)), each.rate, view.mailbox, view.waiting,
                          view.messages, time_text(view.age)});
    table.order.push_back(each.rank);
  }
  table.note = std::to_string(sum) + " msg/s to " + std::to_string(lines.size()) + " entities";
  return table;
}

/// Two looks at those that had messages last: all that have any in between are among them, unless they are very many.
void shell::top(const shell_words& words, io_loop& where, answer reply) {
  inspection::filter filter;
  if (!words.arguments.empty()) {
    filter.kind = parse_entity_kind(words.arguments[0]);
    if (!filter.kind) return reply(failure_reply(usage_of("top")));
  }
  auto by = std::optional(top_order::rate);
  if (const auto wanted = words.options.find("sort"); wanted != words.options.end())
    by = parse_top_order(wanted->second);
  if (!by) return reply(failure_reply(usage_of("top")));
  filter.order = inspection::filter::order_t::recent;
  filter.count_max = shell_rows_max;

  struct look {
    std::mutex mutex;
    std::vector<entity_view> views;
    steady_time at{};
    double cpu_s = 0;
  };
  auto first = std::make_shared<look>();
  first->at = services_.door.now();
  first->cpu_s = process_cpu_seconds();
  services_.inspect.entities(filter, [first](std::vector<entity_view> views) {
    std::lock_guard lock(first->mutex);
    first->views = std::move(views);
  });
  where.after(top_time(words), [=, this, by = *by, limit = limit_of(words), reply = std::move(reply)] {
    services_.inspect.entities(filter, [=, this](std::vector<entity_view> views) {
      const auto between = std::chrono::duration_cast<milliseconds>(services_.door.now() - first->at);
      std::lock_guard lock(first->mutex);
      auto table = top_table(first->views, views, between, by, limit);
      const auto share = (process_cpu_seconds() - first->cpu_s) * 100'000 /
                         static_cast<double>(std::max<std::int64_t>(1, between.count()));
      table.note = services_.node + ": " + std::to_string(static_cast<int>(share + 0.5)) + " % CPU, " + table.note;
      reply(table_reply(table));
    });
  });
}

}  // namespace throng
