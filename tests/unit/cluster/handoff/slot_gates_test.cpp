// SPDX-License-Identifier: Apache-2.0
// The gates of several nodes against each other, over links that keep their order and nothing else: tables, items,
// barriers and releases arrive at each node when the seed says so.
#include "cluster/handoff/slot_gates.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

struct numbered_item final : slot_item {
  std::size_t bytes() const override { return 10; }
  std::uint16_t sender = 0;
  int number = 0;
};

constexpr std::uint16_t slots_used = 3;

struct world {
  struct peer {
    explicit peer(node_index self) : index(self), gates(self, {}) {}
    node_index index;
    slot_gates gates;
    bool is_dead = false;
    std::uint64_t seen = 0;                                       // tables
    std::vector<node_index> alive;                                // as it was told
    std::map<std::uint16_t, std::vector<numbered_item>> mailbox;  // of the SLOTs, before they handle it
    std::map<std::uint16_t, int> memory;      // how many items were handled in a slot, ever, as its SLOT here knows
    std::deque<std::function<void()>> later;  // what its store and its SLOTs will say
    std::array<int, slots_used> next_number{};
  };

  world(unsigned seed, std::uint16_t count) : random(seed) {
    for (std::uint16_t i = 1; i <= count; ++i) peers.push_back(std::make_unique<peer>(node_index{i}));
    std::vector<slot_move> first;
    for (std::uint16_t slot = 0; slot < slots_used; ++slot) first.push_back({{slot}, {}, pick().index});
    tables.push_back(slot_table{}.after(first));
    living = all_living();
    for (auto& each : peers) each->alive = living;
  }

  peer& at(node_index node) { return *peers[node.value - 1u]; }
  peer& pick() { return *peers[random() % peers.size()]; }
  std::vector<node_index> all_living() const {
    std::vector<node_index> all;
    for (const auto& each : peers)
      if (!each->is_dead) all.push_back(each->index);
    return all;
  }

