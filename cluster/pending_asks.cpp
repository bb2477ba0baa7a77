// SPDX-License-Identifier: Apache-2.0
#include "cluster/pending_asks.hpp"

#include <algorithm>

namespace throng {

namespace {

/// A callback that throws would take an actor or the ticker with it that has nothing to do with it: end the process.
void answer(answer_callback& done, result<message_ptr> outcome) noexcept { done(std::move(outcome)); }

}  // namespace

std::uint64_t pending_asks::add(steady_time deadline, answer_callback done, repetition again) {
  const auto correlation = next_.fetch_add(1, std::memory_order_relaxed);
  auto& home = shard_of(correlation);
  {
    std::lock_guard lock(home.mutex);
    home.asks.emplace(correlation, entry{deadline, std::move(done), {}, std::move(again)});
    home.next_deadline = std::min(home.next_deadline, deadline);
  }
  waiting_.fetch_add(1, std::memory_order_relaxed);
  return correlation;
}

bool pending_asks::resolve(std::uint64_t correlation, result<message_ptr> outcome) {
  auto& home = shard_of(correlation);
  answer_callback done;
  {
    std::lock_guard lock(home.mutex);
    auto found = home.asks.find(correlation);
    if (found == home.asks.end()) return false;
    done = std::move(found->second.done);
    home.asks.erase(found);
  }
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  answer(done, std::move(outcome));
  return true;
}

std::optional<steady_time> pending_asks::deadline_of(std::uint64_t correlation) {
  auto& home = shard_of(correlation);
  std::lock_guard lock(home.mutex);
  const auto found = home.asks.find(correlation);
  if (found == home.asks.end()) return std::nullopt;
  return found->second.deadline;
}

template <class Predicate>
std::size_t pending_asks::finish_if(errc code, Predicate is_due) {
  std::vector<answer_callback> due;
  for (auto& home : shards_) {
    std::lock_guard lock(home.mutex);
    if (!is_due(home.next_deadline)) continue;
    home.next_deadline = steady_time::max();
    for (auto each = home.asks.begin(); each != home.asks.end();) {
      if (is_due(each->second.deadline)) {
        due.push_back(std::move(each->second.done));
        each = home.asks.erase(each);
      } else {
        home.next_deadline = std::min(home.next_deadline, each->second.deadline);
        ++each;
      }
    }
  }
  waiting_.fetch_sub(due.size(), std::memory_order_relaxed);
  for (auto& done : due) answer(done, code);
  return due.size();
}

std::size_t pending_asks::expire(steady_time now) {
  return finish_if(errc::deadline_exceeded, [now](steady_time deadline) { return deadline <= now; });
}

void pending_asks::sent(std::uint64_t correlation, node_start to) {
  auto& home = shard_of(correlation);
  std::lock_guard lock(home.mutex);
  if (auto found = home.asks.find(correlation); found != home.asks.end()) found->second.at = to;
}

void pending_asks::went_on(std::uint64_t correlation, node_index from, node_start to) {
  auto& home = shard_of(correlation);
  std::lock_guard lock(home.mutex);
  const auto found = home.asks.find(correlation);
  if (found != home.asks.end() && found->second.at.node == from) found->second.at = to;
}

std::vector<pending_asks::lost_ask> pending_asks::lose(node_start gone, const error& why) {
  std::vector<lost_ask> repeated;
  std::vector<answer_callback> over;
  for (auto& home : shards_) {
    std::lock_guard lock(home.mutex);
    for (auto each = home.asks.begin(); each != home.asks.end();) {
      auto& [correlation, ask] = *each;
      if (ask.at.node != gone.node || ask.at.incarnation > gone.incarnation) {
        ++each;
      } else if (ask.again.request) {
        ask.at = {};
        repeated.push_back({correlation, ask.deadline, ask.again});
        ++each;
      } else {
        over.push_back(std::move(ask.done));
        each = home.asks.erase(each);
      }
    }
  }
  waiting_.fetch_sub(over.size(), std::memory_order_relaxed);
  for (auto& done : over) answer(done, why);
  std::ranges::sort(repeated, {}, &lost_ask::correlation);
  return repeated;
}

void pending_asks::stop() {
  finish_if(errc::stopping, [](steady_time) { return true; });
}

}  // namespace throng
