// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/slot_planner.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::size_t nowhere = SIZE_MAX;

/// The plan under way: where every slot is by now, and what that makes of the nodes.
class draft {
 public:
  draft(const slot_table& table, const planner_input& input)
      : table_(table), input_(input), nodes_(input.nodes.size()) {
    std::uint64_t weights = 0;
    for (const auto& each : input.nodes) weights += each.weight;
    std::uint64_t total = 0;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      total += load_of(slot);
      at_[slot] = index_of(table.owner_of(slot_id{slot}).node);
      if (at_[slot] != nowhere) nodes_[at_[slot]].add(load_of(slot));
    }
    for (std::size_t i = 0; i < nodes_.size() && weights > 0; ++i) {
      nodes_[i].share = total * input.nodes[i].weight / weights;
      nodes_[i].count_share = slot_count * input.nodes[i].weight / weights;
    }
    mean_ = total / slot_count;
    has_takers_ = weights > 0;
    for (auto slot : input.keeps) is_kept_[slot.value] = true;
    before_ = nodes_;
  }

  bool has_takers() const { return has_takers_; }

  void place_pins() {
    for (const auto& pin : input_.pins) {
      const auto to = index_of(pin.node);
      if (pin.slot.value >= slot_count || to == nowhere || input_.nodes[to].weight == 0) continue;
      is_pinned_[pin.slot.value] = true;
      if (at_[pin.slot.value] != to) put(pin.slot.value, to);
    }
  }

  /// The heavy ones first, each to whoever lacks most load; then the light ones, to whoever lacks most of their number:
  /// else those with one heavy slot less would get all of them.
  void place_orphans() {
    std::vector<std::uint16_t> orphans;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot)
      if (at_[slot] == nowhere || input_.nodes[at_[slot]].weight == 0) orphans.push_back(slot);
    std::ranges::stable_sort(orphans, std::greater{}, [this](auto slot) { return load_of(slot); });
    for (auto slot : orphans) put(slot, load_of(slot) > 2 * mean_ ? neediest() : fewest());
  }

  /// Takes from the node that is most above its share for the one that is most below, while that helps.
  void balance() {
    std::vector<std::vector<std::uint16_t>> slots(nodes_.size());  // of each node, the lightest first
    for (std::uint16_t slot = 0; slot < slot_count; ++slot)
      if (!is_pinned_[slot] && !is_kept_[slot]) slots[at_[slot]].push_back(slot);
    for (auto& each : slots) std::ranges::stable_sort(each, {}, [this](auto slot) { return load_of(slot); });

    for (std::size_t moves = 0; moves < input_.balancing_moves_max; ++moves) {
      const auto way = next_way();
      if (!way || slots[way->first].empty()) return;
      const auto [from, to] = *way;
      const auto excess = nodes_[from].excess();
      const auto room = std::min(excess, -nodes_[to].excess());
      // As heavy as the mean of what should still go this way, so that number and load come out even together; where
      // the number is even already, the heaviest that fits.
      const auto count = std::min(nodes_[from].count_excess(), -nodes_[to].count_excess());
      const auto wanted = room / std::max<std::int64_t>(1, count);
      auto& own = slots[from];
      auto chosen =
          std::ranges::upper_bound(own, wanted, {}, [this](auto slot) { return std::int64_t{load_of(slot)}; });
      if (chosen != own.begin()) --chosen;
      const auto slot = *chosen;
      const auto load = std::int64_t{load_of(slot)};
      if (std::max(excess - load, nodes_[to].excess() + load) >= excess) return;  // it would only change who is full
      own.erase(chosen);
      put(slot, to);
    }
  }

  placement_plan finish(std::size_t forced) const {
    placement_plan plan;
    plan.moves = moves();
    plan.forced = forced;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const auto node = input_.nodes[i].node;
      plan.load_before.emplace_back(node, before_[i].load);
      plan.load_after.emplace_back(node, nodes_[i].load);
      plan.shares.emplace_back(node, nodes_[i].share);
    }
    return plan;
  }

  std::vector<slot_move> moves() const {
    std::vector<slot_move> all;
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      const auto before = table_.owner_of(slot_id{slot}).node;
      if (at_[slot] == nowhere || input_.nodes[at_[slot]].node == before) continue;
      all.push_back({slot_id{slot}, before, input_.nodes[at_[slot]].node});
    }
    return all;
  }

 private:
  struct state {
    std::uint64_t load = 0;
    std::uint64_t share = 0;
    std::uint64_t count = 0, count_share = 0;  // of slots
    std::int64_t excess() const { return static_cast<std::int64_t>(load) - static_cast<std::int64_t>(share); }
    std::int64_t count_excess() const {
      return static_cast<std::int64_t>(count) - static_cast<std::int64_t>(count_share);
    }
    void add(std::uint32_t more) {
      load += more;
      ++count;
    }
    void remove(std::uint32_t less) {
      load -= less;
      --count;
    }
  };

  std::uint32_t load_of(std::uint16_t slot) const {
    return input_.loads.empty() ? 1 : std::max<std::uint32_t>(1, input_.loads[slot]);
  }
  std::size_t index_of(node_index node) const {
    auto found = std::ranges::find(input_.nodes, node, &node_share::node);
    return found == input_.nodes.end() ? nowhere : static_cast<std::size_t>(found - input_.nodes.begin());
  }
  void put(std::uint16_t slot, std::size_t to) {
    if (at_[slot] != nowhere) nodes_[at_[slot]].remove(load_of(slot));
    at_[slot] = to;
    nodes_[to].add(load_of(slot));
  }
  /// From whom to whom the next move should go, if one is far enough above its share.
  std::optional<std::pair<std::size_t, std::size_t>> next_way() const {
    const auto any = [](std::size_t) { return true; };
    const auto chosen = [this](std::size_t i) { return std::ranges::count(input_.only, input_.nodes[i].node) > 0; };
    std::pair<std::size_t, std::size_t> way{fullest(any), neediest(any)};
    if (!input_.only.empty() && !chosen(way.first) && !chosen(way.second)) {
      // What the chosen ones lack, then what they have too much of.
      if (const auto needy = neediest(chosen); needy != nowhere && nodes_[needy].excess() < 0)
        way.second = needy;
      else
        way.first = fullest(chosen);
    }
    if (way.first == nowhere || way.first == way.second) return std::nullopt;
    const auto& from = nodes_[way.first];
    if (from.excess() <= static_cast<std::int64_t>(from.share * input_.tolerance_percent / 100)) return std::nullopt;
    return way;
  }
  std::size_t neediest() const {
    return neediest([](std::size_t) { return true; });
  }
  /// Compared with its share of the slots' number.
  std::size_t fewest() const {
    std::size_t best = nowhere;
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (input_.nodes[i].weight > 0 && (best == nowhere || nodes_[i].count_excess() < nodes_[best].count_excess()))
        best = i;
    return best;
  }
  /// The first of those that take slots with the least, or the most, compared with its share.
  template <class Among>
  std::size_t neediest(Among among) const {
    return extreme(among, [](auto a, auto b) { return a < b; });
  }
  template <class Among>
  std::size_t fullest(Among among) const {
    return extreme(among, [](auto a, auto b) { return a > b; });
  }
  template <class Among, class Before>
  std::size_t extreme(Among among, Before before) const {
    std::size_t best = nowhere;
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (input_.nodes[i].weight > 0 && among(i) &&
          (best == nowhere || before(nodes_[i].excess(), nodes_[best].excess())))
        best = i;
    return best;
  }

  const slot_table& table_;
  const planner_input& input_;
  std::vector<state> nodes_, before_;
  std::array<std::size_t, slot_count> at_{};
  std::array<bool, slot_count> is_pinned_{}, is_kept_{};
  std::uint64_t mean_ = 0;  // load of a slot
  bool has_takers_ = false;
};

}  // namespace

placement_plan plan_placement(const slot_table& table, const planner_input& input) {
  THRONG_ASSERT(input.loads.empty() || input.loads.size() == slot_count);
  draft plan(table, input);
  if (!plan.has_takers()) return {};
  plan.place_pins();
  plan.place_orphans();
  const auto forced = plan.moves().size();
  plan.balance();
  return plan.finish(forced);
}

}  // namespace throng
