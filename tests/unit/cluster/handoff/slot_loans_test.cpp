// SPDX-License-Identifier: Apache-2.0
// The lender of one entity against the nodes that borrow it, over links that keep their order and nothing else; what
// happens when, the seed says. Each piece of mail is handled once, in order, by the one node that may.
#include "cluster/handoff/slot_loans.hpp"

#include <deque>
#include <functional>
#include <random>
#include <set>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr entity_key lent{entity_kind::channel, 1};
constexpr entity_key other{entity_kind::channel, 2};
constexpr node_index near{2}, far{3};

slot_mail mail(std::uint64_t number, entity_key to = lent) {
  auto made = std::make_shared<envelope>();
  made->to = to;
  made->sequence = number;
  return std::shared_ptr<const envelope>(std::move(made));
}
std::uint64_t number_of(const slot_mail& what) { return std::get<std::shared_ptr<const envelope>>(what)->sequence; }

/// One slot's owner, two nodes to lend to, and what is on its way between them.
struct world {
  using parcel = std::function<void()>;
  struct guest {
    std::deque<slot_mail> mailbox;
    std::uint64_t epoch = 0;  // 0: it isn't here
    bool is_ending = false;
  };

  explicit world(unsigned seed) : random(seed) {}

  // -- the owner
  void change(std::function<void(slot_loans::steps&)> what) {
    slot_loans::steps todo;
    what(todo);
    carry_out(std::move(todo));
  }
  void carry_out(slot_loans::steps todo) {
    for (auto& each : todo) std::visit([this](auto& step) { carry_out(step); }, each);
  }
  void carry_out(slot_loans::take_out& step) {
    REQUIRE(step.key == lent);
    is_ending = true;
  }
  void carry_out(slot_loans::lend& step) {
    REQUIRE(!runs_at_home);
    if (random() % 5 == 0) return change([&](auto& todo) { loans.not_lent(lent, step.state, todo, now); });
    ++lends;
    to[step.to].push_back([this, node = step.to, epoch = epoch] { guests[node].push_back({{}, epoch, false}); });
    change([&](auto& todo) { loans.lent(lent, todo, now); });
  }
  void carry_out(slot_loans::pass& step) {
    to[step.to].push_back([this, node = step.to, epoch = epoch, what = step.what] {
      auto* here = find(node, epoch);
      if (here && !here->is_ending) return here->mailbox.push_back(what);
      send_back(node, epoch, what);
      say_absent(node, epoch);
    });
  }
  void carry_out(slot_loans::check& step) {
    ++checks;
    if (random() % 5 == 0) return;  // the link takes nothing
    to[step.at].push_back([this, node = step.at, epoch = epoch] {
      if (!find(node, epoch)) say_absent(node, epoch);
    });
  }
  void carry_out(slot_loans::recall& step) {
    if (random() % 5 == 0) return;  // the link takes nothing
    to[step.from].push_back([this, node = step.from, epoch = epoch] {
      if (auto* here = find(node, epoch)) here->is_ending = true;
    });
    loans.recall_sent(lent, now);
  }
  void carry_out(slot_loans::keep& step) {
    runs_at_home = !is_drained;
    for (auto& each : step.mail) (is_drained ? remains : at_home).push_back(std::move(each));
  }
  void carry_out(slot_loans::refuse& step) { lost.insert(number_of(step.what)); }

  void send() {
    auto what = mail(++sent);
    bool is_taken = false;
    if (is_drained) return left.push_back(std::move(what));
    change([&](auto& todo) { is_taken = loans.take(lent, what, todo); });
    if (is_taken) return;
    runs_at_home = true;
    at_home.push_back(std::move(what));
  }
  void work_at_home() {
    if (!is_ending && !at_home.empty()) {
      handle(0, at_home.front());
      at_home.pop_front();
    }
    if (!is_ending || random() % 3) return;
    is_ending = runs_at_home = false;
    entity_remains remains;
    for (auto& each : std::exchange(at_home, {}))
      remains.unread.push_back(std::get<std::shared_ptr<const envelope>>(each));
    change([&](auto& todo) { loans.taken_out(lent, std::move(remains), todo); });
  }
  void renew() {
    if (!is_drained && !is_ending) {
      is_drained = true;
      change([&](auto& todo) { loans.drain(todo, now); });
      for (auto& each : std::exchange(at_home, {})) remains.push_back(std::move(each));
      runs_at_home = false;
    }
    if (!is_drained || !loans.is_home()) return;
    is_lossy |= loans.needs_epoch();  // somebody didn't give it back in time
    for (auto& each : loans.give_up()) remains.push_back(std::move(each));
    left.insert(left.begin(), remains.begin(), remains.end());  // ahead of what came while the slot was closed
    remains.clear();
    is_drained = false;
    ++epoch;
    tell_pins();
    for (auto& each : std::exchange(left, {})) {
      bool is_taken = false;
      change([&](auto& todo) { is_taken = loans.take(lent, each, todo); });
      if (!is_taken) {
        runs_at_home = true;
        at_home.push_back(std::move(each));
      }
    }
  }
  void tell_pins() {
    change([&](auto& todo) {
      loans.set_pins(pin.value ? std::map<entity_key, node_index>{{lent, pin}} : std::map<entity_key, node_index>{},
                     todo);
    });
  }

