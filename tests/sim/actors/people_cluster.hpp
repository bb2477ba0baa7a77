// SPDX-License-Identifier: Apache-2.0
// PEOPLE CLUSTER: several nodes with all kinds of entities as they are, around one store, in one thread on one virtual
// clock. A node dies as its process does: at once and without a word; the others hear of it when the test says so.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "actors/channel/channel.hpp"
#include "actors/presence/presence.hpp"
#include "actors/repeatable.hpp"
#include "actors/session/session.hpp"
#include "actors/user/user.hpp"
#include "actors/workspace/workspace.hpp"
#include "cluster/coordinator/slot_planner.hpp"
#include "tests/support/sim_network.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

class people_cluster {
 public:
  struct member {
    node_identity who;
    std::unique_ptr<links> between;
    std::unique_ptr<manual_commit_queue> commits;
    std::unique_ptr<manual_reader_pool> readers;
    std::unique_ptr<node> runs;  // null: dead
    std::vector<publication_ptr> published;
    std::vector<entity_key> renewed;
    std::vector<slot_id> moved;
    bool holds_commits = false;
    bool holds_reads = false;
  };

  explicit people_cluster(std::uint16_t count, duration detach_wait = {}, unsigned seed = 1)
      : detach_wait_(detach_wait), random_(seed), net_(random_) {
    auto opened = open_sqlite_store((folder_.path() / "throng.db").string(), {});
    if (!opened) throw std::runtime_error(opened.failure().detail);
    rows_ = std::move(*opened);
    std::vector<node_share> shares;
    for (std::uint16_t i = 1; i <= count; ++i) shares.push_back({node_index{i}, 1});
    table_ = slot_table{}.after(plan_placement({}, {.nodes = shares, .loads = {}, .pins = {}}).moves);
    for (std::uint16_t i = 1; i <= count; ++i) start(node_index{i});
    tell_all();
    advance(std::chrono::seconds(20));  // buckets that come up later have nobody to wait for
  }
  ~people_cluster() {
    for (auto& each : members_)
      if (each->runs) end(*each);
  }

  member& at(std::uint16_t number) { return *members_.at(number - 1u); }
  region& door(std::uint16_t number) { return at(number).runs->door(); }
  std::uint16_t owner_of(entity_key key) const { return table_.owner_of(slot_of(key)).node.value; }
  /// The first id from `first` on whose entity is on that node.
  template <class Id>
  Id id_on(std::uint16_t number, std::uint64_t first = 1) const {
    while (owner_of(key_of(Id{first})) != number) ++first;
    return {first};
  }

