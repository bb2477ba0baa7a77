// SPDX-License-Identifier: Apache-2.0
#include "cluster/handoff/slot_loans.hpp"

#include <algorithm>
#include <utility>

namespace throng {

namespace {

error too_much_waits(entity_key key) {
  return {errc::overloaded, "too much waits for " + to_text(key) + ", which is moving"};
}

}  // namespace

/// 0: here.
node_index slot_loans::wanted(entity_key key) const {
  const auto found = pins_.find(key);
  return is_draining_ || found == pins_.end() ? node_index{} : found->second;
}

// -- events
// ------------------------------------------------------------------------------------------------------------

void slot_loans::set_pins(std::map<entity_key, node_index> pins, steps& todo) {
  pins_ = std::move(pins);
  if (is_draining_) return;
  for (const auto& [key, node] : pins_) {
    const auto [at, is_new] = loans_.try_emplace(key);
    if (!is_new) continue;
    at->second.phase = phase_t::ending;
    todo.emplace_back(take_out{key});
  }
  std::erase_if(loans_,
                [&](const auto& each) { return each.second.phase == phase_t::at_home && !wanted(each.first).value; });
  call_back(todo);
}

/// Asks for everything that is lent to somebody who shouldn't have it.
void slot_loans::call_back(steps& todo) {
  for (const auto& [key, loan] : loans_)
    if (loan.phase == phase_t::lent && loan.node != wanted(key)) todo.emplace_back(recall{key, loan.node});
}

bool slot_loans::take(entity_key key, slot_mail& what, steps& todo) {
  const auto found = loans_.find(key);
  if (found == loans_.end()) return false;
  auto& loan = found->second;
  switch (loan.phase) {
    case phase_t::at_home:
      return false;
    case phase_t::lent:
      todo.emplace_back(pass{key, loan.node, std::move(what)});
      return true;
    case phase_t::ending:
      // It still publishes from here.
      if (std::holds_alternative<slot_subscription>(what)) return false;
      break;
    case phase_t::offered:
    case phase_t::recalled:
    case phase_t::lost:
      break;
  }
  if (loan.held.size() >= limits_.held_max)
    todo.emplace_back(refuse{std::move(what), too_much_waits(key)});
  else
    loan.held.push_back(std::move(what));
  return true;
}

void slot_loans::taken_out(entity_key key, entity_remains remains, steps& todo) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || at->second.phase != phase_t::ending) return;
  auto& held = at->second.held;
  held.insert(held.begin(), remains.unread.begin(), remains.unread.end());
  go_on(at, std::move(remains.handover), todo);
}

/// It is here, and doesn't run: it goes where it should.
void slot_loans::go_on(loans::iterator at, entity_handover state, steps& todo) {
  auto& [key, loan] = *at;
  loan.node = wanted(key);
  if (!loan.node.value) return bring_home(at, std::move(state), todo);
  loan.phase = phase_t::offered;
  loan.returned = 0;
  todo.emplace_back(lend{key, loan.node, std::move(state)});
}

void slot_loans::bring_home(loans::iterator at, entity_handover state, steps& todo) {
  auto& [key, loan] = *at;
  keep home{key, std::move(state), {}};
  for (auto& each : std::exchange(loan.held, {})) home.mail.push_back(std::move(each));
  todo.emplace_back(std::move(home));
  loan = {};
  if (!wanted(key).value) loans_.erase(at);
}

void slot_loans::lent(entity_key key, steps& todo, steady_time now) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || at->second.phase != phase_t::offered) return;
  auto& loan = at->second;
  loan.phase = phase_t::lent;
  loan.since = now;
  for (auto& each : std::exchange(loan.held, {})) todo.emplace_back(pass{key, loan.node, std::move(each)});
  if (loan.node != wanted(key)) todo.emplace_back(recall{key, loan.node});
}

void slot_loans::not_lent(entity_key key, entity_handover state, steps& todo, steady_time now) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || (at->second.phase != phase_t::offered && at->second.phase != phase_t::ending)) return;
  if (is_draining_) {  // what waits for it goes with the slot
    at->second.phase = phase_t::lost;
    return;
  }
  bring_home(at, std::move(state), todo);
  if (const auto again = loans_.find(key); again != loans_.end()) again->second.since = now;
}

void slot_loans::recall_sent(entity_key key, steady_time now) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || at->second.phase != phase_t::lent) return;
  at->second.phase = phase_t::recalled;
  at->second.since = now;
}