  void carry_out(peer& self, slot_gates::steps todo) {
    for (auto& each : todo) std::visit([&](auto& step) { carry_out(self, step); }, each);
  }
  void carry_out(peer& self, slot_gates::deliver& step) {
    REQUIRE(self.gates.epoch_of(step.slot) > 0);
    self.mailbox[step.slot.value].push_back(static_cast<numbered_item&>(*step.item));
  }
  void carry_out(peer& self, slot_gates::send& step) {
    auto item = std::shared_ptr<slot_item>(std::move(step.item));
    post(self, step.to, [this, item, slot = step.slot, from = self.index](peer& there) {
      auto copy = std::make_unique<numbered_item>(static_cast<numbered_item&>(*item));
      slot_gates::steps todo;
      copy->came_from = from;
      there.gates.pass(slot, std::move(copy), todo);
      carry_out(there, std::move(todo));
    });
  }
  void carry_out(peer&, slot_gates::refuse& step) {
    ++refused;
    last_refusal = step.why.detail;
  }
  void carry_out(peer& self, slot_gates::send_barrier& step) {
    post(self, step.to, [this, step, from = self.index](peer& there) {
      slot_gates::steps todo;
      there.gates.pass_barrier_of(step.origin, from, step.slot, step.barrier, step.table_version, step.hops, todo);
      carry_out(there, std::move(todo));
    });
  }
  void carry_out(peer& self, slot_gates::pass_barrier& step) {
    post(self, step.origin, [this, step, by = self.index](peer& there) {
      slot_gates::steps todo;
      there.gates.barrier_passed(by, step.slot, step.barrier, todo);
      carry_out(there, std::move(todo));
    });
  }
  void carry_out(peer& self, slot_gates::drain& step) {
    self.later.push_back([this, &self, slot = step.slot] {
      handle_some(self, slot);
      running.erase({slot.value, self.index});
      std::vector<std::unique_ptr<slot_item>> unread;
      for (const auto& item : std::exchange(self.mailbox[slot.value], {})) {
        unread.push_back(std::make_unique<numbered_item>(item));
        unread.back()->hops = 0;
      }
      std::vector<entity_handover> handed;
      if (auto memory = self.memory.extract(slot.value); !memory.empty())
        handed.push_back({{}, std::to_string(memory.mapped()), {}, false, {}});
      slot_gates::steps todo;
      self.gates.drained(slot, std::move(unread), std::move(handed), todo);
      carry_out(self, std::move(todo));
    });
  }
  void carry_out(peer& self, slot_gates::ask_release& step) {
    post(self, step.from, [this, step, by = self.index](peer& there) {
      slot_gates::steps todo;
      there.gates.release_asked(by, step.slot, step.table_version, todo);
      carry_out(there, std::move(todo));
    });
  }
  void carry_out(peer& self, slot_gates::tell_released& step) {
    post(self, step.to, [this, step, by = self.index](peer& there) {
      slot_gates::steps todo;
      there.gates.released(by, step.slot, todo);
      carry_out(there, std::move(todo));
    });
  }
  void carry_out(peer& self, slot_gates::hand_over& step) {
    post(self, step.to,
         [this, step, by = self.index](peer& there) { there.gates.handed_over(by, step.slot, step.entities); });
  }
  void carry_out(peer& self, slot_gates::take_over& step) {
    REQUIRE(step.entities.size() == 1);
    REQUIRE(self.mailbox[step.slot.value].empty());
    const auto memory = std::stoi(step.entities.front().state);
    if (memory == handled_of[step.slot.value])
      ++taken_over;
    else
      ++stale;
    self.memory[step.slot.value] = memory;
  }
  void carry_out(peer& self, slot_gates::raise_fence& step) {
    self.later.push_back([this, &self, step] {
      auto& fence = fences[step.slot.value];
      slot_gates::steps todo;
      if (step.epoch < fence) {
        self.gates.fence_refused(step.slot, step.epoch);
      } else {
        fence = step.epoch;
        for (const auto& [slot, node] : running)
          if (slot == step.slot.value && has_no_deaths) FAIL("two nodes have the slot");
        running.insert({step.slot.value, self.index});
        self.gates.opened(step.slot, step.epoch, todo);
        if (!self.gates.is_open(step.slot)) running.erase({step.slot.value, self.index});
      }
      carry_out(self, std::move(todo));
    });
  }

  void post(peer& from, node_index to, std::function<void(peer&)> parcel) {
    if (at(to).is_dead) return;
    links[{from.index, to}].push_back(std::move(parcel));
  }

  /// The SLOT handles what it has; the store refuses what an owner of old still writes.
  void handle_mailbox(peer& self, slot_id slot) { handle(self, slot, std::exchange(self.mailbox[slot.value], {})); }
  /// As many as it gets to before it is told to stop.
  void handle_some(peer& self, slot_id slot) {
    auto& mailbox = self.mailbox[slot.value];
    const auto middle = mailbox.begin() + static_cast<std::ptrdiff_t>(random() % (mailbox.size() + 1));
    std::vector<numbered_item> begun(mailbox.begin(), middle);
    mailbox.erase(mailbox.begin(), middle);
    handle(self, slot, begun);
  }
  void handle(peer& self, slot_id slot, const std::vector<numbered_item>& items) {
    for (const auto& item : items) {
      if (self.gates.epoch_of(slot) < fences[slot.value] && !running.contains({slot.value, self.index})) continue;
      auto& last = handled[{slot.value, item.sender}];
      if (has_no_deaths)
        REQUIRE(item.number == last + 1);
      else if (keeps_order)
        REQUIRE(item.number > last);
      last = item.number;
      ++handled_count;
      self.memory[slot.value] = ++handled_of[slot.value];
    }
  }

  void send(peer& self, slot_id slot) {
    auto item = std::make_unique<numbered_item>();
    item->sender = self.index.value;
    item->came_from = item->origin = self.index;
    item->number = ++self.next_number[slot.value];
    item->table_version = self.gates.table_version();
    slot_gates::steps todo;
    self.gates.pass(slot, std::move(item), todo);
    ++sent;
    carry_out(self, std::move(todo));
  }
  /// What its store or one of its SLOTs says next.
  void do_later(peer& self) {
    if (self.later.empty()) return;
    auto job = std::move(self.later.front());
    self.later.pop_front();
    job();
  }

