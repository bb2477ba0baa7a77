// SPDX-License-Identifier: Apache-2.0
// A function that runs later, once, on an io thread. Unlike std::function it may hold things that can only be moved.
// Not named `task`: throng::task<T> (cluster/task.hpp) is the coroutine, and handlers need both.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace throng {

class io_task {
 public:
  io_task() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, io_task> && std::is_invocable_v<std::decay_t<F>&>) io_task(F&& function)
      : body_(std::make_unique<holder<std::decay_t<F>>>(std::forward<F>(function))) {}

  explicit operator bool() const noexcept { return body_ != nullptr; }
  /// REQUIRES: not empty.
  void operator()() { body_->run(); }

 private:
  struct base {
    virtual ~base() = default;
    virtual void run() = 0;
  };
  template <class F>
  struct holder final : base {
    template <class G>
    explicit holder(G&& g) : function(std::forward<G>(g)) {}
    void run() override { function(); }
    F function;
  };
  std::unique_ptr<base> body_;
};

}  // namespace throng