void slot_loans::mail_returned(entity_key key, node_index by, slot_mail what, steps& todo) {
  const auto at = loans_.find(key);
  // Of `lent`: it ends there by itself, or isn't there. What was passed there since is behind this, and will come back
  // too; `lost`, if that node says in between that it hasn't got it.
  const bool is_from_there =
      at != loans_.end() && at->second.node == by &&
      (at->second.phase == phase_t::recalled || at->second.phase == phase_t::lent || at->second.phase == phase_t::lost);
  if (!is_from_there) {
    todo.emplace_back(refuse{std::move(what), {errc::unavailable, to_text(key) + " has moved"}});
    return;
  }
  auto& loan = at->second;
  // It was taken before what came here since, which isn't counted against it.
  if (loan.returned >= limits_.held_max) {
    todo.emplace_back(refuse{std::move(what), too_much_waits(key)});
    return;
  }
  loan.held.insert(loan.held.begin() + static_cast<std::ptrdiff_t>(loan.returned++), std::move(what));
}

void slot_loans::returned(entity_key key, node_index by, entity_handover state, steps& todo, steady_time now) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || at->second.node != by ||
      (at->second.phase != phase_t::recalled && at->second.phase != phase_t::lent))
    return;
  if (at->second.phase == phase_t::recalled || wanted(key) != by) return go_on(at, std::move(state), todo);
  bring_home(at, std::move(state), todo);
  loans_[key].since = now;
}

void slot_loans::node_gone(node_index node) {
  for (const auto& [key, loan] : loans_) node_gone(node, key);
}

void slot_loans::node_gone(node_index node, entity_key key) {
  const auto at = loans_.find(key);
  if (at == loans_.end() || at->second.node != node) return;
  if (at->second.phase == phase_t::lent || at->second.phase == phase_t::recalled) at->second.phase = phase_t::lost;
}

void slot_loans::drain(steps& todo, steady_time now) {
  is_draining_ = true;
  drained_since_ = now;
  call_back(todo);
}

std::vector<slot_mail> slot_loans::give_up() {
  std::vector<slot_mail> all;
  for (auto& [key, loan] : loans_)
    for (auto& each : loan.held) all.push_back(std::move(each));
  loans_.clear();
  pins_.clear();
  is_draining_ = false;
  return all;
}

void slot_loans::tick(steady_time now, steps& todo) {
  for (auto& [key, loan] : loans_) {
    if (loan.phase == phase_t::recalled && now - loan.since >= limits_.recall_wait) loan.phase = phase_t::lost;
    if (loan.phase == phase_t::at_home && wanted(key).value && now - loan.since >= limits_.try_again) {
      loan.phase = phase_t::ending;
      todo.emplace_back(take_out{key});
    }
    if (loan.phase == phase_t::lent && now - loan.since >= limits_.check_every) {
      loan.since = now;
      todo.emplace_back(check{key, loan.node});
    }
    if (is_draining_ && now - drained_since_ >= limits_.drain_wait &&
        (loan.phase == phase_t::lent || loan.phase == phase_t::recalled))
      loan.phase = phase_t::lost;
  }
  call_back(todo);
}

// -- questions
// ---------------------------------------------------------------------------------------------------------

bool slot_loans::is_home() const {
  return std::ranges::all_of(loans_, [](const auto& each) {
    return each.second.phase == phase_t::lost || each.second.phase == phase_t::at_home;
  });
}

bool slot_loans::needs_epoch() const {
  return std::ranges::any_of(loans_, [](const auto& each) { return each.second.phase == phase_t::lost; });
}

bool slot_loans::is_away(entity_key key) const {
  const auto found = loans_.find(key);
  return found != loans_.end() && found->second.phase != phase_t::at_home;
}

std::size_t slot_loans::away_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(loans_, [](const auto& each) { return each.second.phase != phase_t::at_home; }));
}

std::vector<slot_loans::view> slot_loans::views() const {
  std::vector<view> all;
  for (const auto& [key, loan] : loans_)
    if (loan.phase != phase_t::at_home) all.push_back({key, loan.node, loan.held.size()});
  return all;
}

steady_time slot_loans::next_tick() const {
  auto next = steady_time::max();
  for (const auto& [key, loan] : loans_) {
    if (loan.phase == phase_t::recalled) next = std::min(next, loan.since + limits_.recall_wait);
    if (loan.phase == phase_t::at_home) next = std::min(next, loan.since + limits_.try_again);
    if (loan.phase == phase_t::lost && !is_draining_) next = {};
    if (loan.phase == phase_t::lent)
      next =
          std::min(next, is_draining_ || loan.node != wanted(key) ? steady_time{} : loan.since + limits_.check_every);
  }
  return is_draining_ ? std::min(next, drained_since_ + limits_.drain_wait) : next;
}

}  // namespace throng
