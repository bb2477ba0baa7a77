// SPDX-License-Identifier: Apache-2.0
// LOAD BALANCE: when the COORDINATOR may move slots for load. Loads waver, and each move costs a pause, so:
//
//   a node joins, or weighs another ─► it gets its share at once, from those that have most, and nobody else's moves
//   one is 20 % above its share, for as long as the patience ─► a round: until all are near their shares. All its steps
//                                       use the loads that it began with, so that it ends
//   an entity is hot for as long    ─► its slot goes to the quietest node, if that ends up less loaded than the one
//   that
//                                       has it now: an entity that is a node's whole load stays
//   after a round ─► a pause; what has moved for load stays where it is for five of them
//
// The leader keeps one. Pure; one thread at a time.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "cluster/coordinator/coordinator_core.hpp"
#include "storage/model/time.hpp"

namespace throng {

struct balance_options {
  std::chrono::milliseconds patience{15'000};
  std::chrono::milliseconds pause{60'000};
  std::uint32_t begin_percent = 20;  // above its share, before a round begins
  std::uint32_t end_percent = 8;     // at most, when it ends
  int stay_pauses = 5;
};

class load_balance {
 public:
  explicit load_balance(balance_options how) : how_(how) {}

  /// What may be moved now. To be asked by the leader, as often as it decides. REQUIRES: there is a table.
  const balance_advice& look(const cluster_facts& facts, const coordinator_options& coordination, steady_time now);
  /// The table was made.
  void has_made(const make_table& step, steady_time now);

 private:
  struct weighed {
    node_share share;
    std::uint64_t incarnation = 0;
    friend bool operator==(const weighed&, const weighed&) = default;
  };
  void see_nodes(const cluster_facts& facts);
  void see_hot(const cluster_facts& facts, steady_time now);
  void begin_round(std::string why);
  void rest();

  const balance_options how_;
  balance_advice advice_;
  std::optional<std::vector<weighed>> nodes_;
  bool is_in_round_ = false;
  std::optional<steady_time> uneven_since_;
  std::optional<steady_time> last_move_;
  std::map<entity_key, steady_time> hot_since_;
  std::map<slot_id, steady_time> moved_;  // for load
  // What was looked at last: planning is not for every step.
  std::uint64_t seen_table_ = 0;
  steady_time seen_at_{};
};

/// Which hot entity's slot should go where, by the measured loads. Pins and `keeps` stay.
std::optional<hot_move> plan_hot_move(const cluster_facts& facts, const std::vector<hot_entity>& hot,
                                      std::span<const slot_id> keeps);

/// "channel:C1 is hot: 900 messages a second, 12 waiting"
std::string to_text(const hot_entity& entity);

}  // namespace throng
