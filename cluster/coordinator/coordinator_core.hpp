// SPDX-License-Identifier: Apache-2.0
// COORDINATOR CORE: what the cluster needs next, as one node sees the topology. Pure: no clock, no thread, no store;
// the same facts give the same decision on every node, and each decision is carried out by one compare-and-set, so two
// who think they lead can't both be right.
//
//   leader lost (find_lost()), or gone            ─► the first node that isn't: take the lead (term + 1)
//   leader: a member is lost                      ─► erase its record: it is dead
//           a slot's owner is no member           ─► plan what must move, at once
//           everybody has settled on the table    ─► the next moves of a change by hand; then drains and pins; then a
//                                                    hot entity, or balance, if the LOAD BALANCE says so
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cluster/coordinator/placement_wishes.hpp"
#include "cluster/coordinator/slot_planner.hpp"
#include "cluster/load/load_report.hpp"
#include "cluster/membership/node_record.hpp"

namespace throng {

/// "coordinator" in the topology: who leads.
struct leadership {
  std::string leader;  // its name; empty: nobody yet
  std::uint64_t incarnation = 0;
  std::uint64_t term = 0;
  topology_version version = 0;  // of the entry; not in the JSON
  friend bool operator==(const leadership&, const leadership&) = default;
};
inline constexpr std::string_view leadership_key = "coordinator";
inline constexpr std::string_view slot_table_key = "slots";
std::string to_json(const leadership& record);
result<leadership> parse_leadership(const topology_entry& entry);

/// What a node knows of the topology.
struct cluster_facts {
  std::vector<node_record> members;  // by node
  leadership lead;
  std::optional<slot_table> table;
  topology_version table_entry = 0;
  placement_wishes wishes;
  std::vector<load_report> loads;  // of members
};

struct coordinator_options {
  std::uint32_t tolerance_percent = 5;
  std::size_t balancing_moves_max = 64;  // at once, but for the dead's; the next go when these have settled (MOVE PACE)
  std::size_t members_min = 1;           // before the first table is made
};

struct take_the_lead {
  leadership next;
};
struct declare_dead {
  node_record member;
  std::string reason;
};
struct make_table {
  enum class cause_t : std::uint8_t { first, dead, by_hand, wished, hot, balance } cause{};
  placement_plan plan;
  slot_table::change_mark mark;  // of the new table
  std::string why;               // for people
};
struct wait_for_change {};
using decision = std::variant<wait_for_change, take_the_lead, declare_dead, make_table>;

/// A hot entity's slot that goes to a quieter node.
struct hot_move {
  slot_move move;
  hot_entity entity;
};

/// What may be moved for load (cluster/coordinator/load_balance.hpp); by itself: all that is above its share by number.
struct balance_advice {
  bool may_balance = true;
  std::optional<std::uint32_t> tolerance_percent;
  std::vector<std::uint32_t> loads;  // of each slot, as the planner takes them
  std::vector<slot_id> keeps;
  std::vector<node_index> only;
  std::optional<hot_move> hot;
  std::string why = "balance";
};

/// What `self` (its record is among the members, or it waits) should do now.
decision decide(const cluster_facts& facts, const std::string& self, const coordinator_options& how,
                const balance_advice& advice = {});

/// The members, with the weights that people wish; 0 for those that drain, or may take none yet (may_take_slots()).
std::vector<node_share> node_shares(const cluster_facts& facts);
/// The wished pins to members.
std::vector<slot_pin> slot_pins(const cluster_facts& facts);
/// What would move for balance now; also what drains and pins need, which comes first. REQUIRES: there is a table.
placement_plan plan_balance(const cluster_facts& facts, const coordinator_options& how, const balance_advice& advice);
/// Do all members follow the table, with nothing on its way? Only then does anything move but what the dead had.
bool has_settled(const cluster_facts& facts);

/// Members that have to go, since the others can't work with them. Being wrong is cheap: the store's fences keep who is
/// declared dead from writing, and its process joins again. In this order:
/// - Whose process has ended, says somebody who asked its host. A living one would miss that link too, and say so.
/// - Whom most of the others can't reach. Those that can't reach most themselves have lost their own line, and don't
///   count as witnesses. With two members the other one's word is enough.
/// - If there is nobody of these two kinds: of a pair whose ends both say for long that they can't reach each other,
///   the one that is in more such pairs; else the one that doesn't lead, or has the higher number. One at a time.
std::vector<node_index> find_lost(const cluster_facts& facts);
bool is_unreachable(const cluster_facts& facts, node_index node);

/// Slots go to who has met all others, or has slots already: others would wait in vain for what is on a newcomer that
/// they can't reach.
bool may_take_slots(const cluster_facts& facts, const node_record& member);

}  // namespace throng
