// SPDX-License-Identifier: Apache-2.0
// TURNS: handlers of one entity that read, think and write the same thing go one after the other, in the order they
// came. By key (a message's ts, a user), so that the others don't wait. Owned by one entity; bounded in waiters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>

#include "cluster/task.hpp"
#include "storage/model/result.hpp"

namespace throng {

class turns {
 public:
  explicit turns(std::size_t waiting_max) : waiting_max_(waiting_max) {}

  bool is_busy(std::uint64_t key) const { return !lines_.empty() && lines_.contains(key); }
  std::size_t waiting() const { return waiting_; }

  /// Runs `work` when it is its turn. errc::overloaded, without having run it, if too many wait.
  /// There is no guard on purpose: a chain that is dropped because its entity has ended must not touch the entity.
  template <class T>
  task<result<T>> run(executor_ptr mailbox, std::uint64_t key, task<result<T>> work) {
    auto [line, is_first] = lines_.try_emplace(key);
    if (!is_first) {
      if (waiting_ >= waiting_max_) co_return errc::overloaded;
      auto& mine = line->second;
      co_await await_callback<unit>(std::move(mailbox), [&](std::function<void(unit)> my_turn) {
        ++waiting_;
        mine.push_back(std::move(my_turn));
      });
    }
    auto outcome = co_await work;
    leave(key);
    co_return outcome;
  }

 private:
  void leave(std::uint64_t key) {
    auto line = lines_.find(key);
    if (line->second.empty()) {
      lines_.erase(line);
      return;
    }
    auto next = std::move(line->second.front());
    line->second.pop_front();
    --waiting_;
    next({});
  }

  std::size_t waiting_max_;
  std::size_t waiting_ = 0;
  std::unordered_map<std::uint64_t, std::deque<std::function<void(unit)>>> lines_;  // a key is there while it is busy
};

}  // namespace throng
