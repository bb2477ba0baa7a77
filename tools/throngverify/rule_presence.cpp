// SPDX-License-Identifier: Apache-2.0
// PRESENCE converges: when all has settled, what an open socket was told last of each person it watches is the truth.
#include <map>
#include <unordered_map>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

struct pair_view {
  std::size_t watched = no_event;
  std::size_t seen = no_event;
};

}  // namespace

void check_presence(const run_facts& facts, rule_report& report) {
  std::unordered_map<user_id, std::size_t> truths;
  std::map<std::pair<socket_index, user_id>, pair_view> views;
  for (std::size_t at = 0; at < facts.log.events.size(); ++at) {
    const auto& e = facts.event(at);
    if (e.what == happening::presence_watched) views[{e.socket, e.user}].watched = at;
    if (e.what == happening::presence_seen) views[{e.socket, e.user}].seen = at;
    if (e.what == happening::presence_truth) truths[e.user] = at;
  }
  for (const auto& [key, view] : views) {
    const auto& socket = facts.socket(key.first);
    const auto truth = truths.find(key.second);
    const bool is_open = socket.hello != no_event && (socket.closed == no_event || socket.closed > facts.settled);
    if (view.watched == no_event || truth == truths.end() || !is_open || facts.settled == no_event) continue;
    ++report.checked;
    const bool is_active = facts.event(truth->second).flag;
    if (view.seen != no_event && facts.event(view.seen).flag == is_active) continue;
    report.found([&, key = key, view = view, truth = truth->second] {
      return violation{describe(facts, key.first) +
                           (view.seen == no_event ? " was never told of " : " has a wrong picture of ") +
                           to_text(key.second) + ", who is " + (is_active ? "active" : "away"),
                       evidence(facts, {}, {view.watched, view.seen, truth})};
    });
  }
}

}  // namespace throng::verify
