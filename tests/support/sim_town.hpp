// SPDX-License-Identifier: Apache-2.0
// SIM TOWN: a cluster of whole nodes with their agents, in one thread on a virtual clock: they join, die, are paused,
// cut off and come back, the topology goes away and forgets, and entities are used meanwhile.
#pragma once

#include <map>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "cluster/membership/cluster_agent.hpp"
#include "cluster/membership/node_numbers.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/ledger_entity.hpp"
#include "tests/support/observed_topology.hpp"
#include "tests/support/sim_network.hpp"
#include "tests/support/sim_node.hpp"
#include "tests/support/sim_topology.hpp"

namespace throng::test {

using namespace std::chrono_literals;

inline constexpr std::uint64_t ledgers = 40;

struct member {
  std::string name;
  node_identity who;
  std::unique_ptr<observed_topology> sees;  // its own way to the topology
  std::unique_ptr<links> between;
  std::unique_ptr<manual_commit_queue> commits;
  std::unique_ptr<manual_reader_pool> readers;
  std::unique_ptr<node> runs;
  std::unique_ptr<cluster_agent> agent;
  std::optional<expulsion> expelled;
  std::vector<publication_ptr> published;
  bool is_paused = false;
  bool holds_commits = false;
};

class town {
 public:
  explicit town(unsigned seed, std::size_t members_min = 1)
      : random(seed), net(random), topology(clock), members_min_(members_min) {
    auto opened = open_sqlite_store((folder_.path() / "throng.db").string(), {});
    if (!opened) throw std::runtime_error(opened.failure().detail);
    rows = std::move(*opened);
  }
  ~town() {
    while (!members.empty()) end(members.begin()->first);
  }

