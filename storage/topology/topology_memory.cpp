// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/topology_memory.hpp"

#include <algorithm>

#include "storage/topology/shard_map.hpp"

namespace throng {

namespace {

constexpr std::string_view shards = "shards/", serving = "serving/";

/// Is it what somebody has written who knew less? Versions begin anew with the topology.
bool is_regress(const topology_entry& known, const topology_entry& now) {
  if (now.version >= known.version || now.value == known.value) return false;
  if (known.key.starts_with(serving)) return true;
  const auto before = parse_shard_record(known), after = parse_shard_record(now);
  return known.key.starts_with(shards) && before && (!after || after->term <= before->term);
}

}  // namespace

void remembered_entries::take(std::string_view prefix, const std::vector<topology_entry>& entries) {
  const auto before = below(prefix);
  const auto find = [&](const topology_entry& known) {
    return std::ranges::find(entries, known.key, &topology_entry::key);
  };
  auto any_known = [&](auto holds) {
    return std::ranges::any_of(before, [&](const auto& known) {
      const auto now = find(known);
      return now != entries.end() && holds(known, *now);
    });
  };
  const bool is_all_strange = !before.empty() && !any_known([](const auto&, const auto&) { return true; });
  // It has begun anew, and is being restored: what isn't there yet wasn't erased.
  const bool begins_anew =
      is_all_strange || any_known([](const auto& known, const auto& now) { return now.version < known.version; });
  for (const auto& known : before) {
    if (find(known) != entries.end()) continue;
    if (begins_anew)
      unrestored_.insert(known.key);
    else if (!unrestored_.contains(known.key))
      known_.erase(known.key);
  }
  if (is_all_strange || any_known(is_regress)) return;
  for (const auto& each : entries) {
    known_.insert_or_assign(each.key, each);
    unrestored_.erase(each.key);
  }
}

std::vector<topology_entry> remembered_entries::below(std::string_view prefix) const {
  std::vector<topology_entry> found;
  for (auto at = known_.lower_bound(prefix); at != known_.end() && at->first.starts_with(prefix); ++at)
    found.push_back(at->second);
  return found;
}

topology_memory::topology_memory(topology_store& topology, std::vector<std::string> others)
    : topology_(topology), kept_(std::move(others)) {
  for (auto prefix : {shards, std::string_view("failover/"), std::string_view("reshard/"), serving})
    kept_.emplace_back(prefix);
  for (const auto& prefix : kept_)
    watches_.push_back(topology.watch(prefix, [this, prefix](const std::vector<topology_entry>& entries) {
      std::lock_guard lock(mutex_);
      entries_.take(prefix, entries);
    }));
}

result<std::size_t> topology_memory::restore() {
  std::size_t written = 0;
  if (auto erased = erase_strangers(); !erased) return erased.failure();
  for (const auto& prefix : kept_) {
    std::vector<topology_entry> entries;
    {
      std::lock_guard lock(mutex_);
      entries = entries_.below(prefix);
    }
    for (const auto& each : entries) {
      auto put = put_back(each);
      if (!put) return put.failure();
      written += *put;
    }
  }
  return written;
}

result<bool> topology_memory::put_back(const topology_entry& entry) {
  auto put = topology_.put(entry.key, entry.value, 0);
  if (put) return true;
  if (put.code() != errc::conflict) return put.failure();
  auto there = topology_.get(entry.key);
  if (!there) return there.failure();
  if (!*there) return error{errc::conflict, entry.key + " comes and goes"};
  if ((*there)->value == entry.value) return false;
  if (entry.key.starts_with(shards)) {
    const auto ours = parse_shard_record(entry), theirs = parse_shard_record(**there);
    if (!ours || (theirs && theirs->term > ours->term)) return false;  // a supervisor has gone on from it
  } else if (!entry.key.starts_with(serving)) {
    return false;  // whoever works on it has begun again
  }
  put = topology_.put(entry.key, entry.value, (*there)->version);
  if (!put) return put.failure();
  return true;
}

/// Shards that somebody has registered meanwhile, and that haven't been there.
result<> topology_memory::erase_strangers() {
  std::vector<topology_entry> known;
  {
    std::lock_guard lock(mutex_);
    known = entries_.below(shards);
  }
  if (known.empty()) return done;
  auto there = topology_.list(shards);
  if (!there) return there.failure();
  for (const auto& each : *there)
    if (std::ranges::find(known, each.key, &topology_entry::key) == known.end())
      if (auto erased = topology_.erase(each.key, each.version); !erased && erased.code() != errc::conflict)
        return erased;
  return done;
}

}  // namespace throng
