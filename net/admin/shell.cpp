// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell.hpp"

#include <algorithm>
#include <mutex>

#include "actors/protocol.hpp"
#include "config/log.hpp"
#include "net/admin/reflect.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t rows_default = 100;
constexpr std::size_t rows_max = 10'000;

std::string ms(milliseconds time) {
  if (time < seconds(10)) return std::to_string(time.count()) + " ms";
  if (time < std::chrono::minutes(10)) return std::to_string(time.count() / 1000) + " s";
  return std::to_string(time.count() / 60'000) + " min";
}

std::size_t limit_of(const shell_words& words) {
  auto found = words.options.find("limit");
  if (found == words.options.end()) return rows_default;
  const auto limit = static_cast<std::size_t>(std::strtoul(found->second.c_str(), nullptr, 10));
  return std::clamp<std::size_t>(limit, 1, rows_max);
}

std::vector<shell_cell> row_of(const entity_view& view) {
  return {to_text(view.key), std::string(name_of(view.state)),
          view.mailbox,      view.waiting,
          view.messages,     view.crashes,
          ms(view.age),      ms(view.idle)};
}
const std::vector<std::string> entity_columns{"ENTITY",   "STATE",   "MAILBOX", "WAITING",
                                              "MESSAGES", "CRASHES", "AGE",     "IDLE"};

void sort_views(std::vector<entity_view>& views, std::string_view by) {
  auto larger_first = [&](auto field) {
    std::stable_sort(views.begin(), views.end(),
                     [field](const entity_view& a, const entity_view& b) { return field(a) > field(b); });
  };
  if (by == "messages") return larger_first([](const entity_view& v) { return v.messages; });
  if (by == "crashes") return larger_first([](const entity_view& v) { return v.crashes; });
  if (by == "age") return larger_first([](const entity_view& v) { return v.age.count(); });
  if (by == "idle") return larger_first([](const entity_view& v) { return v.idle.count(); });
  if (by == "mailbox") return larger_first([](const entity_view& v) { return v.mailbox; });
  std::sort(views.begin(), views.end(), [](const entity_view& a, const entity_view& b) { return a.key < b.key; });
}

}  // namespace

std::string_view name_of(entity_view::state_t state) {
  switch (state) {
    case entity_view::state_t::loading:
      return "loading";
    case entity_view::state_t::active:
      return "active";
    case entity_view::state_t::quarantined:
      return "quarantined";
  }
  return "?";
}

error shell::usage_of(std::string_view name) {
  for (const auto& each : commands())
    if (each.name == name) return {errc::invalid_arguments, "usage: " + std::string(each.usage)};
  return {errc::invalid_arguments, {}};
}

const std::vector<shell::command>& shell::commands() {
  static const std::vector<command> all{
      {"help", "help [COMMAND]", "what there is", false, &shell::help},
      {"nodes", "nodes", "the cluster's nodes, with what they carry", false, &shell::nodes},
      {"slots", "slots [--limit N]", "slots in use: owner, epoch, entities", false, &shell::slots},
      {"ps", "ps [KIND] [--sort mailbox|messages|crashes|age|idle] [--limit N]", "active entities", false, &shell::ps},
      {"tree", "tree [--limit N]", "the supervision tree", false, &shell::tree},
      {"find", "find ID|NAME", "where an entity lives; names of people, channels and workspaces too", false,
       &shell::find},
      {"info", "info ENTITY", "one entity as its slot sees it", false, &shell::info},
      {"state", "state ENTITY", "what is inside a live entity; secrets are masked", false, &shell::state},
      {"sessions", "sessions [--limit N]", "signed-in devices", false, &shell::sessions},
      {"subs", "subs [STREAM] [--limit N]", "streams that local connections subscribe to", false, &shell::subs},
      {"trace", "trace [ENTITY] [--count N] [--for 10s]", "the next messages on their way into entities", false,
       &shell::trace},
      {"restarts", "restarts", "entities that crashed, and why", false, &shell::restarts},
      {"shards", "shards [--servers]", "the store's shards, how they do, and the servers they are on", false,
       &shell::shards},
      {"rows", "rows [--exact]", "how many rows each table has in each shard", false, &shell::rows},
      {"explain", "explain METHOD [NAME=VALUE]…",
       "calls the API (give token=…), and shows what it asks of the database", true, &shell::explain},
      {"reparent", "reparent SHARD SERVER", "make another server the shard's primary", true, &shell::reparent},
      {"reshard",
       "reshard plan|start SHARDS TARGET=SERVERS… [--rate ROWS/S] | status|verify|switch|reverse|cancel | "
       "complete [--drop-data]",
       "split and merge shards while they serve: reshard start - -80=h:1,h:2 80-=h:3,h:4", true, &shell::reshard},
      {"stop", "stop ENTITY", "end it; its next message starts it again", true, &shell::stop},
      {"restart", "restart ENTITY", "end it and start it; lifts a quarantine", true, &shell::restart},
  };
  return all;
}