  void step() {
    auto& self = pick();
    if (self.is_dead) return;
    slot_gates::steps todo;
    const slot_id slot{static_cast<std::uint16_t>(random() % slots_used)};
    switch (is_quiet ? 3 + random() % 7 : random() % 10) {
      case 0:
      case 1:
      case 2:
        return send(self, slot);
      case 3:
      case 4:
      case 5: {
        receive(self, pick().index);
        break;
      }
      case 6:
        return do_later(self);
      case 7:
        handle_mailbox(self, slot);
        break;
      case 8:
        learn(self,
              tables[self.seen == tables.size() ? self.seen - 1 : self.seen + random() % (tables.size() - self.seen)]);
        return;
      case 9:
        break;
    }
    carry_out(self, std::move(todo));
  }

  /// One parcel, if there is one; a node that is known to be dead isn't heard any more.
  bool receive(peer& self, node_index from) {
    auto& link = links[{from, self.index}];
    if (std::ranges::find(self.alive, from) == self.alive.end()) link.clear();
    if (link.empty()) return false;
    auto parcel = std::move(link.front());
    link.pop_front();
    parcel(self);
    return true;
  }

  void learn(peer& self, const slot_table& table) {
    self.alive = living;
    self.seen = std::max<std::uint64_t>(self.seen, table.version());
    slot_gates::steps todo;
    self.gates.apply(table, living, todo, now);
    carry_out(self, std::move(todo));
  }

  /// As the coordinator must: only when every living node has settled on the last one.
  bool is_settled() const {
    if (std::ranges::any_of(links, [](const auto& each) { return !each.second.empty(); })) return false;
    return std::ranges::all_of(peers, [this](const auto& each) {
      if (each->is_dead) return true;
      if (!each->later.empty() || each->seen != tables.size()) return false;
      for (std::uint16_t slot = 0; slot < slots_used; ++slot)
        if (tables.back().owner_of({slot}).node == each->index && !each->gates.is_open({slot})) return false;
      return true;
    });
  }
  void move_something(bool only_from_the_dead = false) {
    std::vector<slot_move> moves;
    for (std::uint16_t slot = 0; slot < slots_used; ++slot) {
      const auto to = living[random() % living.size()];
      const auto from = tables.back().owner_of({slot}).node;
      if (to != from && (at(from).is_dead || (!only_from_the_dead && random() % 2)))
        moves.push_back({{slot}, from, to});
    }
    tables.push_back(tables.back().after(moves));
  }
  void move(slot_id slot, node_index to) {
    tables.push_back(tables.back().after(std::vector<slot_move>{{slot, tables.back().owner_of(slot).node, to}}));
  }
  void kill_somebody() {
    if (living.size() < 2) return;
    auto& victim = at(living[random() % living.size()]);
    has_no_deaths = false;
    victim.is_dead = true;
    for (auto& [ends, parcels] : links)
      if (ends.second == victim.index) parcels.clear();
    std::erase_if(running, [&](const auto& each) { return each.second == victim.index; });
    living = all_living();
    move_something(true);
  }
  void settle(int rounds = 400) {
    for (int round = 0; round < rounds; ++round) {
      for (auto& each : peers) {
        if (each->is_dead) continue;
        learn(*each, tables.back());
        slot_gates::steps todo;
        each->gates.tick(now += 10ms, todo);
        carry_out(*each, std::move(todo));
        while (!each->later.empty()) do_later(*each);
        for (auto& other : peers)
          while (receive(*each, other->index)) {
          }
      }
    }
    for (auto& each : peers)
      for (std::uint16_t slot = 0; slot < slots_used; ++slot)
        if (!each->is_dead) handle_mailbox(*each, {slot});
  }
  void check_settled() {
    for (auto& each : peers) {
      if (each->is_dead) continue;
      CHECK(each->gates.held_items() == 0);
      for (std::uint16_t slot = 0; slot < slots_used; ++slot) {
        const auto owner = tables.back().owner_of({slot}).node;
        CHECK(each->gates.is_open({slot}) == (owner == each->index));
        CHECK(each->gates.lane_of({slot}) == owner);
      }
    }
    CHECK(refused == 0);
  }

