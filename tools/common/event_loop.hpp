// SPDX-License-Identifier: Apache-2.0
// EVENT LOOP: one thread that plays many clients: coroutines (cluster/task.hpp) that wait for sockets, pipes and the
// clock, over epoll. Everything of it belongs to the thread that runs it. Chains that still wait when it goes away are
// destroyed with it.
#pragma once

#include <chrono>
#include <coroutine>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "cluster/task.hpp"
#include "tools/common/unique_fd.hpp"

namespace throng {

class event_loop {
 public:
  using clock = std::chrono::steady_clock;
  using time = clock::time_point;

  /// What a coroutine waits for; it lives in the coroutine's frame. `co_await` answers false at the deadline.
  class wait {
   public:
    wait(event_loop& loop, time deadline, wait** place = nullptr) : loop_(loop), deadline_(deadline), place_(place) {}
    wait(const wait&) = delete;
    wait& operator=(const wait&) = delete;
    ~wait() { loop_.forget(*this); }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> leaf) {
      leaf_ = leaf;
      root_ = leaf.promise().root;
      loop_.add(*this);
    }
    bool await_resume() const noexcept { return has_happened_; }

   private:
    friend class event_loop;
    enum class where { nowhere, timers, ready };
    event_loop& loop_;
    time deadline_;
    wait** place_;  // where whoever makes it happen looks for it
    std::coroutine_handle<> leaf_, root_;
    std::multimap<time, wait*>::iterator timer_{};
    where where_ = where::nowhere;
    bool has_happened_ = false;
  };

  /// What one descriptor can do, and who waits for it. It must not move while it is watched.
  struct interest {
    wait* reader = nullptr;
    wait* writer = nullptr;
    bool can_read = false;
    bool can_write = false;
  };

  event_loop();
  ~event_loop();
  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  /// Serves until `is_over` says so; asked after each turn. What a coroutine threw comes out here.
  void run_until(const std::function<bool()>& is_over);

  wait sleep_until(time when) { return wait(*this, when); }
  wait sleep_for(clock::duration duration) { return wait(*this, clock::now() + duration); }

  /// A descriptor's place among the watched, until its end, which may come after that of the loop. Closing the
  /// descriptor isn't enough: a child that is about to become another program still has it for a moment, and epoll goes
  /// on.
  class watched {
   public:
    watched() = default;
    watched(std::shared_ptr<const unique_fd> epoll, int fd) : epoll_(std::move(epoll)), fd_(fd) {}
    watched(watched&&) = default;
    watched& operator=(watched&&) = delete;
    ~watched();

   private:
    std::shared_ptr<const unique_fd> epoll_;  // null: none
    int fd_ = -1;
  };

  /// Edge triggered: `of` keeps what can be done until it was tried in vain. What is returned ends before the
  /// descriptor and `of` do.
  [[nodiscard]] watched watch(int fd, interest& of);
  /// Waits until the flag may be set; false at the deadline. One reader and one writer at a time.
  wait readable(interest& of, time deadline) { return wait(*this, deadline, &of.reader); }
  wait writable(interest& of, time deadline) { return wait(*this, deadline, &of.writer); }
  /// Wakes who waits there, if somebody does.
  void wake(wait* who);

 private:
  void add(wait& who);
  void forget(wait& who);
  void turn();

  const std::shared_ptr<const unique_fd> epoll_;
  std::multimap<time, wait*> timers_;
  std::deque<wait*> ready_;
  bool is_ending_ = false;  // chains end in any order: what others waited for may be gone
};

}  // namespace throng
