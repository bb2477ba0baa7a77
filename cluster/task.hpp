// SPDX-License-Identifier: Apache-2.0
// task<T>: a lazy coroutine, for handlers that wait (an entity for its commit, an API method for an entity). It runs
// where it is resumed; an awaitable's executor sees to it that this is the owner's thread or actor. An exception ends
// the whole chain and comes out of the resume() that caused it, so a broken invariant ends the actor it belongs to.
// A chain that nobody will resume any more (its actor died) is destroyed with the suspension that held it.
//
// g++ 12: name the arguments of an awaited call that are built from braces; it destroys such temporaries twice.
#pragma once

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace throng {

template <class T>
class task;

namespace detail {

struct promise_base {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::coroutine_handle<> root;  // owns, through its locals, all frames that wait below it
  std::exception_ptr failure;

  std::suspend_always initial_suspend() noexcept { return {}; }
  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) noexcept {
      return finished.promise().continuation;
    }
    void await_resume() noexcept {}
  };
  final_awaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <class T>
struct task_promise : promise_base {
  std::optional<T> value;
  task<T> get_return_object();
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (failure) std::rethrow_exception(failure);
    return std::move(*value);
  }
};

template <>
struct task_promise<void> : promise_base {
  task<void> get_return_object();
  void return_void() noexcept {}
  void take() {
    if (failure) std::rethrow_exception(failure);
  }
};

/// The root of a detached chain; destroys itself at its end. What the chain threw is left in `escaped` for the
/// resume() that caused it.
struct detached {
  struct promise_type {
    std::coroutine_handle<> root;
    detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept {
      root = std::coroutine_handle<promise_type>::from_promise(*this);
      return {};
    }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }  // run_detached() catches everything
  };
};

inline thread_local std::exception_ptr escaped;

inline void rethrow_escaped() {
  if (escaped) std::rethrow_exception(std::exchange(escaped, nullptr));
}

}  // namespace detail

template <class T = void>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;

  explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
    handle_.promise().continuation = parent;
    handle_.promise().root = parent.promise().root;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
task<T> task_promise<T>::get_return_object() {
  return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() {
  return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

inline detached run_detached(task<void> work) {
  try {
    co_await work;
  } catch (...) {
    escaped = std::current_exception();
  }
}

/// A coroutine that waits for a callback's value. resume() continues it; if it goes away unresumed, so does the whole
/// chain. The value is kept here and not in the coroutine's frame: this lives as long as somebody may still set it.
template <class T>
class suspension {
 public:
  suspension(std::coroutine_handle<> leaf, std::coroutine_handle<> root) : leaf_(leaf), root_(root) {}
  suspension(const suspension&) = delete;
  suspension& operator=(const suspension&) = delete;
  ~suspension() {
    if (leaf_) root_.destroy();
  }
  void resume() {
    if (!leaf_) return;
    std::exchange(leaf_, nullptr).resume();
    rethrow_escaped();
  }
  /// The coroutine goes on by itself, with an exception: a call that comes all the same finds nobody.
  void forget() noexcept { leaf_ = nullptr; }

  std::optional<T> value;

 private:
  std::coroutine_handle<> leaf_;
  std::coroutine_handle<> root_;
};

}  // namespace detail

/// Where the continuations of one owner run: an actor's mailbox, an io thread. post() never runs the job inline, never
/// throws what the job throws, and may drop jobs once the owner is gone.
class executor {
 public:
  virtual ~executor() = default;
  virtual void post(std::function<void()> job) = 0;  // any thread
};
using executor_ptr = std::shared_ptr<executor>;

/// Runs `work` on the caller's thread until it first waits; later parts run where they are resumed. An exception comes
/// out of the spawn() or out of the executor's job that caused it.
inline void spawn(task<void> work) {
  detail::run_detached(std::move(work));
  detail::rethrow_escaped();
}

/// `T value = co_await await_callback<T>(where, [&](std::function<void(T)> done) {…})`: starts something that calls
/// `done` at most once, on any thread; the coroutine continues through `where`. If the last copy of `done` goes away
/// uncalled, or `where` drops its job, the coroutine is destroyed.
template <class T, class Start>
class callback_awaitable {
 public:
  callback_awaitable(executor_ptr where, Start start) : where_(std::move(where)), start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> leaf) {
    auto held = std::make_shared<detail::suspension<T>>(leaf, leaf.promise().root);
    suspension_ = held.get();  // not shared: it owns the frame in which this object lives
    // As soon as `done` is called this object may be gone.
    auto where = std::move(where_);
    auto start = std::move(start_);
    try {
      start(std::function<void(T)>([held, where = std::move(where)](T value) mutable {
        held->value.emplace(std::move(value));
        where->post([held = std::move(held)] { held->resume(); });
      }));
    } catch (...) {
      held->forget();
      throw;
    }
  }
  T await_resume() { return std::move(*suspension_->value); }

 private:
  executor_ptr where_;
  Start start_;
  detail::suspension<T>* suspension_ = nullptr;
};

template <class T, class Start>
callback_awaitable<T, Start> await_callback(executor_ptr where, Start start) {
  return {std::move(where), std::move(start)};
}

}  // namespace throng
