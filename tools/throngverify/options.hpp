// SPDX-License-Identifier: Apache-2.0
// What throngverify is told on its command line. Pure.
#pragma once

#include <span>

#include "tools/common/command_line.hpp"
#include "tools/throngverify/cluster_script.hpp"
#include "tools/throngverify/fault_plan.hpp"

namespace throng::verify {

struct options {
  scene_plan scene;
  double calls_per_second = 200;
  std::chrono::milliseconds play{60'000};

  // a cluster that is there already
  std::vector<http_url> urls;
  std::string admin_token;

  // one of its own
  std::size_t nodes = 3;
  std::string mysql;  // "2x2"
  std::vector<fault_kind> faults;
  std::string program;  // throngd; empty: the one beside this
  std::string folder;   // where its folder is made; empty: the system's temporary one
  bool keeps_folder = false;

  std::string judge;  // a history's file; then nothing is run
  bool wants_json = false;
};

std::span<const option_spec> option_specs();
/// Errors: invalid_arguments, with a sentence.
result<options> read_options(const command_line& line);
/// The same run again. REQUIRES: a cluster of its own.
std::string replay_of(const options& from);
/// How many shards "2x2" has.
std::size_t shards_of(const std::string& mysql);

}  // namespace throng::verify
