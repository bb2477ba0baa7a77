// SPDX-License-Identifier: Apache-2.0
// VERDICT: a report of the checker as a person reads it, or as one JSON object. Writes what it is given; judges
// nothing.
#pragma once

#include <iosfwd>
#include <string>

#include "tools/throngverify/checker.hpp"

namespace throng::verify {

/// Figures, one line a rule, each violation with its events, and a last line "verdict: …".
void print_verdict(std::ostream& out, const history& of, const check_report& report);

/// {"verdict":"ok"|"violation"|"unproven","seed":…,"rules":{…},"figures":{…}}; times as throngbench names them.
std::string verdict_json(const history& of, const check_report& report);

/// 0: clean; 1: a violation, or something could not be judged.
int exit_code(const check_report& report);

}  // namespace throng::verify