namespace {

/// Of the commands that change something, those that only look: not worth a line in the log.
bool only_looks(const shell_words& words) {
  return words.command == "reshard" && (words.arguments.empty() || words.arguments[0] == "status" ||
                                        words.arguments[0] == "plan" || words.arguments[0] == "verify");
}

}  // namespace

void shell::run(std::string_view line, io_loop& where, const std::string& who, answer reply) {
  auto words = parse_shell_words(line, {"sort", "limit", "count", "for", "rate"});
  if (!words) return reply(failure_reply(words.failure()));
  if (words->command.empty()) return reply(failure_reply({errc::invalid_arguments, "no command; try help"}));
  for (const auto& each : commands()) {
    if (each.name != words->command) continue;
    if (each.changes && !only_looks(*words)) log::info("audit: {} ran {}", who, without_tokens(line));
    return (this->*each.run)(*words, where, std::move(reply));
  }
  reply(failure_reply({errc::unknown_method, "there is no command " + words->command + "; try help"}));
}

void shell::help(const shell_words& words, io_loop&, answer reply) {
  shell_table table{{"COMMAND", "WHAT IT SHOWS OR DOES"}, {}, {}};
  for (const auto& each : commands())
    if (words.arguments.empty() || words.arguments[0] == each.name)
      table.rows.push_back({std::string(each.usage), std::string(each.help)});
  if (table.rows.empty()) return reply(failure_reply({errc::not_found, "there is no command " + words.arguments[0]}));
  reply(table_reply(table));
}

void shell::nodes(const shell_words&, io_loop&, answer reply) {
  if (const auto cluster = services_.membership ? services_.membership() : nullptr)
    return reply(table_reply(nodes_table(*cluster, services_.link_views())));
  const auto figures = services_.inspect.figures();
  const auto sockets = services_.sockets.figures();
  shell_table table{{"NODE", "STATE", "SLOTS", "ENTITIES", "CONNECTIONS", "VERSION"}, {}, {}};
  table.rows.push_back({services_.node, services_.is_ready.load() ? "ready" : "not ready", slot_count, figures.entities,
                        sockets.websockets, services_.version});
  reply(table_reply(table));
}

void shell::slots(const shell_words& words, io_loop&, answer reply) {
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  services_.inspect.slots(
      [limit = limit_of(words), node = services_.node, cluster, reply](std::vector<slot_view> views) {
        std::sort(views.begin(), views.end(), [](const slot_view& a, const slot_view& b) { return a.slot < b.slot; });
        shell_table table{{"SLOT", "OWNER", "EPOCH", "ENTITIES", "STREAMS", "MAILBOX"}, {}, {}};
        for (const auto& each : views)
          if (table.rows.size() < limit && (each.entities || each.streams))
            table.rows.push_back({each.slot.value, cluster ? owner_of(*cluster, each.slot) : node, each.epoch,
                                  each.entities, each.streams, each.mailbox});
        table.note = (cluster ? slots_summary(*cluster) : std::to_string(slot_count) + " slots, all owned by " + node) +
                     "; " + std::to_string(views.size()) + " have been used on " + node + " since the start";
        reply(table_reply(table));
      });
}

void shell::ps(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  if (!words.arguments.empty()) {
    filter.kind = parse_entity_kind(words.arguments[0]);
    if (!filter.kind) return reply(failure_reply(usage_of("ps")));
  }
  filter.count_max = rows_max;
  auto sort = words.options.contains("sort") ? words.options.at("sort") : std::string();
  services_.inspect.entities(filter, [limit = limit_of(words), sort, reply](std::vector<entity_view> views) {
    const auto count = views.size();
    sort_views(views, sort);
    if (views.size() > limit) views.resize(limit);
    shell_table table{entity_columns, {}, {}};
    for (const auto& each : views) table.rows.push_back(row_of(each));
    table.note = std::to_string(table.rows.size()) + " of " + std::to_string(count) + " entities";
    reply(table_reply(table));
  });
}

