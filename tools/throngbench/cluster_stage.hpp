// SPDX-License-Identifier: Apache-2.0
// CLUSTER STAGE: a real cluster of its own (tools/cluster) on which a benchmark plays: a workspace whose people are in
// all of its channels, a device of somebody on each node that only listens, and a poster for each channel that posts
// without end. What all of them see is kept in a record, which afterwards is measured, and judged by throngverify's
// checker. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/throngbench/report.hpp"
#include "tools/throngverify/checker.hpp"
#include "tools/throngverify/cluster_script.hpp"
#include "tools/throngverify/device.hpp"

namespace throng {

struct stage_plan {
  std::size_t nodes = 3;
  std::string mysql = "1x1";
  std::size_t channels = 16;
  std::chrono::milliseconds pause{30};  // of a poster, between an answer and its next post
};

class cluster_stage {
 public:
  explicit cluster_stage(const stage_plan& plan);
  ~cluster_stage();
  cluster_stage(const cluster_stage&) = delete;
  cluster_stage& operator=(const cluster_stage&) = delete;

  /// Brings the cluster up, runs `act` while the posters post, and takes it down again. Errors: what went wrong,
  /// `act`'s too.
  result<> play(const std::function<task<result<>>(cluster_stage&)>& act);

  verify::scene& scene() { return scene_; }
  verify::cluster_script& script() { return *script_; }
  event_loop& loop() { return loop_; }
  /// Of a node that runs; -1 for one that doesn't.
  int process_of(std::size_t node) const;
  /// Where each channel is now, by their order in the scene; "" where nobody knows. Asked at that node.
  task<std::vector<std::string>> owners(std::size_t node);
  /// Until a channel runs at `home`, asked at `node`. False if that isn't so in time.
  task<bool> wait_until_at(std::size_t node, std::size_t channel, std::string home, std::chrono::milliseconds patience);
  /// One line of a node's shell. Errors: what it was refused with.
  task<result<std::string>> shell(std::size_t node, std::string line);
  /// From now on nobody posts by way of that node; when the last of them has gone elsewhere.
  task<void> shun(std::optional<std::size_t> node);
  /// Until each channel has acknowledged a post that was begun after now, and each listener, but those at `except`,
  /// heard it. Errors: deadline_exceeded: which channel was silent, to whom.
  task<result<>> wait_for_signs_of_life(std::chrono::seconds patience, std::optional<std::size_t> except = {});

  /// The whole record, behind play(); once.
  verify::history take_history() { return record_.take(); }

 private:
  task<result<>> open();
  task<result<>> end();
  task<void> post_on(std::size_t channel);
  void take_down();

  const stage_plan plan_;
  verify::recorder record_;
  std::string folder_;
  std::unique_ptr<verify::cluster_script> script_;
  std::vector<std::unique_ptr<verify::device>> listeners_;
  std::vector<message_ts> newest_;  // acknowledged, by channel
  std::vector<message_ts> sign_;    // the first acknowledged of those begun since signs of life were asked for; 0: none
  std::uint32_t wanted_signs_ = 0;  // how often they were
  std::vector<std::size_t> asked_;  // the node that each channel's poster asks
  std::vector<bool> comes_home_;    // to the node that it began with, once that is shunned no more
  std::optional<std::size_t> shunned_;
  std::size_t posters_ = 0;
  event_loop loop_;  // its end ends what still waits, and that uses what is above
  verify::scene scene_;
};

/// Says of a checked history that nothing was lost, doubled or out of order; else what was. The figures "posts",
/// "lost_or_doubled" and "out_of_order" are set.
void judge(const verify::history& seen, bench_report& report, figures& into);

}  // namespace throng
