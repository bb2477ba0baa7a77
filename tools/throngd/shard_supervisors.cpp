// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/shard_supervisors.hpp"

#include <set>
#include <utility>

#include "config/log.hpp"
#include "storage/topology/shard_bootstrap.hpp"

namespace throng {

namespace {

constexpr std::chrono::milliseconds look_again{250};

}  // namespace

result<> shard_supervisors::start(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto map = shards_.current();
  for (const auto* some : {&map->serving(), &map->others()})
    for (const auto& shard : *some)
      while (true) {
        auto supervised = supervise(shard);
        if (supervised) break;
        if (supervised.code() != errc::service_unavailable) return supervised;
        if (std::chrono::steady_clock::now() >= deadline)
          return error{errc::service_unavailable, "shard " + shard.name() + ": " + supervised.failure().detail};
        std::this_thread::sleep_for(look_again);
      }
  thread_ = std::jthread([this](const std::stop_token& stopped) { follow(stopped); });
  return done;
}

void shard_supervisors::stop() {
  thread_ = {};
  std::map<key_range, supervisor_ptr> ending;
  std::lock_guard lock(mutex_);
  ending.swap(all_);
}

result<> shard_supervisors::supervise(const shard_record& shard) {
  if (of(shard.range)) return done;
  const auto key = shard_key(shard.keyspace, shard.range);
  if (auto fits = failover::prepare_shard(topology_, key, how_); !fits) return fits;
  supervisor_ptr made = failover::shard_supervisor::start(topology_, key, how_);
  std::lock_guard lock(mutex_);
  all_.emplace(shard.range, std::move(made));
  return done;
}

void shard_supervisors::follow(const std::stop_token& stopped) {
  auto map = shards_.current();
  while (!stopped.stop_requested()) {
    map = shards_.wait_for_change(map, look_again);
    if (shards_.is_forgotten())
      (void)restore_serving(topology_, map->serving().front().keyspace, *map);  // tried again with the next look
    std::set<key_range> known;
    for (const auto* some : {&map->serving(), &map->others()})
      for (const auto& shard : *some) {
        known.insert(shard.range);
        const auto supervised = supervise(shard);
        auto& trouble = troubles_[shard.range];
        const auto now = supervised ? std::string() : supervised.failure().detail;
        if (now == std::exchange(trouble, now)) continue;
        if (!now.empty()) log::warn("shard {} isn't supervised yet: {}", shard.name(), now);
      }
    std::erase_if(troubles_, [&](const auto& each) { return !known.contains(each.first); });
    std::vector<supervisor_ptr> ending;  // they go without the lock
    std::lock_guard lock(mutex_);
    for (auto& [range, supervisor] : all_)
      if (!known.contains(range)) ending.push_back(supervisor);
    std::erase_if(all_, [&](const auto& each) { return !known.contains(each.first); });
  }
}

shard_supervisors::supervisor_ptr shard_supervisors::of(const key_range& range) const {
  std::lock_guard lock(mutex_);
  const auto found = all_.find(range);
  return found == all_.end() ? nullptr : found->second;
}

std::vector<failover::shard_status> shard_supervisors::statuses() const {
  std::vector<supervisor_ptr> all;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [_, supervisor] : all_) all.push_back(supervisor);
  }
  std::vector<failover::shard_status> statuses;
  for (const auto& each : all) statuses.push_back(each->status());
  return statuses;
}

}  // namespace throng
