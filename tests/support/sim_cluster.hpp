// SPDX-License-Identifier: Apache-2.0
// SIM CLUSTER: whole nodes around one store, in one thread on a virtual clock, with links that deliver when the test or
// its random numbers say so. The test is the COORDINATOR: it makes the tables, and each node hears of them in learn().
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "cluster/coordinator/slot_planner.hpp"
#include "cluster/link/parcel.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/sim_network.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

class sim_cluster {
 public:
  struct member {
    node_identity who;
    std::unique_ptr<links> between;
    std::unique_ptr<manual_commit_queue> commits;
    std::unique_ptr<manual_reader_pool> readers;
    std::unique_ptr<node> runs;                                    // null: dead
    std::uint64_t seen = 0;                                        // tables
    bool holds_reads = false;                                      // none comes to its store meanwhile
    std::map<entity_key, std::vector<publication_ptr>> published;  // by stream
    std::map<entity_key, int> renewed;
  };

  sim_cluster(unsigned seed, std::uint16_t count, node::kinds placed)
      : random(seed), net(random), kinds_(std::move(placed)) {
    auto opened = open_sqlite_store((folder_.path() / "throng.db").string(), {});
    if (!opened) throw std::runtime_error(opened.failure().detail);
    rows = std::move(*opened);
    std::vector<node_share> shares;
    for (std::uint16_t i = 1; i <= count; ++i) shares.push_back({node_index{i}, 1});
    tables.push_back(slot_table{}.after(plan_placement({}, {.nodes = shares, .loads = {}, .pins = {}}).moves));
    for (std::uint16_t i = 1; i <= count; ++i) start(node_index{i});
    for (auto& each : members) learn(*each);
  }
  ~sim_cluster() {
    for (auto& each : members)
      if (each->runs) end(*each);
  }

  void start(node_index index) {
    auto made = std::make_unique<member>();
    auto& self = *made;
    self.who.node = index;
    self.who.name = "n" + std::to_string(index.value);
    self.between = net.make_links(index);
    self.commits = make_manual_commit_queue(*rows, {});
    self.readers = make_manual_reader_pool(*rows, 10'000);
    node::parts parts{index, {}, nullptr, clock, *self.commits, *self.readers, true};
    parts.between = self.between.get();
    parts.raise_fences = [this, index](const std::vector<fence>& wanted, auto done) {
      raise(index, wanted, std::move(done));
    };
    self.runs = node::start(std::move(parts), kinds_);
    self.runs->door().on_publication(
        [&self](const publication_ptr& event) { self.published[event->stream].push_back(event); });
    self.runs->door().on_renewal([&self](entity_key stream) { ++self.renewed[stream]; });
    members.push_back(std::move(made));
  }

  member& at(node_index node) { return *members[node.value - 1u]; }
  member& owner_of(entity_key key) { return at(tables.back().owner_of(slot_of(key)).node); }
  std::vector<node_identity> living() const {
    std::vector<node_identity> all;
    for (const auto& each : members)
      if (each->runs) all.push_back(each->who);
    return all;
  }
  member& pick() {
    while (true)
      if (auto& each = members[random() % members.size()]; each->runs) return *each;
  }

  // -- tables

  /// The node hears of the newest table and of who lives.
  void learn(member& self) {
    auto others = living();
    std::erase_if(others, [&](const auto& each) { return each.node == self.who.node; });
    self.between->set_peers(others);
    self.seen = tables.size();
    self.runs->apply(tables.back(), living());
  }
  /// The COORDINATOR's rule: a slot moves again only when everybody has settled on its last move.
  bool is_settled() const {
    return std::ranges::all_of(members, [this](const auto& each) {
      return !each->runs || (each->seen == tables.size() && each->runs->placed().moving_slots == 0);
    });
  }
  void move(entity_key key, node_index to) {
    const auto slot = slot_of(key);
    const auto from = tables.back().owner_of(slot).node;
    tables.push_back(tables.back().after(std::vector<slot_move>{{slot, from, to}}));
  }
  void kill(member& victim) {
    net.kill(victim.who.node);
    const auto dead = victim.who.node;
    end(victim);
    std::vector<node_share> shares;
    for (const auto& each : living()) shares.push_back({each.node, 1});
    const auto plan =
        plan_placement(tables.back(), {.nodes = shares, .loads = {}, .pins = {}, .balancing_moves_max = 0});
    for (const auto& each : plan.moves) REQUIRE(each.from == dead);
    tables.push_back(tables.back().after(plan.moves));
  }

  // -- fences: while they are held, their outcomes are not told
  void hold_fences(bool hold) {
    holds_fences_ = hold;
    if (hold) return;
    for (auto& [node, tell] : std::exchange(held_fences_, {}))
      if (at(node).runs) tell();
  }
  std::size_t held_fences() const { return held_fences_.size(); }

  // -- work

  template <class Request, class Done>
  void ask(member& from, entity_key to, Request request, Done done, duration patience = std::chrono::seconds(5)) {
    throng::spawn(keep(from, to, std::move(request), std::move(done), patience));
  }
  void work(member& self) {
    self.runs->run();
    while (self.commits->pump() > 0) {
    }
    while (!self.holds_reads && self.readers->pump()) {
    }
    while (jobs->run()) {
    }
  }
  /// Everybody learns, works and hears, and time passes: 100 ms in four rounds.
  void settle(int rounds = 200) {
    for (int round = 0; round < rounds; ++round) {
      for (auto& each : members) {
        if (!each->runs) continue;
        if (each->seen != tables.size()) learn(*each);
        work(*each);
      }
      for (int i = 0; i < 50 && net.deliver_one(); ++i) {
      }
      if (round % 4 == 0) tick(std::chrono::milliseconds(100));
    }
  }
  void tick(duration passed) {
    clock.advance(passed);
    for (auto& each : members)
      if (each->runs) each->runs->tick();
  }
  void end(member& self) {
    self.runs->stop();
    self.runs.reset();
    while (jobs->run()) {
    }
    self.between.reset();
  }

  std::mt19937 random;
  temporary_folder folder_;
  virtual_time clock;
  sim_network net;
  std::unique_ptr<store> rows;
  std::shared_ptr<job_list> jobs = std::make_shared<job_list>();
  std::vector<std::unique_ptr<member>> members;
  std::vector<slot_table> tables;

 private:
  template <class Request, class Done>
  task<void> keep(member& from, entity_key to, Request request, Done done, duration patience) {
    auto answer = co_await from.runs->door().ask(jobs, to, std::move(request), patience);
    done(answer);
  }
  void raise(node_index node, const std::vector<fence>& wanted, std::function<void(fence_outcomes)> done) {
    const bool is_done = rows->raise_fences(wanted, {node.value}).ok();
    fence_outcomes outcomes;
    for (const auto& each : wanted)
      outcomes.emplace_back(each, is_done ? result<>(throng::done) : rows->raise_fence(each, {node.value}));
    if (holds_fences_)
      held_fences_.emplace_back(node, [done, outcomes] { done(outcomes); });
    else
      done(std::move(outcomes));
  }

  node::kinds kinds_;
  bool holds_fences_ = false;
  std::vector<std::pair<node_index, std::function<void()>>> held_fences_;
};

}  // namespace throng::test
