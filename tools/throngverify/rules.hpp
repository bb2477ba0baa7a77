// SPDX-License-Identifier: Apache-2.0
// RULES: one pure function each, which adds to its report what it compared and what was wrong. What each promises says
// promise_of(); how it reasons says the file that has it.
#pragma once

#include "tools/throngverify/checker.hpp"
#include "tools/throngverify/run_facts.hpp"

namespace throng::verify {

void check_posts(const run_facts& facts, rule_report& report);
void check_edits(const run_facts& facts, rule_report& report);
void check_order(const run_facts& facts, rule_report& report);
void check_positions(const run_facts& facts, rule_report& report);
void check_writers(const run_facts& facts, rule_report& report);
void check_delivery(const run_facts& facts, rule_report& report);
void check_members(const run_facts& facts, rule_report& report);
void check_presence(const run_facts& facts, rule_report& report);
void check_calm(const run_facts& facts, rule_report& report);

}  // namespace throng::verify
