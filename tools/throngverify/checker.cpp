// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/checker.hpp"

#include <algorithm>

#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

struct rule_entry {
  std::string_view name;
  std::string_view promise;
  void (*check)(const run_facts&, rule_report&);
};

constexpr std::array<rule_entry, rule_count> all_rules{{
    {"posts", "acknowledged is in history once, refused is nowhere, and told is stored", &check_posts},
    {"edits", "the last edit stands, and what is deleted is gone", &check_edits},
    {"order", "one order of each channel for all readers, which agrees with time", &check_order},
    {"positions", "(epoch, seq) goes on by one on each socket and over its resumes, or a gap is told",
     &check_positions},
    {"writers", "one writer of each stream: a position is one event, and no older epoch commits", &check_writers},
    {"delivery", "what is committed reaches every member who stays connected or resumes", &check_delivery},
    {"members", "nothing is told to who isn't a member", &check_members},
    {"presence", "what watchers see of others becomes the truth", &check_presence},
    {"calm", "while nothing but planned moves and drains of others goes on, each call is answered", &check_calm},
}};

}  // namespace

std::string_view to_string(rule which) { return all_rules[static_cast<std::size_t>(which)].name; }
std::string_view promise_of(rule which) { return all_rules[static_cast<std::size_t>(which)].promise; }

bool check_report::has_violation() const {
  return !findings.empty() ||
         std::ranges::any_of(rules, [](const rule_report& each) { return each.violation_count != 0; });
}

bool check_report::is_clean() const {
  return !has_violation() && unproven.empty() && std::ranges::all_of(rules, &rule_report::is_ok);
}

check_report check(const history& of) {
  check_report report;
  report.figures = measure(of);
  const run_facts facts(of);
  if (!of.is_complete) report.unproven.emplace_back("the history is not complete: more happened than it may hold");
  if (facts.settled == no_event) report.unproven.emplace_back("the run never settled");
  for (std::size_t i = 0; i < rule_count; ++i) {
    report.rules[i].which = static_cast<rule>(i);
    all_rules[i].check(facts, report.rules[i]);
  }
  return report;
}

}  // namespace throng::verify
