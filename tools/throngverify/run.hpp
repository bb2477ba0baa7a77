// SPDX-License-Identifier: Apache-2.0
// RUN: from the first process to the last answer: starts a cluster or takes the one that it is given, sets the scene,
// lets people talk while faults happen, plays the epilogue, and takes the cluster down again. What it hands back is for
// the checker.
#pragma once

#include <iosfwd>

#include "tools/throngverify/epilogue.hpp"
#include "tools/throngverify/options.hpp"

namespace throng::verify {

struct run_outcome {
  history seen;
  findings found;  // what isn't the checker's
  play_counts counts;
  std::vector<std::pair<std::string, std::size_t>> faults;  // how many of each kind were carried out
  std::string folder;                                       // of the cluster; empty: it had none
};

/// `log`: what goes on, a line each. Errors: what kept it from beginning, or that it was interrupted.
result<run_outcome> run(const options& how, std::ostream& log);

/// Ends a run in order, as soon as it can. For signal handlers.
void interrupt_run();

/// Deletes the folder of an outcome, all of it.
void remove_folder(const std::string& folder);

}  // namespace throng::verify