  std::mt19937 random;
  std::vector<std::unique_ptr<peer>> peers;
  std::vector<slot_table> tables;
  std::vector<node_index> living;
  std::map<std::pair<node_index, node_index>, std::deque<std::function<void(peer&)>>> links;
  std::map<std::uint16_t, epoch_t> fences;
  std::set<std::pair<std::uint16_t, node_index>> running;  // which SLOTs run where
  std::map<std::pair<std::uint16_t, std::uint16_t>, int> handled;
  std::map<std::uint16_t, int> handled_of;  // by slot
  int taken_over = 0, stale = 0;
  steady_time now{};
  bool has_no_deaths = true, keeps_order = true;
  bool is_quiet = false;  // nobody sends
  int sent = 0, handled_count = 0, refused = 0;
  std::string last_refusal;
};

TEST_CASE(
    "slots move back and forth under fire: each item arrives once, in its sender's order, and one node runs a slot, "
    "with "
    "what the others handed over") {
  int taken_over = 0;
  for (unsigned seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    world w(seed, 2 + seed % 4);
    for (int i = 0; i < 3000; ++i) {
      w.is_quiet = i % 200 >= 80;
      w.step();
      if (i % 10 == 0 && w.is_settled()) w.move_something();
    }
    w.settle();
    w.check_settled();
    REQUIRE(w.handled_count == w.sent);
    REQUIRE(w.stale == 0);
    for (const auto& [slot, count] : w.handled_of) {
      const auto& owner = w.at(w.tables.back().owner_of({slot}).node);
      REQUIRE(owner.memory.contains(slot));
      REQUIRE(owner.memory.at(slot) == count);
    }
    taken_over += w.taken_over;
  }
  CHECK(taken_over > 150);
}

TEST_CASE("tables that change faster than they are followed may cost the order, but nothing gets stuck") {
  for (unsigned seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    world w(seed, 2 + seed % 3);
    w.has_no_deaths = w.keeps_order = false;  // the COORDINATOR doesn't do this to living nodes
    for (int i = 0; i < 2000; ++i) {
      w.step();
      if (i % 97 == 0) w.move_something();
    }
    w.settle();
    for (const auto& each : w.peers) CHECK(each->gates.moving_count() == 0);
    CHECK(w.stale == 0);
  }
}

TEST_CASE("two nodes whose lanes lead to each other give back what came from each other, and nobody waits") {
  world w(1, 3);
  auto &one = w.at({1}), &two = w.at({2}), &three = w.at({3});
  const auto sends = [&](world::peer& from) {
    for (int i = 0; i < 2; ++i) w.send(from, {0});
  };
  if (w.tables.back().owner_of({0}).node != two.index) w.move({0}, two.index);
  w.settle();
  sends(one);  // to the second
  sends(three);
  w.move({0}, one.index);
  w.learn(two, w.tables.back());  // and nobody else
  while (!two.later.empty()) w.do_later(two);
  sends(two);           // to the first
  w.receive(two, {1});  // and so does this, where it was before
  w.receive(two, {3});  // and this, which wasn't
  w.receive(one, {2});  // by a table that it doesn't know
  sends(one);           // so this waits
  w.move({0}, three.index);
  for (auto& each : w.peers) {
    w.learn(*each, w.tables.back());
    sends(*each);
  }
  w.settle(20);  // less than a second
  w.check_settled();
  CHECK(w.handled_count == w.sent);
}

TEST_CASE("a move that nobody has waited for when the next one comes costs neither the order nor time") {
  for (unsigned seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    world w(seed, 3 + seed % 2);
    w.has_no_deaths = false;  // who has missed that it had the slot can't say who runs it still: the fence does
    w.settle(20);
    for (int i = 0; i < 100; ++i) w.step();
    for (int move = 0; move < 2; ++move) {
      w.move_something();
      for (auto i = w.random() % 200; i > 0; --i) w.step();
    }
    w.settle(20);
    w.check_settled();
    REQUIRE(w.handled_count == w.sent);
  }
}