  member& start(const std::string& name) {
    auto made = std::make_unique<member>();
    auto& self = *made;
    self.name = name;
    auto number = begin_start(topology, name, clock.wall());
    REQUIRE(number.ok());
    self.who = {number->node, number->incarnation, name, "127.0.0.1:1", "127.0.0.1:2", "http://127.0.0.1:3"};
    self.sees = std::make_unique<observed_topology>(topology);
    self.between = net.make_links(self.who.node, self.who.incarnation);
    self.commits = make_manual_commit_queue(*rows, {});
    self.readers = make_manual_reader_pool(*rows, 10'000);
    node::parts parts{self.who.node, {}, nullptr, clock, *self.commits, *self.readers, true};
    parts.between = self.between.get();
    parts.raise_fences = [this, by = holder_of(self.who)](const std::vector<fence>& wanted, auto done) {
      const bool is_done = rows->raise_fences(wanted, by).ok();
      fence_outcomes outcomes;
      for (const auto& each : wanted) {
        outcomes.emplace_back(each, is_done ? result<>(throng::done) : rows->raise_fence(each, by));
        if (outcomes.back().second) note_holder(each, by);
      }
      done(std::move(outcomes));
    };
    parts.on_link_state = [&self](const node_identity& peer, bool is_up) { self.agent->link_changed(peer, is_up); };
    parts.on_peer_gone = [&self](const node_identity& peer) { self.agent->peer_gone(peer); };
    node::kinds kinds;
    kinds.emplace_back(entity_kind::user, [](entity_context& context) { return std::make_unique<ledger>(context); });
    self.runs = node::start(std::move(parts), kinds);
    cluster_agent::options how;
    how.coordination.members_min = members_min_;
    self.runs->door().on_publication([&self](const publication_ptr& event) { self.published.push_back(event); });
    if (tune) tune(how);
    self.agent = std::make_unique<cluster_agent>(
        cluster_agent::parts{self.who, *self.sees, *self.between, *self.runs, clock, [this] { return rows->fences(); },
                             [&self](expulsion why) { self.expelled = why; }, [this] { return restore_others(); }},
        how);
    self.agent->start_simulated();
    members[name] = std::move(made);
    return self;
  }
  /// As its process would, in an orderly way.
  void end(const std::string& name) {
    auto found = members.find(name);
    auto& self = *found->second;
    self.agent->stop();
    net.kill(self.who.node, self.who.incarnation);
    self.runs->stop();
    self.agent.reset();
    self.runs.reset();
    self.between.reset();
    members.erase(found);
    while (jobs->run()) {
    }
  }
  /// kill −9.
  void kill(const std::string& name) {
    topology.abandons = true;
    end(name);
    topology.abandons = false;
  }

  void pass(duration time) {
    for (duration passed{}; passed < time; passed += 10ms) {
      clock.advance(10ms);
      topology.deliver();
      net.refresh();
      const bool is_tick = ++rounds_ % 10 == 0;
      for (auto& [name, each] : members) {
        if (each->is_paused) continue;
        each->agent->step();
        if (is_tick) each->runs->tick();
      }
      for (int i = 0; i < 4; ++i) {
        for (auto& [name, each] : members)
          if (!each->is_paused) work(*each);
        for (int n = 0; n < 100 && net.deliver_one(); ++n) {
        }
      }
    }
  }
  void work(member& self) {
    self.runs->run();
    while (!self.holds_commits && self.commits->pump() > 0) {
    }
    while (self.readers->pump()) {
    }
    while (jobs->run()) {
    }
  }
  /// The smallest thing that can happen, by chance: one parcel arrives, or one node does one kind of work.
  void nudge() {
    if (members.empty() || (random() % 2 == 0 && net.deliver_one())) return;
    auto at = members.begin();
    std::advance(at, random() % members.size());
    auto& self = *at->second;
    if (self.is_paused) return;
    switch (random() % 5) {
      case 0:
        self.agent->step();
        break;
      case 1:
        if (!self.holds_commits) self.commits->pump();
        break;
      case 2:
        self.readers->pump();
        break;
      default:
        self.runs->run();
    }
    jobs->run();
  }
  /// Until all that live follow one table, nothing moves, and each has its share.
  bool settles(duration within) {
    for (duration passed{}; passed < within; passed += 50ms) {
      pass(50ms);
      if (is_settled()) return true;
    }
    return false;
  }
  bool is_settled() {
    std::size_t open = 0;
    for (auto& [name, each] : members) {
      const auto placed = each->runs->placed();
      open += placed.open_slots;
      if (placed.table_version != version() || placed.moving_slots > 0) return false;
      if (each->agent->look()->facts.members.size() != members.size()) return false;
    }
    return open == slot_count;
  }
  /// As a coordinator would.
  void move(slot_id slot, const std::string& to) {
    auto entry = topology.get(slot_table_key);
    REQUIRE((entry.ok() && *entry));
    auto before = slot_table::decode((*entry)->value);
    REQUIRE(before.ok());
    const auto from = before->owner_of(slot).node;
    const auto next = before->after(std::vector<slot_move>{{slot, from, members.at(to)->who.node}});
    REQUIRE(topology.put(slot_table_key, next.encode(), (*entry)->version).ok());
  }
  std::uint64_t version() { return table().version(); }
  slot_table table() {
    slot_table newest;
    for (auto& [name, each] : members)
      if (const auto& known = each->agent->look()->facts.table; known && known->version() > newest.version())
        newest = *known;
    return newest;
  }
  std::string owner_of(slot_id slot) {
    const auto owner = table().owner_of(slot).node;
    for (auto& [name, each] : members)
      if (each->who.node == owner) return name;
    return {};
  }
  std::size_t slots_of(const std::string& name) { return table().owned_by(members.at(name)->who.node); }
  std::string leader() {
    for (auto& [name, each] : members)
      if (each->agent->look()->is_leader) return name;
    return {};
  }

  /// Every living node appends to every ledger; how many were answered well in time.
  int append_everywhere(duration patience = 2s) {
    const auto before = acknowledged_count;
    for (auto& [name, each] : members)
      for (std::uint64_t id = 1; id <= ledgers; ++id) append(*each, id);
    pass(patience);
    return acknowledged_count - before;
  }
  void append(member& at, std::uint64_t id) {
    BytesValue request;
    request.set_value(std::to_string(++asked));
    senders[asked] = at.name + "#" + std::to_string(at.who.incarnation);
    throng::spawn(keep(at, id, asked, std::move(request)));
  }
  task<void> keep(member& at, std::uint64_t id, int number, BytesValue request) {
    auto answer = co_await at.runs->door().ask(jobs, ledger_key(id), std::move(request), 5s);
    ++answered;
    if (!answer) {
      ++refusals[std::string(to_string(answer.code()))];
      co_return;
    }
    acknowledged[id][(*answer)->value()] = number;
    ++acknowledged_count;
  }
  static fence_holder holder_of(const node_identity& who) { return {who.incarnation << 10 | who.node.value}; }
  /// An epoch of a slot is one node's.
  void note_holder(fence taken, fence_holder by) {
    const auto [known, is_first] = holders_.try_emplace({taken.slot, taken.epoch}, by);
    const bool is_only_one = is_first || known->second == by;
    if (!is_only_one) CHECK(is_only_one);
  }
  /// The slot table, which comes last, says that all is there again.
  result<> restore_others() {
    ++restored;
    if (restored == 1) return errc::service_unavailable;
    return done;
  }
  /// What was acknowledged is stored, once, at its position, no position is left out, and what a node has sent is
  /// stored in the order in which it sent it.
  void check_safety() {
    if (!reader_) reader_ = rows->make_reader();
    for (std::uint64_t id = 1; id <= ledgers; ++id) {
      auto events = reader_->events_after(ledger_key(id), 0, 100'000);
      REQUIRE(events.ok());
      std::map<seq_t, int> kept;
      std::set<int> once;
      seq_t next = 1;
      for (const auto& each : *events) {
        const bool is_dense = each.seq == next++;
        if (!is_dense) CHECK(is_dense);  // thousands of times in each test
        kept[each.seq] = std::stoi(each.data);
        const bool is_once = once.insert(kept[each.seq]).second;
        if (!is_once) CHECK(is_once);
      }
      std::map<std::string, int> last;
      for (const auto& [seq, number] : kept) {
        const bool is_in_order = number > last[senders[number]];
        if (!is_in_order) CHECK(is_in_order);
        last[senders[number]] = number;
      }
      for (const auto& [seq, number] : acknowledged[id]) {
        const auto found = kept.find(seq);
        const bool is_kept = found != kept.end() && found->second == number;
        if (!is_kept) REQUIRE(is_kept);
      }
    }
  }

  /// Changes the options of agents that start.
  std::function<void(cluster_agent::options&)> tune;
  std::mt19937 random;
  temporary_folder folder_;
  virtual_time clock;
  sim_network net;
  sim_topology topology;
  std::unique_ptr<store> rows;
  std::shared_ptr<job_list> jobs = std::make_shared<job_list>();
  std::map<std::string, std::unique_ptr<member>> members;
  int asked = 0, answered = 0, acknowledged_count = 0, restored = 0;
  std::map<int, std::string> senders;  // of appends, by their numbers, which rise
  std::map<std::string, int> refusals;
  std::map<std::uint64_t, std::map<seq_t, int>> acknowledged;

 private:
  const std::size_t members_min_;
  std::map<std::pair<slot_id, epoch_t>, fence_holder> holders_;
  std::unique_ptr<store_reader> reader_;
  int rounds_ = 0;
};

inline int all_of(const town& t) { return static_cast<int>(t.members.size() * ledgers); }

}  // namespace throng::test
