// SPDX-License-Identifier: Apache-2.0
// Whole nodes, and all that can happen to them, by chance: they are killed, cut off from each other and from the
// topology, hear late, join and leave; the topology goes away; people wish this and that. After every step: no two
// nodes own a slot under one epoch, epochs and versions only rise; where the topology forgets too, no two nodes hold a
// slot under one epoch. After it has healed: all is served, and nothing lost. tests/support/sim_seeds.hpp says how to
// replay a seed and to try many.
#include <array>

#include <doctest/doctest.h>

#include "cluster/coordinator/placement_wishes.hpp"
#include "tests/support/sim_seeds.hpp"
#include "tests/support/sim_town.hpp"

namespace throng::test {
namespace {

/// What must never happen, whatever is known where.
class safety {
 public:
  void check(town& t) {
    std::array<std::pair<node_index, epoch_t>, slot_count> owners{};
    for (auto& [name, each] : t.members) {
      const auto look = each->agent->look();
      if (!look->facts.table) continue;
      const auto& table = *look->facts.table;
      auto& last = last_seen_[{name, each->who.incarnation}];
      REQUIRE(table.version() >= last);
      last = table.version();
      for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
        const auto owner = table.owner_of({slot});
        if (owner.node != each->who.node) continue;
        const bool is_only_one = owners[slot].first.value == 0 || owners[slot].second != owner.epoch;
        if (!is_only_one) REQUIRE(is_only_one);  // millions of times
        owners[slot] = {owner.node, owner.epoch};
      }
    }
    const auto entry = t.topology.get(slot_table_key);
    if (!entry || !*entry || (*entry)->version == kept_at_) return;
    kept_at_ = (*entry)->version;
    auto table = slot_table::decode((*entry)->value);
    REQUIRE(table.ok());
    REQUIRE(table->version() >= kept_.version());
    if (table->version() == kept_.version()) REQUIRE(*table == kept_);
    for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
      const auto before = kept_.owner_of({slot}), now = table->owner_of({slot});
      const bool has_risen = now.epoch > before.epoch || (now.epoch == before.epoch && now.node == before.node);
      if (!has_risen) REQUIRE(has_risen);
    }
    kept_ = std::move(*table);
  }

 private:
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> last_seen_;
  topology_version kept_at_ = 0;
  slot_table kept_;
};

class random_life {
 public:
  /// `forgets`: so does the topology. Then tables may come back that are older than others, and only the store's word
  /// counts, which the town itself hears.
  explicit random_life(unsigned seed, bool forgets = false) : forgets_(forgets), t_(seed, 3) {
    t_.tune = [](cluster_agent::options& how) {
      how.load_period = 500ms;
      how.meter.lag = 1s;
      how.meter.hot_rate = 5;
      how.balance.patience = 1s;
      how.balance.pause = 2s;
    };
  }

  void run() {
    for (const auto& name : names) t_.start(name);
    REQUIRE(t_.settles(20s));
    for (int i = 0; i < 40; ++i) {
      befall(names[t_.random() % names.size()]);
      pass(std::chrono::milliseconds(10 * (1 + t_.random() % 40)));
    }
    heal();
    REQUIRE(t_.settles(60s));
    if (forgets_) t_.append_everywhere();  // what writes first under an epoch of yesterday is refused
    CHECK(t_.append_everywhere() == all_of(t_));
    check();
    t_.check_safety();
  }

