// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell.hpp"

#include <iterator>

#include "config/log.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"

namespace throng {

error shell::usage_of(std::string_view name) {
  for (const auto& each : commands())
    if (each.name == name) return {errc::invalid_arguments, "usage: " + std::string(each.usage)};
  return {errc::invalid_arguments, {}};
}

std::vector<shell::command> shell::general_commands() {
  return {
      {"help", "help [COMMAND]", "what there is", false, &shell::help},
  };
}

const std::vector<shell::command>& shell::commands() {
  static const std::vector<command> all = [] {
    std::vector<command> made;
    for (auto* family : {general_commands, node_commands, entity_commands, client_commands, trace_commands,
                         storage_commands, placement_commands})
      std::ranges::move(family(), std::back_inserter(made));
    return made;
  }();
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

}  // namespace throng