  // -- the others
  void send_back(node_index node, std::uint64_t under, const slot_mail& what) {
    from[node].push_back([this, node, under, what] {
      if (under != epoch) return void(lost.insert(number_of(what)));
      change([&](auto& todo) { loans.mail_returned(lent, node, what, todo); });
    });
  }
  void say_absent(node_index node, std::uint64_t under) {
    from[node].push_back([this, node, under] {
      if (under == epoch) loans.node_gone(node, lent);
    });
  }
  guest* find(node_index node, std::uint64_t under) {
    for (auto& each : guests[node])
      if (each.epoch == under) return &each;
    return nullptr;
  }
  void work_at(node_index node) {
    for (auto& each : guests[node]) {
      if (!each.is_ending && !each.mailbox.empty()) {
        handle(each.epoch, each.mailbox.front());
        each.mailbox.pop_front();
      }
      if (!each.is_ending) continue;
      const auto under = each.epoch;
      for (auto& what : each.mailbox) send_back(node, under, what);
      from[node].push_back([this, node, under] {
        if (under == epoch) change([&](auto& todo) { loans.returned(lent, node, {}, todo, now); });
      });
      std::erase_if(guests[node], [under](const auto& one) { return one.epoch == under; });
      return;
    }
  }
  void deliver(std::deque<parcel>& link) {
    if (link.empty()) return;
    auto arrives = std::move(link.front());
    link.pop_front();
    arrives();
  }
  /// It forgets, as another incarnation would; what was there before may go on.
  void forget(node_index node) {
    for (auto& each : guests[node])
      for (auto& what : std::exchange(each.mailbox, {})) lost.insert(number_of(what));
    guests[node].clear();
    is_lossy = true;
  }
  /// It is gone for the others, and goes on all the same.
  void vanish(node_index node) {
    to[node].clear();
    from[node].clear();
    loans.node_gone(node);
    is_lossy = true;
  }

  /// `under` 0: by the owner, as it owns the slot. A write that is fenced off never was.
  void handle(std::uint64_t under, const slot_mail& what) {
    if (under != 0 && under < epoch) return void(lost.insert(number_of(what)));
    if (under == 0)
      for (auto node : {near, far}) CHECK(find(node, epoch) == nullptr);
    else
      CHECK_FALSE(runs_at_home);
    CHECK(number_of(what) > last);
    last = number_of(what);
    ++handled;
  }

  std::mt19937 random;
  slot_loans loans{{}};
  steady_time now{1h};
  node_index pin;
  std::uint64_t epoch = 1, sent = 0, last = 0, handled = 0, lends = 0, checks = 0;
  bool runs_at_home = true, is_ending = false, is_drained = false, is_lossy = false;
  std::deque<slot_mail> at_home, remains, left;
  std::map<node_index, std::vector<guest>> guests;
  std::map<node_index, std::deque<parcel>> to, from;
  std::set<std::uint64_t> lost;
};

TEST_CASE("loans: with nodes that may vanish, each piece of mail is handled at most once, in order, by one") {
  std::uint64_t lends = 0;
  for (unsigned seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    world w(seed);
    const bool may_vanish = seed % 2 == 0;
    for (int i = 0; i < 600; ++i) {
      const auto node = w.random() % 2 ? near : far;
      switch (w.random() % 16) {
        case 0:
          w.pin = w.random() % 3 ? node : node_index{};
          if (!w.is_drained) w.tell_pins();
          break;
        case 1:
          if (may_vanish && w.random() % 8 == 0) w.random() % 3 ? w.vanish(node) : w.forget(node);
          break;
        case 2:
          if (w.loans.needs_epoch() || w.is_drained || w.random() % 20 == 0) w.renew();
          break;
        case 3:
          w.now += 100ms;
          w.change([&](auto& todo) { w.loans.tick(w.now, todo); });
          break;
        case 4:
        case 5:
        case 6:
          w.send();
          break;
        case 7:
        case 8:
        case 9:
          w.deliver(w.to[node]);
          break;
        case 10:
        case 11:
        case 12:
          w.deliver(w.from[node]);
          break;
        case 13:
          w.work_at_home();
          break;
        default:
          w.work_at(node);
      }
    }
    for (int i = 0; i < 300; ++i) {
      w.now += 100ms;
      w.change([&](auto& todo) { w.loans.tick(w.now, todo); });
      if (w.loans.needs_epoch() || w.is_drained) w.renew();
      for (auto node : {near, far}) {
        for (int n = 0; n < 5; ++n) w.deliver(w.to[node]), w.deliver(w.from[node]);
        w.work_at(node);
      }
      w.work_at_home();
    }
    for (int i = 0; i < 1000; ++i) {
      w.work_at_home();
      for (auto node : {near, far}) w.work_at(node);
    }
    lends += w.lends;
    if (!w.is_lossy) {
      CHECK(w.lost.empty());
      CHECK(w.handled == w.sent);
    }
    if (!w.pin.value) {
      CHECK(w.loans.is_home());
      CHECK_FALSE(w.loans.needs_epoch());
    }
  }
  CHECK(lends > 400);
}

