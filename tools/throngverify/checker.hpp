// SPDX-License-Identifier: Apache-2.0
// CHECKER: does a history keep the promises? Each rule is a pure function of it. A rule only says "violation" of what
// can't have happened in any run that keeps them: a call without an answer may or may not have been carried out, at any
// time since; what is concurrent may be in either order. What it could not judge it says too: `unproven`.
//
// Bound: of each rule the first `violations_kept` are kept with their slices, and all are counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/throngverify/figures.hpp"
#include "tools/throngverify/history.hpp"

namespace throng::verify {

enum class rule : std::uint8_t { posts, edits, order, positions, writers, delivery, members, presence, calm };
inline constexpr std::size_t rule_count = 9;

std::string_view to_string(rule which);
/// What it promises, in one sentence.
std::string_view promise_of(rule which);

struct violation {
  std::string what;                 // a sentence: who, where, what was seen and what should have been
  std::vector<std::size_t> events;  // of the history, in order: those that show it
};

struct rule_report {
  static constexpr std::size_t violations_kept = 10;

  rule which{};
  std::uint64_t checked = 0;  // facts that were compared
  std::uint64_t violation_count = 0;
  std::vector<violation> violations{};
  std::vector<std::string> unproven{};  // why it could not be judged, or not as a whole

  /// Counts one, and keeps what `make()` tells of it while there is room.
  template <class Make>
  void found(Make make) {
    ++violation_count;
    if (violations.size() < violations_kept) violations.push_back(make());
  }
  bool is_ok() const { return violation_count == 0 && unproven.empty(); }
};

struct check_report {
  std::array<rule_report, rule_count> rules{};
  std::vector<std::string> unproven{};  // of the history as a whole
  std::vector<std::string> findings{};  // what was wrong beside the rules, from who ran it: "liveness: …"
  run_figures figures{};

  bool has_violation() const;
  /// Nothing wrong, and nothing left unjudged.
  bool is_clean() const;
  rule_report& operator[](rule which) { return rules[static_cast<std::size_t>(which)]; }
  const rule_report& operator[](rule which) const { return rules[static_cast<std::size_t>(which)]; }
};

/// Judges by all rules. Nothing is kept between calls.
check_report check(const history& of);

}  // namespace throng::verify
