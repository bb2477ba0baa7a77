// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell.hpp"

#include <algorithm>
#include <iterator>

#include "config/log.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

error shell::usage_of(std::string_view name) {
  for (const auto& each : commands())
    if (each.name == name) return {errc::invalid_arguments, "usage: " + std::string(each.usage)};
  return {errc::invalid_arguments, {}};
}

std::vector<shell::command> shell::general_commands() {
  return {
      {"help", "help [COMMAND]", "what there is", false, &shell::help},
      {"audit", "audit [--limit N]", "who changed what by the shell, the latest first", false, &shell::audit,
       scope_t::everywhere, &shell::merge_audit},
  };
}

const std::vector<shell::command>& shell::commands() {
  static const std::vector<command> all = [] {
    std::vector<command> made;
    for (auto* family : {general_commands, node_commands, trouble_commands, entity_commands, client_commands,
                         trace_commands, why_commands, storage_commands, placement_commands})
      std::ranges::move(family(), std::back_inserter(made));
    return made;
  }();
  return all;
}

void shell::help(const shell_words& words, io_loop&, answer reply) {
  shell_table table{{"COMMAND", "WHAT IT SHOWS OR DOES"}, {}, {}};
  for (const auto& each : commands())
    if (words.arguments.empty() || words.arguments[0] == each.name)
      table.rows.push_back({std::string(each.usage), std::string(each.help) + (each.changes ? " (operators)" : "")});
  if (table.rows.empty()) return reply(failure_reply({errc::not_found, "there is no command " + words.arguments[0]}));
  if (words.arguments.empty())
    table.note = "all answer for the whole cluster; --node NODE asks one node only, --timeout 5s waits longer for all";
  reply(table_reply(table));
}

void shell::audit(const shell_words& words, io_loop&, answer reply) {
  shell_table table{{"TIME", "WHO", "FROM", "COMMAND", "OUTCOME"}, {}, {}};
  if (services_.audit)
    for (auto& each : services_.audit->newest(limit_of(words))) {
      table.rows.push_back({utc_text(each.at), each.who, each.from, each.line, each.outcome});
      table.order.push_back(each.at.time_since_epoch().count());
    }
  reply(table_reply(table));
}

std::string shell::merge_audit(const shell_words& words, const shell_parts& parts) {
  return merged_reply(parts, limit_of(words), "commands");
}

}  // namespace throng