/// Lent to `near`, which has told nothing yet.
slot_loans lent_to_near(steady_time now) {
  slot_loans loans({.try_again = 1s, .check_every = 5s});
  slot_loans::steps todo;
  loans.set_pins({{lent, near}}, todo);
  loans.taken_out(lent, {}, todo);
  loans.lent(lent, todo, now);
  return loans;
}

TEST_CASE("loans: what is given back by somebody who should have it stays at home for a while") {
  const steady_time now{1h};
  auto loans = lent_to_near(now);
  slot_loans::steps todo;
  loans.returned(lent, near, {}, todo, now);
  REQUIRE(todo.size() == 1);
  CHECK(std::holds_alternative<slot_loans::keep>(todo[0]));
  CHECK_FALSE(loans.is_away(lent));
  CHECK(loans.next_tick() == now + 1s);
  todo.clear();
  loans.tick(now + 999ms, todo);
  CHECK(todo.empty());
  loans.tick(now + 1s, todo);
  REQUIRE(todo.size() == 1);
  CHECK(std::holds_alternative<slot_loans::take_out>(todo[0]));
}

TEST_CASE("loans: what is lent is checked, and what isn't there waits for another epoch with what comes back") {
  const steady_time now{1h};
  auto loans = lent_to_near(now);
  CHECK(loans.next_tick() == now + 5s);
  slot_loans::steps todo;
  auto first = mail(1), second = mail(2), third = mail(3);
  CHECK(loans.take(lent, first, todo));
  CHECK(loans.take(lent, second, todo));
  todo.clear();
  loans.tick(now + 4s, todo);
  CHECK(todo.empty());
  loans.tick(now + 5s, todo);
  REQUIRE(todo.size() == 1);
  CHECK(std::get<slot_loans::check>(todo[0]).at == near);
  CHECK(loans.next_tick() == now + 10s);
  todo.clear();
  loans.mail_returned(lent, near, mail(1), todo);
  loans.node_gone(near, lent);
  CHECK(loans.needs_epoch());
  CHECK(loans.take(lent, third, todo));
  loans.mail_returned(lent, near, mail(2), todo);
  CHECK(todo.empty());
  loans.drain(todo, now + 6s);
  REQUIRE(loans.is_home());
  std::vector<std::uint64_t> waits;
  for (const auto& each : loans.give_up()) waits.push_back(number_of(each));
  CHECK(waits == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("loans: what waits is bounded, and what isn't lent is nobody's business here") {
  slot_loans loans({.held_max = 2});
  slot_loans::steps todo;
  loans.set_pins({{lent, near}}, todo);
  REQUIRE(todo.size() == 1);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    auto what = mail(i);
    todo.clear();
    CHECK(loans.take(lent, what, todo));
    CHECK(todo.size() == (i == 3 ? 1 : 0));
  }
  CHECK(std::get<slot_loans::refuse>(todo[0]).why.code == errc::overloaded);
  auto for_other = mail(4, other);
  CHECK_FALSE(loans.take(other, for_other, todo));
}

TEST_CASE("loans: what comes back is bounded too, and comes before what waits") {
  slot_loans loans({.held_max = 2});
  const steady_time now{1h};
  slot_loans::steps todo;
  loans.set_pins({{lent, near}}, todo);
  loans.taken_out(lent, {}, todo);
  loans.lent(lent, todo, now);
  loans.recall_sent(lent, now);
  todo.clear();
  for (std::uint64_t i = 4; i <= 6; ++i) {
    auto what = mail(i);
    CHECK(loans.take(lent, what, todo));
  }
  REQUIRE(todo.size() == 1);
  CHECK(number_of(std::get<slot_loans::refuse>(todo[0]).what) == 6);
  for (std::uint64_t i = 1; i <= 3; ++i) loans.mail_returned(lent, near, mail(i), todo);
  REQUIRE(todo.size() == 2);
  CHECK(number_of(std::get<slot_loans::refuse>(todo[1]).what) == 3);
  CHECK(std::get<slot_loans::refuse>(todo[1]).why.code == errc::overloaded);
  todo.clear();
  loans.set_pins({}, todo);
  loans.returned(lent, near, {}, todo, now);
  REQUIRE(todo.size() == 1);
  std::vector<std::uint64_t> waits;
  for (const auto& each : std::get<slot_loans::keep>(todo[0]).mail) waits.push_back(number_of(each));
  CHECK(waits == std::vector<std::uint64_t>{1, 2, 4, 5});
}

}  // namespace
}  // namespace throng
