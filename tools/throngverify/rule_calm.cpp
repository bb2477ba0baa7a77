// SPDX-License-Identifier: Apache-2.0
// CALM: while nothing but what was planned goes on, each call gets an answer that says what came of it. A planned move
// isn't seen by clients at all, nor that a node is emptied by hand; that one stops, only by those who talk to it. Any
// other fault excuses, and the time after it.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

constexpr std::array<std::string_view, 5> unseen{"move", "migrate", "rebalance", "pin", "empty"};
constexpr std::string_view seen_by_its_own = "drain";
constexpr std::int64_t aftermath_ns = 15'000'000'000;  // an asker's deadline and the time in which a death is noticed

struct rough_time {
  std::int64_t from_ns = 0, to_ns = never;
  name_index node{};  // only for who talks to that one; none: for all
};

class rough_times {
 public:
  explicit rough_times(const history& log) {
    std::set<name_index> nodes;
    for (std::size_t at = 0; at < log.events.size(); ++at)
      if (log.events[at].what == happening::socket_opened) nodes.insert(log.events[at].detail);
    std::map<std::uint32_t, rough_time> all;
    for (std::size_t at = 0; at < log.events.size(); ++at) {
      const auto& e = log.events[at];
      const auto kind = log.name(e.stream);
      if (e.what == happening::fault_begun && std::ranges::find(unseen, kind) == unseen.end())
        // Of more than one node it says so in other words.
        all[e.other] = {e.at_ns, never, kind == seen_by_its_own && nodes.contains(e.detail) ? e.detail : name_index()};
      if (const auto found = all.find(e.other); e.what == happening::fault_ended && found != all.end())
        found->second.to_ns = e.at_ns + aftermath_ns;
    }
    for (const auto& [fault, time] : all) all_.push_back(time);
  }

  bool excuse(std::int64_t invoked_ns, const history_event& answer) const {
    return std::ranges::any_of(all_, [&](const rough_time& each) {
      const bool is_concerned = !each.node || !answer.stream || each.node == answer.stream;
      return is_concerned && each.from_ns <= answer.at_ns && invoked_ns <= each.to_ns;
    });
  }

 private:
  std::vector<rough_time> all_;
};

}  // namespace

void check_calm(const run_facts& facts, rule_report& report) {
  const rough_times rough(facts.log);
  for (std::size_t at = 0; at < facts.log.events.size(); ++at) {
    const auto& e = facts.event(at);
    const bool is_answer = e.phase == phase::acknowledged || e.phase == phase::refused || e.phase == phase::unknown;
    const auto* op = is_answer ? facts.find(e.op) : nullptr;
    if (!op) continue;
    // Who ends a websocket with a post under way doesn't want to know.
    if (e.phase == phase::unknown && e.socket) continue;
    if (rough.excuse(op->invoked_ns, e)) continue;
    ++report.checked;
    const bool is_open =
        e.phase == phase::unknown || (e.phase == phase::refused && is_outcome_unknown(facts.log.name(e.detail)));
    if (!is_open) continue;
    report.found([&] {
      std::vector<std::size_t> events{at};
      for (std::size_t i = at; i-- > 0 && events.size() < 4;)
        if (facts.event(i).what == happening::fault_begun) events.push_back(i);
      return violation{describe(facts, e.op) + " got no definite answer (" + std::string(facts.log.name(e.detail)) +
                           "), and nothing went on that would excuse it",
                       evidence(facts, {e.op}, events)};
    });
  }
}

}  // namespace throng::verify
