// SPDX-License-Identifier: Apache-2.0
// TOPOLOGY MEMORY: what this process last knew of the records of shards, for the day on which the topology has
// forgotten all (a Consul that was started again, empty). Nodes, numbers and slots are put back by those whose they
// are; these have no owner that lives, and whoever starts later would believe its configuration instead.
//
//   shards/…, failover/…, reshard/…   as they were
//   serving/…                         last, since it names shards
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/topology/topology_store.hpp"

namespace throng {

/// What was known, told from what a topology says that begins anew. Pure.
class remembered_entries {
 public:
  /// All entries of `prefix`, as a watch tells them. A state without anything that is known, or in which a shard is
  /// back in an earlier term, is that of a topology that has forgotten: what was known stays, each entry until it is
  /// there again, however long others take to put them back.
  void take(std::string_view prefix, const std::vector<topology_entry>& entries);
  std::vector<topology_entry> below(std::string_view prefix) const;

 private:
  std::map<std::string, topology_entry, std::less<>> known_;
  std::set<std::string, std::less<>> unrestored_;  // of these, what was forgotten and isn't there again
};

/// Any thread; restore() blocks as the topology does.
class topology_memory {
 public:
  /// `topology` must outlive it. `others`: prefixes of further entries without an owner that lives.
  explicit topology_memory(topology_store& topology, std::vector<std::string> others = {});

  /// Writes what is missing, and what somebody has registered meanwhile from a configuration that knows less. To be
  /// called only when the topology has forgotten; again if it failed. How many entries it wrote.
  result<std::size_t> restore();

 private:
  result<bool> put_back(const topology_entry& entry);
  result<> erase_strangers();

  topology_store& topology_;
  std::vector<std::string> kept_;  // in the order in which they are put back
  std::mutex mutex_;
  remembered_entries entries_;
  std::vector<std::unique_ptr<topology_store::handle>> watches_;  // end first
};

}  // namespace throng
