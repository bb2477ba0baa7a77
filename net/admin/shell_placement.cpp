// SPDX-License-Identifier: Apache-2.0
// The shell's commands that change where slots and entities are.
#include <charconv>

#include "net/admin/shell.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto comma = std::min(text.find(',', at), text.size());
    parts.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return parts;
}

/// "n1=200"
std::optional<std::pair<std::string, std::uint32_t>> parse_weight(std::string_view text) {
  constexpr std::uint32_t weight_max = 1'000'000;
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  std::uint32_t weight = 0;
  const auto number = text.substr(equals + 1);
  const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), weight);
  if (failure != std::errc{} || end != number.data() + number.size() || weight > weight_max) return std::nullopt;
  return std::pair(std::string(text.substr(0, equals)), weight);
}

std::string spoken(const result<std::string>& outcome) {
  return outcome ? done_reply(*outcome) : failure_reply(outcome.failure());
}

}  // namespace

std::vector<shell::command> shell::placement_commands() {
  return {
      {"plan", "plan [--drain NODE,…] [--weight NODE=W,…] [--slots]",
       "what should move where, why, and what each node would carry then; for what is, or for what is assumed", false,
       &shell::plan},
      {"apply", "apply [PLAN]", "do what a plan of this node says; refused if the slot table has changed", true,
       &shell::apply},
      {"undo", "undo", "move back what the last apply or migrate has moved", true, &shell::undo},
      {"drain", "drain NODE", "take all slots from a node, send its clients to the others, and keep it empty", true,
       &shell::drain},
      {"undrain", "undrain NODE", "let a drained node have its share again, and clients", true, &shell::undrain},
      {"balance", "balance on|off", "let the coordinator move slots for load, or only what must move", true,
       &shell::balance},
      {"migrate", "migrate slot:N|ENTITY NODE", "move it there now", true, &shell::migrate},
      {"pin", "pin slot:N|ENTITY NODE", "move it there, and keep it there while that node is a member", true,
       &shell::pin},
      {"unpin", "unpin slot:N|ENTITY", "let it go elsewhere again", true, &shell::unpin},
  };
}

void shell::plan(const shell_words& words, io_loop&, answer reply) {
  if (!words.arguments.empty()) return reply(failure_reply(usage_of("plan")));
  cluster_admin::assumption given;
  given.lists_slots = words.options.contains("slots");
  if (const auto found = words.options.find("drain"); found != words.options.end())
    for (auto name : split(found->second)) given.draining.emplace_back(name);
  if (const auto found = words.options.find("weight"); found != words.options.end())
    for (auto each : split(found->second)) {
      auto weight = parse_weight(each);
      if (!weight)
        return reply(failure_reply(
            {errc::invalid_arguments, "--weight is NODE=W with W from 0 to 1000000, not " + std::string(each)}));
      given.weights.push_back(std::move(*weight));
    }
  on_placement(
      [given](cluster_admin& placement) {
        const auto shown = placement.plan(given);
        return shown ? table_reply(*shown) : failure_reply(shown.failure());
      },
      std::move(reply));
}

void shell::apply(const shell_words& words, io_loop&, answer reply) {
  std::uint64_t plan = 0;
  if (!words.arguments.empty()) {
    const auto& text = words.arguments[0];
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), plan);
    if (failure != std::errc{} || end != text.data() + text.size() || plan == 0 || words.arguments.size() > 1)
      return reply(failure_reply(usage_of("apply")));
  }
  on_placement([plan](cluster_admin& placement) { return spoken(placement.apply(plan)); }, std::move(reply));
}

void shell::undo(const shell_words& words, io_loop&, answer reply) {
  if (!words.arguments.empty()) return reply(failure_reply(usage_of("undo")));
  on_placement([](cluster_admin& placement) { return spoken(placement.undo()); }, std::move(reply));
}

void shell::drain(const shell_words& words, io_loop&, answer reply) { set_draining(words, true, std::move(reply)); }
void shell::undrain(const shell_words& words, io_loop&, answer reply) { set_draining(words, false, std::move(reply)); }

void shell::set_draining(const shell_words& words, bool wanted, answer reply) {
  if (words.arguments.size() != 1) return reply(failure_reply(usage_of(words.command)));
  on_placement([node = words.arguments[0],
                wanted](cluster_admin& placement) { return spoken(placement.set_draining(node, wanted)); },
               std::move(reply));
}

void shell::balance(const shell_words& words, io_loop&, answer reply) {
  const bool is_on = words.arguments.size() == 1 && words.arguments[0] == "on";
  const bool is_off = words.arguments.size() == 1 && words.arguments[0] == "off";
  if (!is_on && !is_off) return reply(failure_reply(usage_of("balance")));
  on_placement([is_on](cluster_admin& placement) { return spoken(placement.set_balancing(is_on)); }, std::move(reply));
}

void shell::migrate(const shell_words& words, io_loop&, answer reply) {
  const auto what = words.arguments.size() == 2 ? parse_movable(words.arguments[0]) : std::nullopt;
  if (!what) return reply(failure_reply(usage_of("migrate")));
  on_placement([what = *what,
                node = words.arguments[1]](cluster_admin& placement) { return spoken(placement.migrate(what, node)); },
               std::move(reply));
}

void shell::pin(const shell_words& words, io_loop&, answer reply) {
  const auto what = words.arguments.size() == 2 ? parse_movable(words.arguments[0]) : std::nullopt;
  if (!what) return reply(failure_reply(usage_of("pin")));
  on_placement(
      [what = *what, node = words.arguments[1]](cluster_admin& placement) { return spoken(placement.pin(what, node)); },
      std::move(reply));
}

void shell::unpin(const shell_words& words, io_loop&, answer reply) {
  const auto what = words.arguments.size() == 1 ? parse_movable(words.arguments[0]) : std::nullopt;
  if (!what) return reply(failure_reply(usage_of("unpin")));
  on_placement([what = *what](cluster_admin& placement) { return spoken(placement.unpin(what)); }, std::move(reply));
}

void shell::on_placement(std::function<std::string(cluster_admin&)> job, answer reply) {
  if (!services_.placement)
    return reply(failure_reply({errc::not_found, "this node is alone: there is nowhere to move anything"}));
  auto run = [placement = services_.placement, job = std::move(job), reply] {
    std::string answered;
    try {
      answered = job(*placement);
    } catch (const std::exception& thrown) {  // ends this command, not the process
      answered = failure_reply({errc::internal_error, thrown.what()});
    }
    reply(std::move(answered));
  };
  if (!worker_.submit(std::move(run))) reply(failure_reply({errc::overloaded, "too many commands wait to be done"}));
}

}  // namespace throng