TEST_CASE("nodes die at any moment: what is left settles, in order, nothing twice") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    world w(seed, 3 + seed % 3);
    for (int i = 0; i < 2500; ++i) {
      w.step();
      if (i % 50 == 0 && w.is_settled()) w.move_something();
      if (i == 700 || i == 1700) w.kill_somebody();
    }
    w.settle();
    w.check_settled();
    CHECK(w.handled_count <= w.sent);
    CHECK(w.handled_count > w.sent / 4);
    CHECK(w.stale == 0);
  }
}

TEST_CASE("what was handed over for an epoch that the store refuses isn't good for the next one") {
  for (const bool comes_late : {false, true}) {
    CAPTURE(comes_late);
    slot_gates gates({1}, {});
    slot_gates::steps todo;
    const std::vector<node_index> alive{{1}, {2}};
    auto table = slot_table{}.after(std::vector<slot_move>{{{0}, {}, {2}}});
    gates.apply(table, alive, todo, steady_time{1s});
    table = table.after(std::vector<slot_move>{{{0}, {2}, {1}}});
    gates.apply(table, alive, todo, steady_time{1s});
    const auto hand_over = [&] {
      std::vector<entity_handover> entities(1);
      entities[0].key = {entity_kind::user, 1};
      entities[0].state = "of yesterday";
      gates.handed_over({2}, {0}, std::move(entities));
    };
    if (!comes_late) hand_over();
    CHECK((gates.handed_bytes() > 0) != comes_late);
    gates.released({2}, {0}, todo);
    REQUIRE(gates.fence_refused({0}, table.owner_of({0}).epoch));
    if (comes_late) hand_over();
    CHECK(gates.handed_bytes() == 0);
    CHECK(gates.take_dropped() == 1);
    table = table.after(std::vector<slot_move>{{{0}, {1}, {1}}});
    todo.clear();
    gates.apply(table, alive, todo, steady_time{2s});
    CHECK(std::ranges::any_of(todo,
                              [](const auto& each) { return std::holds_alternative<slot_gates::raise_fence>(each); }));
    CHECK_FALSE(gates.fence_refused({0}, table.owner_of({0}).epoch - 1));
    gates.opened({0}, table.owner_of({0}).epoch, todo);
    gates.tick(steady_time{3s}, todo);
    for (const auto& each : todo) CHECK_FALSE(std::holds_alternative<slot_gates::take_over>(each));
  }
}

TEST_CASE("what is held is bounded, and refused past that") {
  slot_gates gates({1}, {.held_items_max = 2, .held_bytes_max = 1000});
  slot_gates::steps todo;
  for (int i = 0; i < 3; ++i) gates.pass({0}, std::make_unique<numbered_item>(), todo);
  CHECK(gates.held_items() == 2);
  REQUIRE(todo.size() == 1);
  CHECK(std::get<slot_gates::refuse>(todo[0]).why.code == errc::overloaded);
}

TEST_CASE("a barrier that comes back to who sent it has passed, whoever has the slot by then") {
  slot_gates gates({1}, {});
  slot_gates::steps todo;
  const std::vector<node_index> alive{{1}, {2}, {3}};
  auto table = slot_table{}.after(std::vector<slot_move>{{{0}, {}, {2}}});
  gates.apply(table, alive, todo, steady_time{1s});
  table = table.after(std::vector<slot_move>{{{0}, {2}, {1}}});
  gates.apply(table, alive, todo, steady_time{1s});
  std::optional<slot_gates::send_barrier> sent;
  for (const auto& each : todo)
    if (const auto* barrier = std::get_if<slot_gates::send_barrier>(&each)) sent = *barrier;
  REQUIRE(sent);
  table = table.after(std::vector<slot_move>{{{0}, {1}, {3}}});  // before it has opened here
  gates.apply(table, alive, todo, steady_time{1s});
  gates.pass({0}, std::make_unique<numbered_item>(), todo);
  todo.clear();
  gates.pass_barrier_of({1}, {2}, {0}, sent->barrier, sent->table_version, 2, todo);
  REQUIRE(todo.size() == 1);
  CHECK(std::get<slot_gates::pass_barrier>(todo[0]).origin == node_index{1});
  todo.clear();
  gates.barrier_passed({1}, {0}, sent->barrier, todo);
  CHECK(gates.lane_of({0}) == node_index{3});
  const auto goes =
      std::ranges::find_if(todo, [](const auto& each) { return std::holds_alternative<slot_gates::send>(each); });
  REQUIRE(goes != todo.end());
  CHECK(std::get<slot_gates::send>(*goes).to == node_index{3});
}

