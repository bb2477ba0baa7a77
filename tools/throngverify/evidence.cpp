// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/evidence.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "tools/throngverify/figures.hpp"

namespace throng::verify {

namespace {

constexpr std::size_t sightings_max = 8;

std::string time_text(std::int64_t at_ns) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%10.6f s", static_cast<double>(at_ns) / 1e9);
  return text.data();
}

std::string position_text(const history& log, const history_event& e) {
  return std::string(log.name(e.stream)) + " epoch " + std::to_string(e.epoch) + " seq " + std::to_string(e.seq);
}

std::string client_text(const history& log, client_index client) {
  if (!client || client.value >= log.clients.size()) return "-";
  return log.clients[client.value].name + " (" + to_text(log.clients[client.value].user) + ")";
}

void add(std::string& line, std::string_view what, std::string_view value) {
  if (value.empty()) return;
  line += ' ';
  line += what;
  line += value;
}

std::string call_text(const history& log, const history_event& e) {
  std::string line(to_string(e.what));
  line += ' ';
  line += to_string(e.phase);
  line += ' ' + to_text(e.op) + " in " + to_text(e.channel);
  if (e.ts) add(line, "ts ", to_text(e.ts));
  const bool is_about_others = e.what == happening::invite || e.what == happening::kick;
  if (is_about_others) add(line, "of ", to_text(e.user));
  if (e.socket) add(line, "over socket ", std::to_string(e.socket.value));
  if (e.stream) add(line, "at ", log.name(e.stream));
  add(line, "", log.name(e.detail));
  return line;
}

std::string frame_text(const history& log, const history_event& e) {
  std::string line = "socket " + std::to_string(e.socket.value) + " received " + std::string(log.name(e.detail));
  add(line, "", log.name({e.other}));
  if (e.seq)
    add(line, "at ", position_text(log, e));
  else if (e.channel)
    add(line, "in ", to_text(e.channel));
  if (e.ts) add(line, "ts ", to_text(e.ts));
  if (e.op) add(line, "", to_text(e.op));
  if (e.user) add(line, "about ", to_text(e.user));
  return line;
}

std::string other_text(const history& log, const history_event& e) {
  const auto socket = "socket " + std::to_string(e.socket.value);
  const auto fault = "fault " + std::to_string(e.other);
  const std::string detail(log.name(e.detail));
  switch (e.what) {
    case happening::channel_made:
      return to_text(e.channel) + (e.flag ? " made, private" : " made, public");
    case happening::member_added:
      return to_text(e.user) + " is a member of " + to_text(e.channel);
    case happening::socket_opened:
      return socket + " opens at " + detail + (e.flag ? ", to go on from socket " + std::to_string(e.other) : "");
    case happening::socket_hello:
      return socket + " has hello of session " + detail + (e.flag ? ", resumed" : "");
    case happening::socket_closed:
      return socket + " closed: " + detail;
    case happening::gap:
      return socket + " is told of a gap: " + position_text(log, e);
    case happening::read_begun:
      return "reading " + std::to_string(e.other) + " of " + to_text(e.channel) + " at " + detail;
    case happening::read_entry:
      return "reading " + std::to_string(e.other) + " has ts " + to_text(e.ts) + (e.op ? " " + to_text(e.op) : "") +
             (detail.empty() ? "" : " " + detail) + (e.flag ? " (edited)" : "");
    case happening::read_ended:
      return "reading " + std::to_string(e.other) + (e.flag ? " is whole" : " broke off");
    case happening::presence_watched:
      return socket + " watches " + to_text(e.user);
    case happening::presence_seen:
      return socket + " sees " + to_text(e.user) + (e.flag ? " active" : " away");
    case happening::presence_truth:
      return to_text(e.user) + (e.flag ? " is active" : " is away") + " in truth";
    case happening::fault_begun:
      return fault + " begins: " + std::string(log.name(e.stream)) + " " + detail;
    case happening::fault_ended:
      return fault + " ends";
    case happening::settled:
      return "all has settled";
    default:
      return {};
  }
}

bool is_call(happening what) { return what >= happening::post && what <= happening::kick; }

}  // namespace

std::string who(const run_facts& facts, client_index client) { return client_text(facts.log, client); }

std::string describe(const run_facts& facts, op_id op) {
  const auto* known = facts.find(op);
  if (!known) return to_text(op) + " (which nobody asked for)";
  return to_text(op) + " (" + std::string(to_string(known->what)) + " of " + who(facts, known->client) + " in " +
         to_text(known->channel) + ")";
}

std::string describe(const run_facts& facts, socket_index socket) {
  return "socket " + std::to_string(socket.value) + " of " + who(facts, facts.socket(socket).client);
}

std::vector<std::size_t> evidence(const run_facts& facts, const std::vector<op_id>& ops,
                                  const std::vector<std::size_t>& others) {
  std::vector<std::size_t> shown;
  for (const auto at : others)
    if (at != no_event) shown.push_back(at);
  std::size_t sightings = 0;
  for (std::size_t at = 0; at < facts.log.events.size() && shown.size() < evidence_events_max; ++at) {
    const auto& e = facts.log.events[at];
    if (!e.op || std::ranges::find(ops, e.op) == ops.end()) continue;
    if (!is_call(e.what) && ++sightings > sightings_max) continue;
    shown.push_back(at);
  }
  std::ranges::sort(shown);
  const auto repeated = std::ranges::unique(shown);
  shown.erase(repeated.begin(), repeated.end());
  return shown;
}

std::string line_of(const history& log, std::size_t event) {
  const auto& e = log.events[event];
  const auto text = is_call(e.what)                 ? call_text(log, e)
                    : e.what == happening::received ? frame_text(log, e)
                                                    : other_text(log, e);
  return time_text(e.at_ns) + "  " + (e.client ? client_text(log, e.client) + ": " : "") + text;
}

}  // namespace throng::verify
