// SPDX-License-Identifier: Apache-2.0
// One of Consul's blocking queries, again and again on a thread of its own: each answer is handed on as soon as what
// was asked for has changed. An outage is waited out with growing pauses; after it the query starts from nothing, since
// an agent that has forgotten would let it wait for an index that is long in coming.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cluster/consul_client.hpp"

namespace throng {

class consul_query {
 public:
  /// Takes a sound answer, also one that says what the last one said. An error is treated as an outage. On the query's
  /// thread; must not destroy the query.
  using handler = std::function<result<>(const consul_answer&)>;

  /// `target` without index and wait; it has a '?'.
  consul_query(std::shared_ptr<consul_client> client, std::string target, handler handle);
  // The destructor stops it: no answer is handed on after that.

 private:
  void run(std::stop_token stop);

  std::shared_ptr<consul_client> client_;
  std::string target_;
  handler handle_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace throng
