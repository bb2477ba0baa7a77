// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/stream_directory.hpp"

#include <algorithm>
#include <utility>

#include "storage/model/assert.hpp"

namespace throng {

stream_directory::stream_directory(const options& with, door to, ready_callback on_ready)
    : options_(with), door_(std::move(to)), on_ready_(std::move(on_ready)) {}

stream_directory::part& stream_directory::part_of(entity_key key) { return parts_[std::hash<entity_key>{}(key) >> 58]; }

stream_directory::entry* stream_directory::part::find(entity_key key) {
  const auto at = index.find(key);
  return at == key_index::none ? nullptr : &entries[at];
}

void stream_directory::part::erase(entity_key key) {
  const auto at = index.find(key);
  index.erase(key);
  if (at + 1 != entries.size()) {
    entries[at] = entries.back();
    index.erase(entries[at].key);
    index.insert(entries[at].key, at);
  }
  entries.pop_back();
}

stream_start stream_directory::add(entity_key stream, team_id team, std::size_t loop) {
  THRONG_ASSERT(loop < loops_max);
  const auto bit = std::uint64_t{1} << loop;
  auto& part = part_of(stream);
  const auto join = [&]() -> std::optional<stream_start> {
    const std::lock_guard lock(part.mutex);
    auto* found = part.find(stream);
    if (!found) return std::nullopt;
    if (found->loops == 0) --lingering_;
    found->loops |= bit;
    found->team = team;
    return stream_start{found->is_ready, found->last, found->first, found->stamp};
  };
  if (auto start = join()) return *start;

  const std::lock_guard one_at_a_time(door_mutex_);
  if (auto start = join()) return *start;
  {
    const std::lock_guard lock(part.mutex);
    entry fresh;
    fresh.key = stream;
    fresh.loops = bit;
    fresh.team = team;
    // One of the same microsecond on another node says the same, so it may be taken for this one.
    const auto wall_us = door_.wall ? static_cast<std::uint64_t>(door_.wall().time_since_epoch().count()) : 0;
    fresh.stamp = last_stamp_ = std::max(last_stamp_ + 1, wall_us);
    part.index.insert(stream, static_cast<std::uint32_t>(part.entries.size()));
    part.entries.push_back(fresh);
    ++count_;
  }
  subscribe(stream);
  return *join();  // it may be ready by now
}

void stream_directory::subscribe(entity_key stream) {
  std::uint64_t stamp = 0;
  {
    auto& part = part_of(stream);
    const std::lock_guard lock(part.mutex);
    auto* found = part.find(stream);
    if (!found) return;
    found->has_failed = false;
    stamp = found->stamp;
  }
  door_.subscribe(stream, [this, stream, stamp](result<> outcome) { on_subscribed(stream, stamp, outcome.ok()); });
}

void stream_directory::on_subscribed(entity_key stream, std::uint64_t stamp, bool ok) {
  std::uint64_t loops = 0;
  {
    auto& part = part_of(stream);
    const std::lock_guard lock(part.mutex);
    auto* found = part.find(stream);
    if (!found || found->stamp != stamp) return;
    found->is_ready = ok;
    found->has_failed = !ok;
    loops = found->loops;
  }
  if (ok && loops) on_ready_(stream, loops);
}

void stream_directory::set_private(entity_key stream, bool is_private) {
  auto& part = part_of(stream);
  const std::lock_guard lock(part.mutex);
  if (auto* found = part.find(stream)) found->privacy = is_private ? 2 : 1;
}

void stream_directory::remove(entity_key stream, std::size_t loop, steady_time now) {
  bool is_too_many = false;
  {
    auto& part = part_of(stream);
    const std::lock_guard lock(part.mutex);
    auto* found = part.find(stream);
    const auto bit = std::uint64_t{1} << loop;
    if (!found || !(found->loops & bit)) return;
    found->loops &= ~bit;
    if (found->loops) return;
    found->idle_since = now;
    is_too_many = ++lingering_ > options_.lingering_max;
  }
  if (!is_too_many) return;
  const std::lock_guard one_at_a_time(door_mutex_);
  {
    auto& part = part_of(stream);
    const std::lock_guard lock(part.mutex);
    auto* found = part.find(stream);
    if (!found || found->loops) return;
    part.erase(stream);
    --count_;
    --lingering_;
  }
  door_.unsubscribe(stream);
}

stream_directory::route stream_directory::pass(const publication& published) {
  auto& part = part_of(published.stream);
  const std::lock_guard lock(part.mutex);
  auto* found = part.find(published.stream);
  if (!found) return {};
  if (published.seq) {
    found->last = {published.epoch, published.seq};
    if (!found->first.is_known()) found->first = {published.epoch, published.seq - 1};
  }
  return route_of(*found);
}

stream_directory::route stream_directory::look(entity_key stream) {
  auto& part = part_of(stream);
  const std::lock_guard lock(part.mutex);
  const auto* found = part.find(stream);
  return found ? route_of(*found) : route{};
}

stream_directory::route stream_directory::route_of(const entry& found) {
  route to{found.loops, found.team, std::nullopt};
  if (found.privacy) to.is_private = found.privacy == 2;
  return to;
}

void stream_directory::sweep(steady_time now) {
  for (auto& part : parts_) {
    std::vector<entity_key> idle;
    std::vector<entity_key> failed;
    {
      const std::lock_guard lock(part.mutex);
      for (const auto& each : part.entries) {
        if (each.loops == 0 && now - each.idle_since >= options_.linger) idle.push_back(each.key);
        if (each.loops != 0 && each.has_failed) failed.push_back(each.key);
      }
    }
    for (const auto key : idle) {
      const std::lock_guard one_at_a_time(door_mutex_);
      {
        const std::lock_guard lock(part.mutex);
        auto* found = part.find(key);
        if (!found || found->loops) continue;
        part.erase(key);
        --count_;
        --lingering_;
      }
      door_.unsubscribe(key);
    }
    for (const auto key : failed) {
      const std::lock_guard one_at_a_time(door_mutex_);
      subscribe(key);
    }
  }
}

}  // namespace throng
