// SPDX-License-Identifier: Apache-2.0
// LOOP EXECUTOR: continues a coroutine on an io loop, so that API methods and connections wait for entities without
// leaving their thread. The number of its jobs is bounded by the requests under way.
#pragma once

#include "cluster/task.hpp"
#include "net/transport/io_loop.hpp"

namespace throng {

class loop_executor final : public executor {
 public:
  explicit loop_executor(io_loop& loop) : loop_(loop) {}
  void post(std::function<void()> job) override { loop_.post_always(std::move(job)); }

 private:
  io_loop& loop_;  // the server outlives every connection and its work
};

}  // namespace throng
