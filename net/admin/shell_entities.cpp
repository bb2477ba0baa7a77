// SPDX-License-Identifier: Apache-2.0
// The shell's commands about single entities.
#include "net/admin/reflect.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

std::vector<shell_cell> row_of(const entity_view& view) {
  return {to_text(view.key),   std::string(name_of(view.state)),
          view.mailbox,        view.waiting,
          view.messages,       view.crashes,
          time_text(view.age), time_text(view.idle)};
}
const std::vector<std::string> entity_columns{"ENTITY",   "STATE",   "MAILBOX", "WAITING",
                                              "MESSAGES", "CRASHES", "AGE",     "IDLE"};

}  // namespace

std::vector<shell::command> shell::entity_commands() {
  return {
      {"ps", "ps [KIND] [--sort mailbox|messages|crashes|age|idle] [--limit N]", "active entities", false, &shell::ps},
      {"find", "find ID|NAME", "where an entity lives; names of people, channels and workspaces too", false,
       &shell::find},
      {"info", "info ENTITY", "one entity as its slot sees it", false, &shell::info},
      {"state", "state ENTITY", "what is inside a live entity; secrets are masked", false, &shell::state},
      {"restarts", "restarts", "entities that crashed, and why", false, &shell::restarts},
      {"stop", "stop ENTITY", "end it; its next message starts it again", true, &shell::stop},
      {"restart", "restart ENTITY", "end it and start it; lifts a quarantine", true, &shell::restart},
  };
}

void shell::ps(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  if (!words.arguments.empty()) {
    filter.kind = parse_entity_kind(words.arguments[0]);
    if (!filter.kind) return reply(failure_reply(usage_of("ps")));
  }
  filter.count_max = shell_rows_max;
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

}  // namespace throng
