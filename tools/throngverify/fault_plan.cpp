// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/fault_plan.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "tools/throngverify/scene.hpp"

namespace throng::verify {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

struct kind_traits {
  std::string_view name;
  milliseconds least, most;  // how long it lasts
  milliseconds recovery;     // how long it is not over then, about
};

constexpr std::array<kind_traits, fault_kinds> traits{{{"kill", 1s, 6s, 3s},
                                                       {"pause", 3s, 15s, 2s},
                                                       {"cut", 3s, 12s, 2s},
                                                       {"drain", 500ms, 4s, 5s},
                                                       {"leader", 2s, 10s, 3s},
                                                       {"consul", 3s, 10s, 2s},
                                                       {"db", 1s, 2s, 3s},
                                                       {"migrate", 4s, 15s, 4s},
                                                       {"empty", 2s, 8s, 4s}}};

constexpr auto overture = 2s;  // people begin to talk before anything happens
constexpr double overlap_share = 0.2;

const kind_traits& traits_of(fault_kind kind) { return traits[static_cast<std::size_t>(kind)]; }

milliseconds between(random_source& random, milliseconds least, milliseconds most) {
  if (most <= least) return least;
  return least + milliseconds(pick_below(random, static_cast<std::size_t>((most - least).count())));
}

}  // namespace

std::string_view to_text(fault_kind kind) { return traits_of(kind).name; }

result<std::vector<fault_kind>> parse_fault_kinds(std::string_view text) {
  std::vector<fault_kind> kinds;
  if (text == "none") return kinds;
  while (true) {
    const auto name = text.substr(0, text.find(','));
    const auto found = std::ranges::find(traits, name, &kind_traits::name);
    if (found == traits.end()) {
      std::string all;
      for (const auto& each : traits) all += (all.empty() ? "" : ",") + std::string(each.name);
      return error{errc::invalid_arguments,
                   "there is no fault `" + std::string(name) + "`; --faults takes some of " + all};
    }
    const auto kind = static_cast<fault_kind>(found - traits.begin());
    if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
    if (name.size() == text.size()) return kinds;
    text.remove_prefix(name.size() + 1);
  }
}

std::vector<planned_fault> plan_faults(std::span<const fault_kind> kinds, milliseconds play, std::uint64_t seed) {
  std::vector<planned_fault> plan;
  if (kinds.empty()) return plan;
  auto random = random_for(seed, "faults", 0);
  // In a short run each is shorter, so that each kind has its turn.
  const auto share = (play - overture) / static_cast<int>(kinds.size());
  std::vector<fault_kind> round;
  milliseconds at = overture;
  while (true) {
    if (round.empty()) {
      round.assign(kinds.begin(), kinds.end());
      std::shuffle(round.begin(), round.end(), random);
    }
    planned_fault next;
    next.kind = round.back();
    round.pop_back();
    const auto& of = traits_of(next.kind);
    next.lasts = between(random, of.least, std::clamp(share / 2, of.least, of.most));
    next.dice = random();
    next.begin = at;
    const bool can_overlap = !plan.empty() && !plan.back().overlaps && plan.back().lasts >= 2s;
    if (can_overlap && is_chance(random, overlap_share)) {
      next.overlaps = true;
      next.begin = plan.back().begin + between(random, 500ms, plan.back().lasts * 3 / 4);
    }
    const auto calm = between(random, 1s, std::clamp<milliseconds>(share / 4, 1s, 6s));
    if (next.begin + next.lasts + of.recovery > play) return plan;
    at = std::max(at, next.begin + next.lasts + of.recovery + calm);
    plan.push_back(next);
  }
}

std::string to_text(std::span<const planned_fault> plan) {
  std::string text;
  for (const auto& each : plan) {
    char line[80];
    std::snprintf(line, sizeof line, "  at %6.1f s  %-7s for %4.1f s%s\n",
                  static_cast<double>(each.begin.count()) / 1000, std::string(to_text(each.kind)).c_str(),
                  static_cast<double>(each.lasts.count()) / 1000, each.overlaps ? ", meanwhile" : "");
    text += line;
  }
  return text;
}

}  // namespace throng::verify
