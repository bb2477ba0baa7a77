// SPDX-License-Identifier: Apache-2.0
// CALM: while nothing but planned moves goes on, each call gets an answer that says what came of it. A planned move is
// not seen by clients; any other fault, and the time after it, excuses.
#include <algorithm>
#include <array>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

constexpr std::array<std::string_view, 4> planned{"move", "migrate", "rebalance", "pin"};
constexpr std::int64_t aftermath_ns = 15'000'000'000;  // an asker's deadline and the time in which a death is noticed

struct rough_time {
  std::int64_t from_ns = 0, to_ns = never;
};

std::vector<rough_time> rough_times(const history& log) {
  std::map<std::uint32_t, rough_time> all;
  for (std::size_t at = 0; at < log.events.size(); ++at) {
    const auto& e = log.events[at];
    if (e.what == happening::fault_begun && std::ranges::find(planned, log.name(e.stream)) == planned.end())
      all[e.other].from_ns = e.at_ns;
    if (const auto found = all.find(e.other); e.what == happening::fault_ended && found != all.end())
      found->second.to_ns = e.at_ns + aftermath_ns;
  }
  std::vector<rough_time> list;
  for (const auto& [fault, time] : all) list.push_back(time);
  return list;
}

}  // namespace

void check_calm(const run_facts& facts, rule_report& report) {
  const auto rough = rough_times(facts.log);
  for (std::size_t at = 0; at < facts.log.events.size(); ++at) {
    const auto& e = facts.event(at);
    const bool is_answer = e.phase == phase::acknowledged || e.phase == phase::refused || e.phase == phase::unknown;
    const auto* op = is_answer ? facts.find(e.op) : nullptr;
    if (!op) continue;
    const bool is_excused = std::ranges::any_of(
        rough, [&](const rough_time& each) { return each.from_ns <= e.at_ns && op->invoked_ns <= each.to_ns; });
    if (is_excused) continue;
    ++report.checked;
    const bool is_open =
        e.phase == phase::unknown || (e.phase == phase::refused && is_outcome_unknown(facts.log.name(e.detail)));
    if (!is_open) continue;
    report.found([&] {
      std::vector<std::size_t> events{at};
      for (std::size_t i = at; i-- > 0 && events.size() < 4;)
        if (facts.event(i).what == happening::fault_begun) events.push_back(i);
      return violation{describe(facts, e.op) + " got no definite answer (" + std::string(facts.log.name(e.detail)) +
                           "), and nothing but planned moves went on",
                       evidence(facts, {e.op}, events)};
    });
  }
}

}  // namespace throng::verify
