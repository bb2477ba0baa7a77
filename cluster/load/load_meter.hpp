// SPDX-License-Identifier: Apache-2.0
// LOAD METER: makes rates of a node's LOAD COUNTERS, by slot, and finds the entities that are hot among those of the
// busiest slots. Each rate follows what is counted with a given lag, so that a burst doesn't count as load. Pure; one
// thread at a time; 48 KB.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "cluster/inspection.hpp"
#include "cluster/load/load_counters.hpp"
#include "cluster/load/load_report.hpp"
#include "storage/model/time.hpp"

namespace throng {

class load_meter {
 public:
  struct limits {
    std::chrono::milliseconds lag{10'000};  // two thirds of a change are seen after it
    std::uint32_t hot_rate = 1'000;         // messages a second of one entity
    std::uint32_t hot_mailbox = 1'000;
  };

  explicit load_meter(limits how) : how_(how) {}

  /// What was counted since the last call belongs to the time since then.
  void sample(load_counters& counters, steady_time now);

  /// Slots that an entity may be hot in: their entities are to be shown to look_at(), which tells their rates from the
  /// second look on. At most `reported_entities_max`.
  std::vector<slot_id> suspects();
  void look_at(slot_id slot, const std::vector<entity_view>& entities, steady_time now);

  /// What there is to tell of the slots that are this node's by the table.
  load_report report(const slot_table& table, node_index self) const;

 private:
  struct slot_state {
    std::uint32_t messages = 0, cpu_us = 0;  // as counted last
    float rate = 0, load = 0;
    bool is_crowded = false;
  };
  struct looked_at {
    std::uint64_t messages = 0;
    steady_time when;
    hot_entity now;
  };

  const limits how_;
  bool has_begun_ = false;
  steady_time sampled_{};
  std::array<slot_state, slot_count> slots_{};
  std::map<slot_id, std::map<entity_key, looked_at>> looked_at_;  // of the suspects
};

}  // namespace throng
