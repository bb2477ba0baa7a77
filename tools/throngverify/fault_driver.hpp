// SPDX-License-Identifier: Apache-2.0
// FAULT DRIVER: carries out a FAULT PLAN on a cluster of this program's own, through tools/cluster: chooses who is hit
// among who is well, undoes each fault at its end, and writes both into the record. What a verb fails with is kept: a
// node that doesn't come back is the cluster's failure.
#pragma once

#include <array>
#include <set>
#include <vector>

#include "tools/throngverify/cluster_script.hpp"
#include "tools/throngverify/fault_plan.hpp"

namespace throng::verify {

class fault_driver {
 public:
  /// `shards`: how many the cluster has.
  fault_driver(scene& of, cluster_script& script, std::size_t shards) : scene_(of), script_(script), shards_(shards) {}
  fault_driver(const fault_driver&) = delete;
  fault_driver& operator=(const fault_driver&) = delete;

  /// Through the whole plan.
  task<void> run(std::vector<planned_fault> plan);
  /// All that began is undone.
  bool is_done() const { return is_done_; }

  const std::array<std::size_t, fault_kinds>& counts() const { return counts_; }
  const std::vector<std::string>& troubles() const { return troubles_; }

 private:
  using nodes = std::vector<std::size_t>;

  task<void> carry_out(planned_fault fault);
  task<void> away(planned_fault fault, std::size_t node, std::string verb);
  task<void> pause(planned_fault fault, std::size_t node);
  task<void> cut(planned_fault fault, std::size_t node);
  task<void> roll(planned_fault fault);
  task<void> leader(planned_fault fault);
  task<void> consul(planned_fault fault);
  task<void> database(planned_fault fault);
  task<void> migrate(planned_fault fault);
  task<void> empty(planned_fault fault, std::size_t node);
  task<void> order(std::string line);

  task<bool> tell(std::vector<std::string> words);
  task<void> bring_back(std::size_t node);
  nodes well() const;
  /// One that is well, if enough others are.
  std::optional<std::size_t> choose(std::uint64_t dice) const;
  fault_index begin(const planned_fault& fault, std::string target);

  scene& scene_;
  cluster_script& script_;
  const std::size_t shards_;
  std::set<std::size_t> hit_;  // nodes that aren't well now
  std::size_t under_way_ = 0, begun_ = 0;
  bool is_moving_ = false;
  std::array<std::size_t, fault_kinds> counts_{};
  std::vector<std::string> troubles_;
  bool is_done_ = false;
};

}  // namespace throng::verify