  /// As kill −9. The others know nothing yet.
  void kill(std::uint16_t number) {
    net_.kill(node_index{number});
    end(at(number));
  }
  /// The others hear that it is gone; who has its slots now is another piece of news.
  void declare_dead() { tell_all(); }
  void replace_dead() {
    std::vector<node_share> shares;
    for (const auto& each : members_)
      if (each->runs) shares.push_back({each->who.node, 1});
    table_ = table_.after(
        plan_placement(table_, {.nodes = shares, .loads = {}, .pins = {}, .balancing_moves_max = 0}).moves);
    tell_all();
  }
  void kill_and_replace(std::uint16_t number) {
    kill(number);
    declare_dead();
    settle();
    replace_dead();
    settle();
  }

  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& each : members_) {
        if (!each->runs) continue;
        moved |= each->runs->run() > 0;
        while (!each->holds_commits && each->commits->pump() > 0) moved = true;
        while (!each->holds_reads && each->readers->pump()) moved = true;
      }
      while (jobs_->run()) moved = true;
      while (net_.deliver_one()) moved = true;
    }
  }
  void advance(duration by) {
    settle();
    for (duration passed{}; passed < by; passed += std::chrono::milliseconds(100)) {
      clock_.advance(std::chrono::milliseconds(100));
      for (auto& each : members_)
        if (each->runs) each->runs->tick();
      settle();
    }
  }

  /// As sim_node::ask_later: from outside the entities, on node `number`.
  template <class Request>
  void ask_later(std::uint16_t number, entity_key to, Request request,
                 result<std::shared_ptr<const reply_of_t<Request>>>* into,
                 duration timeout = std::chrono::seconds(20)) {
    throng::spawn(keep(number, to, std::move(request), timeout, into));
  }
  template <class Request>
  result<std::shared_ptr<const reply_of_t<Request>>> ask(std::uint16_t number, entity_key to, Request request) {
    result<std::shared_ptr<const reply_of_t<Request>>> answer{error{errc::internal_error, "not answered"}};
    ask_later(number, to, std::move(request), &answer);
    settle();
    return answer;
  }
  template <class Request>
  reply_of_t<Request> must(std::uint16_t number, entity_key to, Request request) {
    auto answer = ask(number, to, std::move(request));
    if (!answer) throw std::runtime_error(std::string(to_string(answer.code())) + " " + answer.failure().detail);
    return **answer;
  }
  void subscribe(std::uint16_t number, entity_key stream) {
    door(number).subscribe(stream, [](result<>) {});
    settle();
  }

  virtual_time& clock() { return clock_; }
  sim_network& net() { return net_; }

 private:
  template <class Request>
  task<void> keep(std::uint16_t number, entity_key to, Request request, duration timeout,
                  result<std::shared_ptr<const reply_of_t<Request>>>* into) {
    *into = co_await door(number).ask(jobs_, to, std::move(request), timeout);
  }

  void start(node_index index) {
    auto made = std::make_unique<member>();
    auto& self = *made;
    self.who.node = index;
    self.who.incarnation = 1;
    self.who.name = "n" + std::to_string(index.value);
    self.between = net_.make_links(index, 1);
    self.commits = make_manual_commit_queue(*rows_, {});
    self.readers = make_manual_reader_pool(*rows_, 10'000);
    node::parts parts{index, {}, nullptr, clock_, *self.commits, *self.readers, true};
    parts.between = self.between.get();
    parts.may_repeat = &is_repeatable;
    parts.raise_fences = [this, index](const std::vector<fence>& wanted, auto done) {
      fence_outcomes outcomes;
      for (const auto& each : wanted) outcomes.emplace_back(each, rows_->raise_fence(each, {index.value}));
      done(std::move(outcomes));
    };
    self.runs = node::start(std::move(parts), kinds(index));
    auto& door = self.runs->door();
    door.on_publication([&self](const publication_ptr& event) { self.published.push_back(event); });
    door.on_renewal([&self](entity_key stream) { self.renewed.push_back(stream); });
    door.on_moved([&self](const std::vector<slot_id>& slots) { self.moved = slots; });
    members_.push_back(std::move(made));
  }
  node::kinds kinds(node_index index) {
    workspace_options workspace;
    workspace.ids = std::make_shared<id_generator>(index, clock_, index.value);
    session_options session;
    session.detach_wait = detach_wait_;
    session.random_bytes = [this](std::span<std::uint8_t> bytes) {
      for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    };
    return {{entity_kind::channel, make_channel_factory({})},
            {entity_kind::workspace, make_workspace_factory(workspace)},
            {entity_kind::user, make_user_factory({})},
            {entity_kind::session, make_session_factory(session)},
            {entity_kind::presence, make_presence_factory({})}};
  }

  void tell_all() {
    std::vector<node_identity> living;
    for (const auto& each : members_)
      if (each->runs) living.push_back(each->who);
    for (auto& each : members_) {
      if (!each->runs) continue;
      auto others = living;
      std::erase_if(others, [&](const auto& other) { return other.node == each->who.node; });
      each->between->set_peers(others);
      each->runs->apply(table_, living);
    }
  }
  void end(member& self) {
    self.runs->stop();
    self.runs.reset();
    while (jobs_->run()) {
    }
    self.between.reset();
  }

  const duration detach_wait_;
  std::mt19937 random_;
  temporary_folder folder_;
  virtual_time clock_;
  sim_network net_;
  std::unique_ptr<store> rows_;
  std::shared_ptr<job_list> jobs_ = std::make_shared<job_list>();
  slot_table table_;
  std::vector<std::unique_ptr<member>> members_;
};

}  // namespace throng::test
