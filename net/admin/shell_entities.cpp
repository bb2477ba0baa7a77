// SPDX-License-Identifier: Apache-2.0
// The shell's commands about single entities.
#include <algorithm>

#include "net/admin/reflect.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_top.hpp"

namespace throng {

namespace {

using order_t = inspection::filter::order_t;
using std::chrono::milliseconds;

std::size_t count_of(const region_figures& figures, std::optional<entity_kind> kind) {
  if (!kind) return figures.entities;
  for (const auto& [each, count] : figures.entities_by_kind)
    if (each == *kind) return count;
  return 0;
}

std::vector<shell_cell> row_of(const entity_view& view, const cluster_agent::view* cluster) {
  return {to_text(view.key), state_of(view, cluster), view.mailbox,        view.waiting, view.messages,
          view.crashes,      time_text(view.age),     time_text(view.idle)};
}
const std::vector<std::string> entity_columns{"ENTITY",   "STATE",   "MAILBOX", "WAITING",
                                              "MESSAGES", "CRASHES", "AGE",     "IDLE"};

}  // namespace

std::vector<shell::command> shell::entity_commands() {
  return {
      {"ps", "ps [KIND] [--sort mailbox|messages|crashes|age|idle] [--limit N]", "active entities", false, &shell::ps,
       scope_t::everywhere, &shell::merge_entities},
      {"top", "top [KIND] [--sort rate|mailbox|messages] [--limit N] [--every 1s]",
       "the busiest entities, and messages a second between two looks", false, &shell::top, scope_t::everywhere,
       &shell::merge_entities, top_time},
      {"find", "find ID|NAME", "where an entity lives; names of people, channels and workspaces too", false,
       &shell::find, scope_t::everywhere, &shell::merge_found, nullptr, nullptr,
       [](const shell_words& words) { return words.arguments.empty() || !parse_entity_key(words.arguments[0]); }},
      {"info", "info ENTITY", "one entity as its slot sees it", false, &shell::info, scope_t::owner},
      {"state", "state ENTITY", "what is inside a live entity; secrets are masked", false, &shell::state,
       scope_t::owner},
      {"restarts", "restarts [--limit N]", "entities that crashed or are in quarantine, and why", false,
       &shell::restarts, scope_t::everywhere, &shell::merge_restarts},
      {"stop", "stop ENTITY", "end it when it has done what waits; its next message starts it again", true,
       &shell::stop, scope_t::owner},
      {"restart", "restart ENTITY", "end it and start it; lifts a quarantine", true, &shell::restart, scope_t::owner},
      {"kill", "kill ENTITY", "end it now, as a crash would: what waits for it is refused", true, &shell::kill,
       scope_t::owner},
      {"quarantine", "quarantine ENTITY [--for 10m] [--reason TEXT]", "end it now, and refuse all messages to it", true,
       &shell::quarantine, scope_t::owner},
      {"release", "release ENTITY", "lift its quarantine; its next message starts it", true, &shell::release,
       scope_t::owner},
  };
}

void shell::ps(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  if (!words.arguments.empty()) {
    filter.kind = parse_entity_kind(words.arguments[0]);
    if (!filter.kind) return reply(failure_reply(usage_of("ps")));
  }
  if (const auto wanted = words.options.find("sort"); wanted != words.options.end()) {
    const auto order = parse_order(wanted->second);
    if (!order) return reply(failure_reply(usage_of("ps")));
    filter.order = *order;
  }
  // Without an order there is no saying which are the first of very many: those with the smallest keys are then.
  filter.count_max = filter.order == order_t::any ? shell_rows_max : limit_of(words);
  const auto total = count_of(services_.inspect.figures(), filter.kind);
  services_.inspect.entities(filter, [=, this, limit = limit_of(words)](std::vector<entity_view> views) {
    sort_views(views, filter.order);
    const auto cluster = services_.membership ? services_.membership() : nullptr;
    shell_table table{entity_columns, {}, {}};
    table.total = std::max(total, views.size());
    if (views.size() > limit) views.resize(limit);
    for (const auto& each : views) {
      table.rows.push_back(row_of(each, cluster.get()));
      table.order.push_back(rank_of(each, filter.order));
    }
    reply(table_reply(table));
  });
}

std::string shell::merge_entities(const shell_words& words, const shell_parts& parts) {
  return merged_reply(parts, limit_of(words), "entities");
}

void shell::info(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("info")));
  inspection::filter filter;
  filter.key = key;
  services_.inspect.entities(filter, [this, key = *key, node = services_.node, reply](std::vector<entity_view> views) {
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
      if (view.quarantine_left.count() > 0) out.member("quarantine_left_ms", view.quarantine_left.count());
      if (!view.reason.empty()) out.member("last_crash", view.reason);
      if (const auto cluster = services_.membership ? services_.membership() : nullptr) {
        if (view.lent_to.value) out.member("lent_to", name_of(*cluster, view.lent_to));
        if (view.lent_from.value) out.member("lent_from", name_of(*cluster, view.lent_from));
      }
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

void shell::restarts(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  filter.only_troubled = true;
  filter.order = order_t::crashes;
  filter.count_max = limit_of(words);
  services_.inspect.entities(filter, [reply](std::vector<entity_view> views) {
    sort_views(views, order_t::crashes);
    shell_table table{{"ENTITY", "STATE", "LEFT", "CRASHES", "REASON"}, {}, {}};
    for (const auto& each : views) {
      table.rows.push_back(
          {to_text(each.key),
           each.age.count() == 0 && each.quarantine_left.count() == 0 ? std::string("not active")
                                                                      : std::string(name_of(each.state)),
           each.quarantine_left.count() > 0 ? time_text(each.quarantine_left) : "", each.crashes, each.reason});
      table.order.push_back(static_cast<std::int64_t>(each.crashes));
    }
    reply(table_reply(table));
  });
}

std::string shell::merge_restarts(const shell_words& words, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  auto table = merged_table(parts.good, limit_of(words), "");
  if (table.rows.empty()) table.note = "nothing has crashed";
  return with_partial(table_reply(table), parts.partial);
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

void shell::kill(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("kill")));
  services_.inspect.kill(*key, "killed by the shell", [key = *key, reply](result<> outcome) {
    if (!outcome) return reply(failure_reply({outcome.code(), to_text(key) + " is not active"}));
    reply(done_reply(to_text(key) + " was killed; its next message starts it again"));
  });
}

void shell::quarantine(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("quarantine")));
  milliseconds time = std::chrono::minutes(10);
  if (const auto wanted = words.options.find("for"); wanted != words.options.end()) {
    const auto parsed = parse_shell_duration(wanted->second);
    if (!parsed || parsed->count() == 0)
      return reply(failure_reply({errc::invalid_arguments, "--for is a time such as 10m, not " + wanted->second}));
    time = *parsed;
  }
  const auto given = words.options.find("reason");
  const auto why = given != words.options.end() ? given->second : std::string("by the shell");
  services_.inspect.quarantine(*key, time, why, [key = *key, time, reply](result<> outcome) {
    if (!outcome) return reply(failure_reply(outcome.failure()));
    reply(done_reply(to_text(key) + " is in quarantine for " + time_text(time) +
                     ", or until release or restart, or its slot moves"));
  });
}

void shell::release(const shell_words& words, io_loop&, answer reply) {
  const auto key = words.arguments.empty() ? std::nullopt : parse_entity_key(words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of("release")));
  services_.inspect.release(*key, [key = *key, reply](result<> outcome) {
    if (!outcome) return reply(failure_reply({outcome.code(), to_text(key) + " is not in quarantine"}));
    reply(done_reply(to_text(key) + " was released; its next message starts it"));
  });
}

}  // namespace throng