void shell::tree(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  filter.count_max = rows_max;
  const auto sockets = services_.sockets.figures();
  const auto commits = services_.commits.read_figures();
  auto root = std::make_shared<shell_tree>(shell_tree{"node " + services_.node, {}});
  root->children.push_back({"storage",
                            {{"commit queue: " + std::to_string(commits.waiting_units) + " waiting", {}},
                             {"readers: " + std::to_string(services_.readers.waiting()) + " waiting", {}}}});
  shell_tree gateway{"gateway: " + std::to_string(sockets.websockets) + " websockets", {}};
  for (std::size_t i = 0; i < services_.sockets.loop_count(); ++i)
    gateway.children.push_back({"io loop " + std::to_string(i), {}});
  root->children.push_back(std::move(gateway));
  services_.inspect.entities(filter, [root, limit = limit_of(words), reply](std::vector<entity_view> views) {
    sort_views(views, "");
    std::stable_sort(views.begin(), views.end(),
                     [](const entity_view& a, const entity_view& b) { return slot_of(a.key) < slot_of(b.key); });
    shell_tree region{"region: " + std::to_string(views.size()) + " entities", {}};
    std::optional<slot_id> last;
    std::size_t shown = 0;
    for (const auto& each : views) {
      if (++shown > limit) break;
      if (last != slot_of(each.key)) {
        last = slot_of(each.key);
        region.children.push_back({"slot " + std::to_string(last->value), {}});
      }
      std::string line = to_text(each.key);
      if (each.state != entity_view::state_t::active) line += " (" + std::string(name_of(each.state)) + ")";
      region.children.back().children.push_back({std::move(line), {}});
    }
    if (views.size() > limit)
      region.children.push_back({"… " + std::to_string(views.size() - limit) + " more (--limit)", {}});
    root->children.push_back(std::move(region));
    reply(tree_reply(*root));
  });
}

void shell::info(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("info")));
  inspection::filter filter;
  filter.key = key;
  services_.inspect.entities(filter, [key = *key, node = services_.node, reply](std::vector<entity_view> views) {
    std::string text;
    json_writer out(text);
    out.begin_object().member("entity", to_text(key)).member("slot", slot_of(key).value).member("node", node);
    if (views.empty()) {
      out.member("state", "not active");
    } else {
      const auto& view = views[0];
      out.member("state", name_of(view.state)).member("mailbox", view.mailbox).member("waiting", view.waiting);
      out.member("messages", view.messages).member("crashes", view.crashes);
      out.member("age_ms", view.age.count()).member("idle_ms", view.idle.count());
      out.member("stays_active", view.stays_active);
      if (!view.reason.empty()) out.member("last_crash", view.reason);
    }
    out.end_object();
    reply(value_reply(text));
  });
}

void shell::state(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("state")));
  services_.inspect.snapshot(*key, [key = *key, reply](result<message_ptr> state) {
    if (!state && state.code() == errc::not_found)
      return reply(failure_reply({errc::not_found, to_text(key) + " is not active; looking does not wake it"}));
    if (!state) return reply(failure_reply(state.failure()));
    std::string text;
    json_writer out(text);
    write_state(out, **state);
    reply(value_reply(text));
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
    shell_table table{{"STREAM", "CONNECTIONS", "STATE"}, {}, std::to_string(views.size()) + " streams"};
    for (const auto& each : views) {
      if (only && each.stream != *only) continue;
      if (table.rows.size() >= limit) break;
      table.rows.push_back({to_text(each.stream), each.connections, each.is_catching_up ? "catching up" : "live"});
    }
    reply(table_reply(table));
  });
}

void shell::restarts(const shell_words&, io_loop&, answer reply) {
  inspection::filter filter;
  filter.only_troubled = true;
  services_.inspect.entities(filter, [reply](std::vector<entity_view> views) {
    sort_views(views, "crashes");
    shell_table table{{"ENTITY", "STATE", "CRASHES", "REASON"}, {}, {}};
    for (const auto& each : views)
      table.rows.push_back({to_text(each.key), std::string(name_of(each.state)), each.crashes, each.reason});
    if (views.empty()) table.note = "nothing has crashed";
    reply(table_reply(table));
  });
}

void shell::stop(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("stop")));
  services_.inspect.stop(*key, [key = *key, reply](result<> outcome) {
    if (!outcome) return reply(failure_reply({outcome.code(), to_text(key) + " is not active"}));
    reply(done_reply(to_text(key) + " was stopped; its next message starts it again"));
  });
}

void shell::restart(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("restart")));
  services_.inspect.restart(*key, [key = *key, reply](result<> outcome) {
    if (!outcome) return reply(failure_reply({outcome.code(), to_text(key) + " is neither active nor quarantined"}));
    reply(done_reply(to_text(key) + " was started again"));
  });
}

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
    if (views.empty()) return reply(table_reply(table));
    auto show = [reply, table, now = seconds_of(services_.door.wall())](snapshot_gathering::all states) mutable {
      std::sort(states.begin(), states.end());
      for (const auto& [key, state] : states) {
        const auto* session = dynamic_cast<const SessionSnapshot*>(state.get());
        if (!session) continue;
        table.rows.push_back({to_text(session_id{key.id}), to_text(user_id{session->caller().user()}),
                              to_text(team_id{session->caller().team()}),
                              session->is_connected() ? "connected" : "away from its socket", session->peer(),
                              ms(seconds(now - session->started())), session->user_agent()});
      }
      reply(table_reply(table));
    };
    auto gathered = std::make_shared<snapshot_gathering>(views.size(), std::move(show));
    for (const auto& each : views)
      services_.inspect.snapshot(
          each.key, [gathered, key = each.key](result<message_ptr> state) { gathered->add(key, std::move(state)); });
  });
}

}  // namespace throng