 private:
  void befall(const std::string& name) {
    const bool lives = t_.members.contains(name);
    auto any = [this] { return node_index{static_cast<std::uint16_t>(1 + t_.random() % names.size())}; };
    switch (t_.random() % 16) {
      case 0:
        if (lives && t_.members.size() > 2) t_.kill(name);
        break;
      case 1:
      case 2:
        if (!lives && !t_.topology.is_away) t_.start(name);
        break;
      case 3:
        t_.topology.is_away = t_.random() % 2 == 0;
        break;
      case 4:
        t_.net.cut(any(), any());
        break;
      case 5:
        t_.net.cut_one_way(any(), any());
        break;
      case 6:
        t_.net.heal();
        break;
      case 7:
        if (lives) t_.members.at(name)->sees->is_away = t_.random() % 2 == 0;
        break;
      case 8:
        if (lives) t_.members.at(name)->sees->set_deaf(t_.random() % 2 == 0);
        break;
      case 9:
        if (lives && t_.members.size() > 2) t_.members.at(name)->agent->start_leaving();
        break;
      case 10:
        wish(name);
        break;
      case 11:
        if (lives) t_.members.at(name)->is_paused = !t_.members.at(name)->is_paused;
        break;
      case 12:
        if (forgets_) t_.topology.forget();
        [[fallthrough]];
      default:
        for (auto& [_, each] : t_.members) t_.append(*each, 1 + t_.random() % ledgers);
    }
  }

  void wish(const std::string& name) {
    auto entry = t_.topology.get(placement_wishes_key);
    if (!entry) return;
    auto wishes = *entry ? *parse_placement_wishes(**entry) : placement_wishes{};
    const slot_id slot{static_cast<std::uint16_t>(t_.random() % slot_count)};
    switch (t_.random() % 5) {
      case 0:
        if (!wishes.draining.erase(name)) wishes.draining = {name};
        break;
      case 1:
        wishes.weights[name] = static_cast<std::uint32_t>(t_.random() % 4);
        break;
      case 2:
        wishes.pins = {{slot.value, name}};
        break;
      case 3:
        wishes.balances = !wishes.balances;
        break;
      default: {
        const auto table = t_.table();
        wishes.change = {wishes.change.id + 1, table.version(), "a change", {}};
        for (std::uint16_t each = slot.value; each < slot_count && wishes.change.moves.size() < 400; ++each)
          wishes.change.moves.push_back(
              {{each}, table.owner_of({each}).node, {static_cast<std::uint16_t>(1 + t_.random() % 4)}});
      }
    }
    (void)t_.topology.put(placement_wishes_key, to_json(wishes), wishes.version);  // somebody else may have been first
  }

  void pass(duration time) {
    for (duration passed{}; passed < time; passed += 10ms) {
      t_.pass(10ms);
      check();
    }
    bury();
  }
  void check() {
    if (!forgets_) safety_.check(t_);
  }
  /// What their processes do with those that are no members any more, and those that have left.
  void bury() {
    for (const auto& name : names) {
      if (!t_.members.contains(name)) continue;
      auto& each = *t_.members.at(name);
      const bool is_expelled = each.expelled.has_value();
      if (!is_expelled && !each.agent->has_left()) continue;
      t_.end(name);
      if (is_expelled && !t_.topology.is_away) t_.start(name);
    }
  }
  void heal() {
    t_.topology.is_away = false;
    t_.net.heal();
    for (auto& [name, each] : t_.members) {
      each->sees->is_away = false;
      each->sees->set_deaf(false);
      each->is_paused = false;
    }
    auto entry = t_.topology.get(placement_wishes_key);
    if (*entry) REQUIRE(t_.topology.put(placement_wishes_key, to_json(placement_wishes{}), (*entry)->version).ok());
    for (int i = 0; i < 30; ++i) pass(500ms);
    for (const auto& name : names)  // somebody starts what has left, or was killed
      if (!t_.members.contains(name)) t_.start(name);
  }

  const bool forgets_;
  const std::vector<std::string> names{"n1", "n2", "n3", "n4"};
  town t_;
  safety safety_;
};

TEST_CASE("whatever happens: one owner for each slot and epoch, nothing acknowledged is lost, and it settles") {
  for (const auto seed : sim_seeds(10, 2)) {
    CAPTURE(seed);
    random_life(seed).run();
  }
}

TEST_CASE("whatever happens, and the topology forgets: an epoch is one node's, nothing is lost, and it settles") {
  for (const auto seed : sim_seeds(10, 2)) {
    CAPTURE(seed);
    random_life(seed, true).run();
  }
}

}  // namespace
}  // namespace throng::test
