// SPDX-License-Identifier: Apache-2.0
#include "storage/router/lane_book.hpp"

#include <algorithm>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

// Between tries of a frozen shard whose reshard may have been called off: a new map is tried at once anyway. A guess;
// small against the pause that a reshard may make (250 ms).
constexpr milliseconds first_pause{10};
constexpr milliseconds longest_pause{200};

}  // namespace

void lane_batch::add(pending_unit&& one) {
  bytes += one.claim.bytes;
  units.push_back(std::move(one.unit));
  claims.push_back(std::move(one.claim));
}

void lane_batch::clear() {
  units.clear();
  claims.clear();
  bytes = 0;
}

std::size_t commit_shard::held_units() const {
  std::size_t held = 0;
  for (const auto& lane : lanes)
    if (lane->stuck_since) held += lane->waiting.size() + lane->in_flight_units;
  return held;
}

std::shared_ptr<commit_shard> lane_book::make_shard(const key_range& range, unsigned lanes) {
  auto shard = std::make_shared<commit_shard>();
  shard->name = to_text(range);
  shard->range = range;
  for (unsigned number = 0; number < lanes; ++number) {
    auto& lane = *shard->lanes.emplace_back(std::make_shared<commit_lane>());
    lane.number = number;
    lane.shard = shard.get();
  }
  return shard;
}

slot_id lane_book::slot_of(const commit_unit& unit) const {
  if (unit.guard.epoch != 0 || unit.ops.empty()) return unit.guard.slot;
  return throng::slot_of(routes_.of(unit.ops.front()));
}

bool lane_book::is_in_one_shard(const commit_unit& unit, slot_id slot) const {
  const auto& range = shard_of(slot)->range;
  return std::all_of(unit.ops.begin(), unit.ops.end(), [&](const write_op& op) {
    return std::holds_alternative<trim_rows>(op) || range.contains(routes_.of(op));
  });
}

std::optional<error> lane_book::check(const commit_shard& shard, std::size_t bytes) const {
  if (is_stopping_) return error{errc::stopping, "the store takes no more writes"};
  const auto& now = shard.figures;
  if (now.waiting_units >= limits_.waiting_units_max)
    return error{errc::overloaded, std::to_string(now.waiting_units) + " writes wait for shard " + shard.name};
  if (now.waiting_bytes > limits_.waiting_bytes_max || bytes > limits_.waiting_bytes_max - now.waiting_bytes)
    return error{errc::overloaded, std::to_string(now.waiting_bytes) + " bytes wait for shard " + shard.name};
  return std::nullopt;
}

std::optional<error> lane_book::admit(pending_unit& one) {
  const auto& shard = shard_of(one.claim.slot);
  auto refused = check(*shard, one.claim.bytes);
  if (!refused && has_many_shards() && !is_in_one_shard(one.unit, one.claim.slot))
    refused = error{errc::internal_error, "a unit has rows of several shards; the slot " +
                                              std::to_string(one.claim.slot.value) + " is in " + shard->name};
  if (refused) {
    ++shard->figures.refused_units;
    return refused;
  }
  charge(one.claim, shard);
  ++unsettled_;
  return std::nullopt;
}

void lane_book::charge(unit_claim& claim, const std::shared_ptr<commit_shard>& shard) {
  if (claim.task || claim.charged == shard) return;
  if (claim.charged) {
    --claim.charged->figures.waiting_units;
    claim.charged->figures.waiting_bytes -= claim.bytes;
  }
  claim.charged = shard;
  if (!shard) return;
  ++shard->figures.waiting_units;
  shard->figures.waiting_bytes += claim.bytes;
}

const std::shared_ptr<commit_lane>& lane_book::lane_of(slot_id slot) const {
  const auto& lanes = shard_of(slot)->lanes;
  return lanes[slot.value % lanes.size()];
}

const std::shared_ptr<commit_lane>& lane_book::place(pending_unit&& one) {
  const auto& lane = lane_of(one.claim.slot);
  charge(one.claim, shard_of(one.claim.slot));
  lane->waiting.push_back(std::move(one));
  return lane;
}

void lane_book::forget(unit_claim& claim) {
  if (claim.task) return;
  charge(claim, nullptr);
  --unsettled_;
}

steady_time lane_book::expiry_of(const commit_lane& lane, const pending_unit& one) const {
  return std::max(*lane.stuck_since, one.claim.since) + hold_max_;
}

