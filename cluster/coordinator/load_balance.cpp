// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/load_balance.hpp"

#include <algorithm>

namespace throng {

namespace {

constexpr std::chrono::milliseconds look_again{200};
constexpr std::uint64_t hot_gain_percent = 10;  // that a hot move must make the fuller node less full

/// It has less than half of its share of the load, or of the slots' number as long as not everybody has told loads: it
/// has only just come, or a leader that is gone was about to give it the rest.
bool is_filling(const cluster_facts& facts, const node_share& which) {
  const bool have_all_told = std::ranges::all_of(facts.members, [&](const node_record& member) {
    return std::ranges::any_of(facts.loads, [&](const load_report& report) {
      return report.node == member.who.node && report.incarnation == member.who.incarnation;
    });
  });
  const auto loads = have_all_told ? loads_of_slots(*facts.table, facts.loads) : std::vector<std::uint32_t>{};
  std::uint64_t own = 0, all = 0, weights = 0;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    const std::uint64_t load = loads.empty() ? 1 : loads[slot];
    all += load;
    if (facts.table->owner_of({slot}).node == which.node) own += load;
  }
  for (const auto& each : node_shares(facts)) weights += each.weight;
  return own * 2 * weights < all * which.weight;
}

}  // namespace

const balance_advice& load_balance::look(const cluster_facts& facts, const coordinator_options& coordination,
                                         steady_time now) {
  see_nodes(facts);
  see_hot(facts, now);
  if (facts.table->version() == seen_table_ && now - seen_at_ < look_again) return advice_;
  seen_table_ = facts.table->version();
  seen_at_ = now;
  if (is_in_round_) {
    if (!plan_balance(facts, coordination, advice_).moves.empty()) return advice_;
    rest();
  }
  std::erase_if(moved_, [&](const auto& each) { return now - each.second >= how_.pause * how_.stay_pauses; });
  balance_advice could;
  could.loads = loads_of_slots(*facts.table, facts.loads);
  for (const auto& [slot, when] : moved_) could.keeps.push_back(slot);
  could.tolerance_percent = how_.begin_percent;
  const bool may_move = !last_move_ || now - *last_move_ >= how_.pause;

  if (!could.loads.empty() && may_move) {
    std::vector<hot_entity> hot;
    for (const auto& report : facts.loads)
      for (const auto& each : report.hot)
        if (const auto since = hot_since_.find(each.key);
            since != hot_since_.end() && now - since->second >= how_.patience)
          hot.push_back(each);
    if (auto move = plan_hot_move(facts, hot, could.keeps)) {
      advice_ = std::move(could);
      advice_.why = to_text(move->entity);
      advice_.hot = std::move(move);
      return advice_;
    }
  }

  const auto plan = plan_balance(facts, coordination, could);
  if (plan.moves.size() == plan.forced) {
    uneven_since_.reset();
  } else {
    if (!uneven_since_) uneven_since_ = now;
    if (now - *uneven_since_ >= how_.patience && may_move) {
      advice_ = std::move(could);
      begin_round("uneven for " + std::to_string((now - *uneven_since_) / std::chrono::seconds(1)) + " s");
      advice_.tolerance_percent = how_.end_percent;
      return advice_;
    }
  }
  rest();
  return advice_;
}

/// Nodes that have come or weigh another get their due at once.
void load_balance::see_nodes(const cluster_facts& facts) {
  std::vector<weighed> nodes;
  const auto shares = node_shares(facts);
  for (std::size_t i = 0; i < shares.size(); ++i) nodes.push_back({shares[i], facts.members[i].who.incarnation});
  if (nodes_ == nodes) return;
  std::vector<node_index> changed;
  for (const auto& each : nodes) {
    if (each.share.weight == 0) continue;
    const bool is_known = nodes_ ? std::ranges::find(*nodes_, each) != nodes_->end() : !is_filling(facts, each.share);
    if (!is_known) changed.push_back(each.share.node);
  }
  nodes_ = std::move(nodes);
  seen_table_ = 0;
  if (changed.empty()) return;
  if (!is_in_round_ || advice_.only.empty()) {
    advice_ = {};
    advice_.loads = loads_of_slots(*facts.table, facts.loads);
  }
  advice_.only.insert(advice_.only.end(), changed.begin(), changed.end());
  begin_round("for a node that came or weighs another");
}

void load_balance::see_hot(const cluster_facts& facts, steady_time now) {
  auto before = std::exchange(hot_since_, {});
  for (const auto& report : facts.loads)
    for (const auto& each : report.hot) {
      if (facts.table->owner_of(slot_of(each.key)).node != report.node) continue;
      const auto found = before.find(each.key);
      hot_since_.emplace(each.key, found == before.end() ? now : found->second);
    }
}

void load_balance::begin_round(std::string why) {
  is_in_round_ = true;
  advice_.may_balance = true;
  advice_.hot.reset();
  advice_.why = std::move(why);
}

void load_balance::rest() {
  is_in_round_ = false;
  advice_ = {};
  advice_.may_balance = false;
}

void load_balance::has_made(const make_table& step, steady_time now) {
  if (step.cause != make_table::cause_t::balance && step.cause != make_table::cause_t::hot) return;
  last_move_ = now;
  uneven_since_.reset();
  for (const auto& each : step.plan.moves) moved_[each.slot] = now;
  if (step.cause == make_table::cause_t::hot) rest();
}

std::optional<hot_move> plan_hot_move(const cluster_facts& facts, const std::vector<hot_entity>& hot,
                                      std::span<const slot_id> keeps) {
  if (hot.empty()) return std::nullopt;
  const auto loads = measured_loads(*facts.table, facts.loads);
  const auto nodes = node_shares(facts);
  const auto pins = slot_pins(facts);
  std::map<node_index, std::uint64_t> load_of;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) load_of[facts.table->owner_of({slot}).node] += loads[slot];
  for (const auto& each : hot) {
    const auto slot = slot_of(each.key);
    const auto owner = facts.table->owner_of(slot).node;
    if (std::ranges::find(keeps, slot) != keeps.end() || std::ranges::count(pins, slot, &slot_pin::slot) > 0) continue;
    const auto from = std::ranges::find(nodes, owner, &node_share::node);
    if (from == nodes.end() || from->weight == 0) continue;
    // By load for each weight; compared without dividing.
    const node_share* quietest = nullptr;
    for (const auto& node : nodes)
      if (node.weight > 0 && node.node != owner &&
          (!quietest || load_of[node.node] * quietest->weight < load_of[quietest->node] * node.weight))
        quietest = &node;
    if (!quietest) continue;
    const auto then = load_of[quietest->node] + loads[slot.value];
    const auto now = load_of[owner];
    if (then * from->weight * 100 >= now * quietest->weight * (100 - hot_gain_percent)) continue;
    return hot_move{{slot, owner, quietest->node}, each};
  }
  return std::nullopt;
}

std::string to_text(const hot_entity& entity) {
  return to_text(entity.key) + " is hot: " + std::to_string(entity.rate) + " messages a second, " +
         std::to_string(entity.mailbox) + " waiting";
}

}  // namespace throng
