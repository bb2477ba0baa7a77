// SPDX-License-Identifier: Apache-2.0
// The shell's commands about clients: their devices, and the streams that they read.
#include <algorithm>
#include <mutex>

#include "actors/protocol.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

std::vector<shell::command> shell::client_commands() {
  return {
      {"sessions", "sessions [--limit N]", "signed-in devices", false, &shell::sessions, scope_t::everywhere,
       &shell::merge_sessions},
      {"subs", "subs [STREAM] [--limit N]", "streams that connections read, node by node", false, &shell::subs,
       scope_t::everywhere, &shell::merge_streams},
  };
}

namespace {

/// Snapshots of many entities, gathered; those that end meanwhile are left out.
class snapshot_gathering : public std::enable_shared_from_this<snapshot_gathering> {
 public:
  using all = std::vector<std::pair<entity_key, message_ptr>>;
  explicit snapshot_gathering(std::size_t expected, std::function<void(all)> done)
      : missing_(expected), done_(std::move(done)) {}
  void add(entity_key key, result<message_ptr> state) {
    std::unique_lock lock(mutex_);
    if (state) states_.emplace_back(key, std::move(*state));
    if (--missing_ > 0) return;
    lock.unlock();
    done_(std::move(states_));
  }

 private:
  std::mutex mutex_;
  std::size_t missing_;
  all states_;
  std::function<void(all)> done_;
};

}  // namespace

void shell::sessions(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  filter.kind = entity_kind::session;
  filter.count_max = limit_of(words);
  services_.inspect.entities(filter, [this, reply](std::vector<entity_view> views) {
    shell_table table{{"SESSION", "USER", "WORKSPACE", "STATE", "PEER", "AGE", "CLIENT"}, {}, {}};
    for (const auto& [kind, count] : services_.inspect.figures().entities_by_kind)
      if (kind == entity_kind::session) table.total = std::max(count, views.size());
    if (views.empty()) return reply(table_reply(table));
    auto show = [reply, table, now = seconds_of(services_.door.wall())](snapshot_gathering::all states) mutable {
      std::sort(states.begin(), states.end());
      for (const auto& [key, state] : states) {
        const auto* session = dynamic_cast<const SessionSnapshot*>(state.get());
        if (!session) continue;
        table.rows.push_back({to_text(session_id{key.id}), to_text(user_id{session->caller().user()}),
                              to_text(team_id{session->caller().team()}),
                              session->is_connected() ? "connected" : "away from its socket", session->peer(),
                              time_text(std::chrono::seconds(now - session->started())), session->user_agent()});
      }
      reply(table_reply(table));
    };
    auto gathered = std::make_shared<snapshot_gathering>(views.size(), std::move(show));
    for (const auto& each : views)
      services_.inspect.snapshot(
          each.key, [gathered, key = each.key](result<message_ptr> state) { gathered->add(key, std::move(state)); });
  });
}

void shell::subs(const shell_words& words, io_loop&, answer reply) {
  std::optional<entity_key> only;
  if (!words.arguments.empty()) {
    only = parse_entity_key(words.arguments[0]);
    if (!only) return reply(failure_reply(usage_of("subs")));
  }
  services_.streams([only, limit = limit_of(words), reply](std::vector<stream_view> views) {
    std::sort(views.begin(), views.end(), [](const stream_view& a, const stream_view& b) {
      return a.connections != b.connections ? a.connections > b.connections : a.stream < b.stream;
    });
    shell_table table{{"STREAM", "CONNECTIONS", "STATE"}, {}, {}};
    table.total = views.size();
    for (const auto& each : views) {
      if (only && each.stream != *only) continue;
      if (table.rows.size() >= limit) break;
      table.rows.push_back({to_text(each.stream), each.connections, each.is_catching_up ? "catching up" : "live"});
      table.order.push_back(static_cast<std::int64_t>(each.connections));
    }
    reply(table_reply(table));
  });
}

std::string shell::merge_sessions(const shell_words& words, const shell_parts& parts) {
  return merged_reply(parts, limit_of(words), "sessions");
}

std::string shell::merge_streams(const shell_words& words, const shell_parts& parts) {
  return merged_reply(parts, limit_of(words), "streams");
}

}  // namespace throng