TEST_CASE(
    "a slot that goes back before the barrier has passed: nothing waits for that, and the next move has its own") {
  slot_gates gates({1}, {.barrier_wait = 100ms, .lane_wait = 1s});
  slot_gates::steps todo;
  const std::vector<node_index> alive{{1}, {2}, {3}};
  steady_time now{1s};
  auto table = slot_table{}.after(std::vector<slot_move>{{{0}, {}, {2}}});
  gates.apply(table, alive, todo, now);
  table = table.after(std::vector<slot_move>{{{0}, {2}, {3}}});
  gates.apply(table, alive, todo, now);
  CHECK_FALSE(gates.lane_of({0}));
  todo.clear();
  table = table.after(std::vector<slot_move>{{{0}, {3}, {2}}});
  gates.apply(table, alive, todo, now);
  CHECK(gates.lane_of({0}) == node_index{2});
  gates.tick(now += 200ms, todo);
  table = table.after(std::vector<slot_move>{{{0}, {2}, {3}}});
  gates.apply(table, alive, todo, now);
  CHECK_FALSE(gates.lane_of({0}));
  const auto barriers = std::ranges::count_if(
      todo, [](const auto& each) { return std::holds_alternative<slot_gates::send_barrier>(each); });
  CHECK(barriers == 1);
  gates.tick(now += 2s, todo);
  CHECK(gates.lane_of({0}) == node_index{3});
}

TEST_CASE("a barrier that may be lost is sent again, and not waited for for ever") {
  slot_gates gates({1}, {.barrier_wait = 100ms, .lane_wait = 1s});
  slot_gates::steps todo;
  auto table = slot_table{}.after(std::vector<slot_move>{{{0}, {}, {2}}});
  const std::vector<node_index> alive{{1}, {2}, {3}};
  steady_time now{1s};
  gates.apply(table, alive, todo, now);
  CHECK(gates.lane_of({0}) == node_index{2});
  gates.apply(table.after(std::vector<slot_move>{{{0}, {2}, {3}}}), alive, todo, now);
  gates.pass({0}, std::make_unique<numbered_item>(), todo);
  CHECK_FALSE(gates.lane_of({0}));
  REQUIRE(todo.size() == 1);
  const auto first = std::get<slot_gates::send_barrier>(todo[0]);
  CHECK(first.to == node_index{2});
  todo.clear();
  gates.tick(now + 99ms, todo);
  CHECK(todo.empty());
  gates.tick(now + 100ms, todo);
  REQUIRE(todo.size() == 1);
  CHECK(std::get<slot_gates::send_barrier>(todo[0]).to == node_index{2});
  CHECK(std::get<slot_gates::send_barrier>(todo[0]).barrier == first.barrier);
  todo.clear();
  gates.tick(now + 199ms, todo);
  CHECK(todo.empty());
  SUBCASE("it comes out late") { gates.barrier_passed({3}, {0}, first.barrier, todo); }
  SUBCASE("it doesn't come out") {
    gates.tick(now + 999ms, todo);
    REQUIRE(todo.size() == 1);
    CHECK(std::holds_alternative<slot_gates::send_barrier>(todo[0]));
    todo.clear();
    gates.tick(now + 1s, todo);
  }
  REQUIRE(todo.size() == 1);
  CHECK(std::get<slot_gates::send>(todo[0]).to == node_index{3});
}

}  // namespace
}  // namespace throng
