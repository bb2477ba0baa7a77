// SPDX-License-Identifier: Apache-2.0
#include "cluster/load/load_meter.hpp"

#include <algorithm>
#include <cmath>

namespace throng {

namespace {

constexpr float cpu_us_of_unit = 10;

float seconds_of(steady_time::duration time) { return std::chrono::duration<float>(time).count(); }

}  // namespace

void load_meter::sample(load_counters& counters, steady_time now) {
  const auto passed = seconds_of(now - sampled_);
  if (has_begun_ && passed <= 0) return;
  const auto weight = 1 - std::exp(-passed / seconds_of(how_.lag));
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    auto& counted = counters[{slot}];
    auto& state = slots_[slot];
    const auto messages = counted.messages.load(std::memory_order_relaxed);
    const auto cpu_us = counted.cpu_us.load(std::memory_order_relaxed);
    if (counted.is_crowded.load(std::memory_order_relaxed)) {
      counted.is_crowded.store(false, std::memory_order_relaxed);
      state.is_crowded = true;
    }
    if (has_begun_) {
      const auto rate = static_cast<float>(messages - state.messages) / passed;
      const auto load = rate + static_cast<float>(cpu_us - state.cpu_us) / cpu_us_of_unit / passed;
      state.rate += weight * (rate - state.rate);
      state.load += weight * (load - state.load);
    }
    state.messages = messages;
    state.cpu_us = cpu_us;
  }
  has_begun_ = true;
  sampled_ = now;
}

std::vector<slot_id> load_meter::suspects() {
  std::vector<slot_id> all;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    auto& state = slots_[slot];
    if (state.is_crowded || state.rate >= static_cast<float>(how_.hot_rate)) all.push_back({slot});
    state.is_crowded = false;
  }
  if (all.size() > reported_entities_max) {
    std::ranges::partial_sort(all, all.begin() + reported_entities_max, std::greater{},
                              [this](slot_id slot) { return slots_[slot.value].rate; });
    all.resize(reported_entities_max);
  }
  std::erase_if(looked_at_, [&](const auto& each) { return std::ranges::find(all, each.first) == all.end(); });
  return all;
}

void load_meter::look_at(slot_id slot, const std::vector<entity_view>& entities, steady_time now) {
  auto before = std::exchange(looked_at_[slot], {});
  for (const auto& each : entities) {
    auto& entity = looked_at_[slot][each.key];
    entity = {each.messages, now, {each.key, 0, each.mailbox}};
    const auto found = before.find(each.key);
    if (found == before.end() || found->second.when >= now || found->second.messages > each.messages) continue;
    const auto passed = seconds_of(now - found->second.when);
    entity.now.rate = static_cast<std::uint32_t>(static_cast<float>(each.messages - found->second.messages) / passed);
  }
}

load_report load_meter::report(const slot_table& table, node_index self) const {
  load_report report;
  report.node = self;
  float rest = 0;
  std::vector<slot_load> own;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    if (table.owner_of({slot}).node != self) continue;
    const auto load = std::lround(slots_[slot].load);
    if (load > 0)
      own.push_back({{slot}, static_cast<std::uint32_t>(load)});
    else
      rest += slots_[slot].load;
  }
  const auto listed = std::min(own.size(), reported_slots_max);
  std::ranges::partial_sort(own, own.begin() + static_cast<std::ptrdiff_t>(listed), [](const auto& a, const auto& b) {
    return a.load != b.load ? a.load > b.load : a.slot < b.slot;
  });
  for (auto i = listed; i < own.size(); ++i) rest += static_cast<float>(own[i].load);
  own.resize(listed);
  report.slots = std::move(own);
  report.rest = static_cast<std::uint64_t>(std::lround(rest));
  for (const auto& [slot, entities] : looked_at_) {
    if (table.owner_of(slot).node != self) continue;
    for (const auto& [key, each] : entities)
      if (each.now.rate >= how_.hot_rate || each.now.mailbox >= how_.hot_mailbox) report.hot.push_back(each.now);
  }
  std::ranges::sort(report.hot, std::greater{}, [](const hot_entity& each) { return each.rate; });
  if (report.hot.size() > reported_entities_max) report.hot.resize(reported_entities_max);
  return report;
}

}  // namespace throng
