// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/placement_admin.hpp"

#include <algorithm>
#include <deque>
#include <thread>

#include "cluster/coordinator/placement_preview.hpp"
#include "storage/model/time.hpp"
#include "tools/throngd/entity_pins.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t plans_max = 16;
constexpr int tries_max = 8;
constexpr milliseconds patience{5'000};  // for the coordinator to begin
constexpr milliseconds look_again{20};

std::string counted(std::size_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

bool takes_slots(const cluster_facts& facts, node_index node) {
  const auto nodes = node_shares(facts);
  const auto found = std::ranges::find(nodes, node, &node_share::node);
  return found != nodes.end() && found->weight > 0;
}

class live_placement_admin final : public cluster_admin {
 public:
  using view_ptr = std::shared_ptr<const cluster_agent::view>;

  live_placement_admin(topology_store& topology, std::function<view_ptr()> look, coordinator_options how)
      : topology_(topology), look_(std::move(look)), how_(how) {}

  // -- plans
  // --------------------------------------------------------------------------------------------------------------

  result<shell_table> plan(const assumption& given) override {
    auto now = look();
    if (!now) return now.failure();
    auto facts = (*now)->facts;
    for (const auto& name : given.draining) {
      if (!member_called(**now, name)) return no_member(name);
      facts.wishes.draining.insert(name);
    }
    for (const auto& [name, weight] : given.weights) {
      if (!member_called(**now, name)) return no_member(name);
      facts.wishes.weights[name] = weight;
    }
    remembered made;
    made.changes_nodes = !given.draining.empty() || !given.weights.empty();
    made.draining = facts.wishes.draining;
    made.weights = facts.wishes.weights;
    auto shown = preview_placement(std::move(facts), how_);
    made.made_for = shown.table_version;
    made.moves = std::move(shown.moves);
    made.id = (*now)->self.node.value * 1'000u + ++plans_made_ % 1'000;
    plans_.push_back(std::move(made));
    if (plans_.size() > plans_max) plans_.pop_front();
    return table_of(**now, shown, plans_.back(), given.lists_slots);
  }

  result<std::string> apply(std::uint64_t id) override {
    auto now = look();
    if (!now) return now.failure();
    auto found = find_plan(id);
    if (!found) return found.failure();
    const auto& plan = *found;
    if (plan.moves.empty() && !plan.changes_nodes)
      return error{errc::invalid_arguments, name_of(plan) + " moves nothing"};
    if (auto same = is_for_table(plan, **now); !same) return same.failure();
    placement_change change;
    change.made_for = plan.made_for;
    change.what = name_of(plan);
    change.moves = plan.moves;
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      if (auto free = nothing_under_way(wishes, **now); !free) return free;
      change.id = wishes.change.id + 1;
      if (plan.changes_nodes) {
        change.has_set_nodes = true;
        change.draining_before = std::exchange(wishes.draining, plan.draining);
        change.weights_before = std::exchange(wishes.weights, plan.weights);
      }
      wishes.change = change;
      return done;
    });
    if (!wished) return wished.failure();
    auto begun = await_begin(change);
    if (!begun && plan.changes_nodes)
      return error{begun.code(), begun.failure().detail + "; that its nodes drain or weigh otherwise is kept"};
    return begun;
  }

  result<std::string> undo() override {
    auto now = look();
    if (!now) return now.failure();
    placement_change change;
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      const auto& table = *(*now)->facts.table;
      auto& last = wishes.change;
      if (auto free = nothing_under_way(wishes, **now); !free) return free;
      if (last.id == 0) return error{errc::not_found, "nothing has been applied or migrated yet"};
      if (state_of(last, table) == change_state::overtaken)
        return error{errc::conflict, last.what + " was never begun: there is nothing to undo"};
      change = {last.id + 1, table.version(), "undoing " + last.what, {}, true};
      const auto nodes = node_shares((*now)->facts);
      for (const auto& each : last.moves) {
        const auto taker = std::ranges::find(nodes, each.from, &node_share::node);
        const bool may_take =
            taker != nodes.end() &&
            (taker->weight > 0 || (last.has_set_nodes && !last.draining_before.contains(name_of(**now, each.from))));
        if (table.owner_of(each.slot).node == each.to && may_take)
          change.moves.push_back({each.slot, each.to, each.from});
      }
      if (change.moves.empty() && !last.has_set_nodes)
        return error{errc::conflict, "nothing of " + last.what +
                                         " can be undone: its slots have moved on, or where they were takes none now"};
      std::ranges::stable_sort(change.moves, {}, [](const auto& each) { return std::pair(each.from, each.to); });
      if (last.has_set_nodes) {
        change.has_set_nodes = true;
        change.draining_before = std::exchange(wishes.draining, last.draining_before);
        change.weights_before = std::exchange(wishes.weights, last.weights_before);
      }
      wishes.change = change;
      return done;
    });
    if (!wished) return wished.failure();
    auto begun = await_begin(change);
    if (begun && wished->balances) *begun += "; balancing is on and may move them again (balance off)";
    return begun;
  }

  // -- wishes
  // -------------------------------------------------------------------------------------------------------------

  result<std::string> set_draining(std::string_view node, bool wanted) override {
    auto now = look();
    if (!now) return now.failure();
    const std::string name(node);
    const auto* member = member_called(**now, name);
    if (wanted && !member) return no_member(name);
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      if (!wanted && wishes.draining.erase(name) == 0) return error{errc::not_found, name + " isn't being drained"};
      if (wanted) {
        wishes.draining.insert(name);
        auto facts = (*now)->facts;
        facts.wishes = wishes;
        if (std::ranges::none_of(node_shares(facts), [](const auto& each) { return each.weight > 0; }))
          return error{errc::conflict, "nobody would be left to take the slots of " + name};
      }
      wishes.change.has_set_nodes = false;
      return done;
    });
    if (!wished) return wished.failure();
    if (!wanted) return name + " gets its share again";
    return name + " drains: " + counted((*now)->facts.table->owned_by(member->who.node), "slot") +
           " and then its clients go elsewhere, and it stays empty (undrain " + name + ")";
  }

  result<std::string> set_balancing(bool wanted) override {
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      wishes.balances = wanted;
      return done;
    });
    if (!wished) return wished.failure();
    return std::string(wanted ? "the coordinator balances by load"
                              : "only what must move does: from the dead, for drains and pins, and by hand");
  }

  result<std::string> pin(const movable& what, std::string_view node) override {
    auto now = look();
    if (!now) return now.failure();
    const auto* slot = std::get_if<slot_id>(&what);
    if (!slot) return pin_entity(topology_, **now, std::get<entity_key>(what), node);
    const std::string name(node);
    const auto* member = member_called(**now, name);
    if (!member) return no_member(name);
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      if (!wishes.pins.contains(slot->value) && wishes.pins.size() >= pinned_slots_max)
        return error{errc::overloaded, "more than " + std::to_string(pinned_slots_max) + " slots can't be pinned"};
      wishes.pins[slot->value] = name;
      return done;
    });
    if (!wished) return wished.failure();
    return to_text(what) + " is pinned to " + name +
           ((*now)->facts.table->owner_of(*slot).node == member->who.node ? ", where it is"
            : takes_slots((*now)->facts, member->who.node)                ? ", and goes there"
                                                           : ", and goes there when that takes slots again");
  }

  result<std::string> unpin(const movable& what) override {
    const auto* slot = std::get_if<slot_id>(&what);
    if (!slot) {
      auto now = look();
      if (!now) return now.failure();
      return unpin_entity(topology_, **now, std::get<entity_key>(what));
    }
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      if (wishes.pins.erase(slot->value) == 0) return error{errc::not_found, to_text(what) + " isn't pinned"};
      return done;
    });
    if (!wished) return wished.failure();
    return to_text(what) + " isn't pinned any more";
  }

  result<std::string> migrate(const movable& what, std::string_view node) override {
    const auto* slot = std::get_if<slot_id>(&what);
    if (!slot) {
      auto now = look();
      if (!now) return now.failure();
      return migrate_entity(topology_, **now, std::get<entity_key>(what), node);
    }
    for (int i = 0; i < tries_max; ++i) {
      auto moved = migrate_once(*slot, std::string(node));
      if (moved || moved.code() != errc::conflict || i + 1 == tries_max || !was_overtaken_) return moved;
    }
    return error{errc::conflict, "the slot table changes all the time; try again"};
  }

 private:
  struct remembered {
    std::uint64_t id = 0, made_for = 0;
    std::vector<slot_move> moves;
    bool changes_nodes = false;
    std::set<std::string> draining;
    std::map<std::string, std::uint32_t> weights;
  };

  result<std::string> migrate_once(slot_id slot, const std::string& name) {
    was_overtaken_ = false;
    auto now = look();
    if (!now) return now.failure();
    const auto& facts = (*now)->facts;
    const auto* member = member_called(**now, name);
    if (!member) return no_member(name);
    const auto owner = facts.table->owner_of(slot).node;
    if (owner == member->who.node) return error{errc::conflict, to_text(movable{slot}) + " is on " + name + " already"};
    if (!takes_slots(facts, member->who.node))
      return error{errc::conflict, name + " takes no slots: it drains, or weighs nothing"};
    placement_change change;
    auto wished = edit([&](placement_wishes& wishes) -> result<> {
      if (auto free = nothing_under_way(wishes, **now); !free) return free;
      if (const auto pin = wishes.pins.find(slot.value); pin != wishes.pins.end() && pin->second != name)
        return error{errc::conflict, to_text(movable{slot}) + " is pinned to " + pin->second};
      change = {wishes.change.id + 1,
                facts.table->version(),
                "migrating " + to_text(movable{slot}) + " to " + name,
                {{slot, owner, member->who.node}}};
      wishes.change = change;
      return done;
    });
    if (!wished) return wished.failure();
    return await_begin(change);
  }

  // -- the topology
  // -------------------------------------------------------------------------------------------------------

  /// Reads, changes and writes, as often as others write meanwhile.
  template <class Change>
  result<placement_wishes> edit(Change change) {
    for (int i = 0; i < tries_max; ++i) {
      auto entry = topology_.get(placement_wishes_key);
      if (!entry) return entry.failure();
      auto wishes = *entry ? parse_placement_wishes(**entry) : placement_wishes{};
      if (!wishes) return wishes.failure();
      if (result<> changed = change(*wishes); !changed) return changed.failure();
      auto put = topology_.put(placement_wishes_key, to_json(*wishes), wishes->version);
      if (put) {
        wishes->version = *put;
        return wishes;
      }
      if (put.code() != errc::conflict) return put.failure();
    }
    return error{errc::conflict, "others change the placement all the time; try again"};
  }

  result<view_ptr> look() const {
    auto now = look_();
    if (!now || !now->facts.table) return error{errc::unavailable, "there is no slot table yet"};
    return now;
  }

  result<> nothing_under_way(const placement_wishes& wishes, const cluster_agent::view& now) const {
    const auto state = state_of(wishes.change, *now.facts.table);
    if (state == change_state::under_way || state == change_state::waiting)
      return error{errc::conflict, wishes.change.what + " is still under way"};
    return done;
  }

  result<> is_for_table(const remembered& plan, const cluster_agent::view& now) const {
    const auto version = now.facts.table->version();
    if (version == plan.made_for) return done;
    return error{errc::conflict, "the slot table has changed since " + name_of(plan) + " was made (" +
                                     std::to_string(plan.made_for) + ", now " + std::to_string(version) +
                                     "): plan again"};
  }

  /// Until the coordinator has begun, or begins never.
  result<std::string> await_begin(const placement_change& change) {
    const auto until = system_time().now() + patience;
    while (true) {
      const auto now = look_();
      const auto state = state_of(change, *now->facts.table);
      if (state == change_state::finished || state == change_state::under_way)
        return change.what + (state == change_state::finished ? ": " : " has begun: ") +
               counted(change.moves.size(), "slot") + (change.moves.size() == 1 ? " moves" : " move") + " (change " +
               std::to_string(change.id) + ")";
      if (state == change_state::overtaken) {
        was_overtaken_ = true;
        return error{errc::conflict,
                     "the slot table changed at this moment, and nothing of " + change.what + " was moved: plan again"};
      }
      if (system_time().now() >= until)
        return error{errc::deadline_exceeded,
                     change.what +
                         " hasn't begun yet: moves are under way, or nobody coordinates; it begins when they are "
                         "over, if the slot table is still the same then"};
      std::this_thread::sleep_for(look_again);
    }
  }

  result<remembered> find_plan(std::uint64_t id) const {
    if (plans_.empty()) return error{errc::not_found, "no plan was made on this node; make one with plan"};
    if (id == 0) return plans_.back();
    const auto found = std::ranges::find(plans_, id, &remembered::id);
    if (found == plans_.end())
      return error{errc::not_found, "there is no plan " + std::to_string(id) + " on this node; make one with plan"};
    return *found;
  }

  // -- words
  // --------------------------------------------------------------------------------------------------------------

  static std::string name_of(const remembered& plan) { return "plan " + std::to_string(plan.id); }
  static std::string name_of(const cluster_agent::view& now, node_index node) {
    for (const auto& each : now.facts.members)
      if (each.who.node == node) return each.who.name;
    return node.value == 0 ? "nobody" : "number " + std::to_string(node.value);
  }
  static error no_member(const std::string& name) { return {errc::not_found, "there is no node " + name}; }

  static shell_table table_of(const cluster_agent::view& now, const placement_preview& shown, const remembered& plan,
                              bool lists_slots) {
    shell_table table{{"FROM", "TO", lists_slots ? "SLOT" : "SLOTS", "LOAD", "WHY"}, {}, {}};
    for (const auto& each : shown.ways) {
      if (!lists_slots) {
        table.rows.push_back({name_of(now, each.from), name_of(now, each.to), each.slots.size(), each.load, each.why});
        continue;
      }
      for (auto slot : each.slots)
        table.rows.push_back({name_of(now, each.from), name_of(now, each.to), slot.value, "", each.why});
    }
    // What each node carries, before and after: the rows that go nowhere.
    auto change = [](std::uint64_t before, std::uint64_t after) {
      return before == after ? std::to_string(before) : std::to_string(before) + " -> " + std::to_string(after);
    };
    for (const auto& each : shown.nodes)
      table.rows.push_back({name_of(now, each.number), "", change(each.slots_before, each.slots_after),
                            change(each.load_before, each.load_after), "weight " + std::to_string(each.weight)});
    table.note = name_of(plan) + " for slot table " + std::to_string(plan.made_for) + ": " +
                 (plan.moves.empty() ? "nothing moves" : counted(plan.moves.size(), "slot") + " of 4096 would move");
    const auto state = state_of(now.facts.wishes.change, *now.facts.table);
    if (state == change_state::under_way) table.note += "; " + now.facts.wishes.change.what + " is under way";
    if (!now.facts.wishes.balances) table.note += "; balancing is off";
    if (!plan.moves.empty() || plan.changes_nodes) table.note += "; apply " + std::to_string(plan.id) + " does this";
    return table;
  }

  topology_store& topology_;
  const std::function<view_ptr()> look_;
  const coordinator_options how_;
  std::deque<remembered> plans_;  // as all else here, of the shell's one worker
  std::uint32_t plans_made_ = 0;
  bool was_overtaken_ = false;
};

}  // namespace

std::unique_ptr<cluster_admin> make_placement_admin(topology_store& topology,
                                                    std::function<std::shared_ptr<const cluster_agent::view>()> look,
                                                    coordinator_options how) {
  return std::make_unique<live_placement_admin>(topology, std::move(look), how);
}

}  // namespace throng