lane_book::step lane_book::next(commit_lane& lane, steady_time now, lane_batch& batch) {
  THRONG_ASSERT(!lane.is_in_flight && batch.empty());
  auto refuse = [&](errc code, std::string why) {
    lane.is_in_flight = true;
    lane.in_flight_units = batch.claims.size();
    return step{next_step::refuse, {}, {code, std::move(why)}};
  };
  auto take = [&] {
    batch.add(std::move(lane.waiting.front()));
    lane.waiting.pop_front();
  };

  std::erase_if(lane.after, [](const auto& former) { return !former->is_in_flight; });
  if (lane.waiting.empty()) {
    lane.stuck_since.reset();
    if (lane.is_retired || (is_stopping_ && unsettled_ == 0)) return {next_step::leave};
    return {next_step::idle};
  }

  if (is_stopping_ && (!lane.is_open || lane.is_held)) {
    while (!lane.waiting.empty()) take();
    return refuse(errc::stopping, "the shard " + lane.shard->name + " didn't take writes before the stop");
  }

  if (!lane.after.empty()) {  // as behind a batch of its own, that the store hasn't answered
    if (!lane.stuck_since) lane.stuck_since = now;
    return {next_step::idle};
  }
  if (!lane.is_open || lane.is_held) {
    if (!lane.stuck_since) lane.stuck_since = now;
    while (!lane.waiting.empty() && expiry_of(lane, lane.waiting.front()) <= now) take();
    if (!batch.empty())
      return refuse(errc::service_unavailable, "no shard took the writes of " + lane.shard->name + " in time");
    auto until = expiry_of(lane, lane.waiting.front());
    if (!lane.is_open) return {next_step::wait, until};
    if (now < lane.next_try) return {next_step::wait, std::min(until, lane.next_try)};
  } else {
    lane.stuck_since.reset();
  }

  if (lane.waiting.front().claim.not_after < now) {
    take();
    return refuse(errc::service_unavailable, "the writes waited longer than their reservations last");
  }
  do take();
  while (!batch.is_task() && !lane.waiting.empty() && batch.claims.size() < limits_.batch_units_max &&
         batch.bytes + lane.waiting.front().claim.bytes <= limits_.batch_bytes_max &&
         !lane.waiting.front().claim.task && lane.waiting.front().claim.not_after >= now);
  lane.is_in_flight = true;
  lane.in_flight_units = batch.claims.size();
  return {next_step::commit};
}

void lane_book::settle(commit_lane& lane, lane_batch& batch, const outcome& came_to, steady_time now) {
  auto& shard = *lane.shard;
  if (!batch.is_task()) {
    shard.figures.batches += came_to.was_tried;
    shard.figures.units += batch.claims.size();
    shard.figures.failed_units += came_to.failed;
    shard.figures.store_errors += came_to.is_store_error;
    shard.spent += came_to.spent;
    for (auto& claim : batch.claims) {
      shard.latency.add(now - claim.since);
      forget(claim);
    }
  }
  lane.is_in_flight = false;
  lane.in_flight_units = 0;
  if (came_to.was_tried) {  // and it didn't say errc::wrong_owner
    lane.is_held = false;
    lane.stuck_since.reset();
    lane.pause = {};
  }
  batch.clear();
}

void lane_book::hand_back(commit_lane& lane, lane_batch& batch, steady_time now) {
  lane.is_in_flight = false;
  lane.in_flight_units = 0;
  auto stuck_since = lane.stuck_since.value_or(now);
  for (auto i = batch.claims.size(); i-- > 0;) {
    auto one = batch.take_back(i);
    auto& home = lane.is_retired ? *lane_of(one.claim.slot) : lane;
    charge(one.claim, home.shard->shared_from_this());
    if (!home.stuck_since || stuck_since < *home.stuck_since) home.stuck_since = stuck_since;
    home.waiting.push_front(std::move(one));
  }
  batch.clear();
  if (lane.is_retired) return;
  lane.is_held = true;
  lane.pause = std::clamp(lane.pause * 2, first_pause, longest_pause);
  lane.next_try = now + lane.pause;
}

void lane_book::apply(shard_list serving, steady_time now, std::vector<pending_unit>& torn) {
  THRONG_ASSERT(!serving.empty());
  auto former = std::exchange(serving_, std::move(serving));
  for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
    auto place = first_ksid_of({static_cast<std::uint16_t>(slot)});
    auto owner =
        std::find_if(serving_.begin(), serving_.end(), [&](const auto& one) { return one->range.contains(place); });
    THRONG_ASSERT(owner != serving_.end());
    by_slot_[slot] = *owner;
  }
  for (auto& shard : former) {
    if (std::find(serving_.begin(), serving_.end(), shard) != serving_.end()) continue;
    for (auto& old : shard->lanes) {
      old->is_retired = true;
      std::erase_if(old->after, [](const auto& one) { return !one->is_in_flight; });
      for (auto& heir : serving_) {
        if (!heir->range.overlaps(shard->range)) continue;
        auto& lane = *heir->lanes[old->number];
        lane.after.insert(lane.after.end(), old->after.begin(), old->after.end());
        if (old->is_in_flight) lane.after.push_back(old);
      }
      old->after.clear();
      for (auto& one : std::exchange(old->waiting, {})) {
        if (!one.claim.task && has_many_shards() && !is_in_one_shard(one.unit, one.claim.slot)) {
          torn.push_back(std::move(one));
          continue;
        }
        const auto& lane = place(std::move(one));
        if (old->stuck_since && (!lane->stuck_since || *old->stuck_since < *lane->stuck_since))
          lane->stuck_since = old->stuck_since;
      }
    }
  }
  for (auto& shard : serving_)
    for (auto& lane : shard->lanes) lane->next_try = now;
}

}  // namespace throng
