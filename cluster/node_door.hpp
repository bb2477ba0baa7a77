// SPDX-License-Identifier: Apache-2.0
// NODE DOOR: asks another NODE, not an entity on it: what the remote shell needs to speak for the whole cluster. Texts
// go over the links, answers in chunks so that they hold nobody up; one handler serves what others ask. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "cluster/envelope.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

class node_door {
 public:
  static constexpr std::size_t request_bytes_max = 64u << 10;
  static constexpr std::size_t answer_bytes_max = 8u << 20;

  using answer = std::function<void(result<std::string>)>;
  /// On a link's thread, several at once: must not block. `reply` is called once, on any thread, and is of no use after
  /// `timeout`; dropped, it answers errc::unavailable.
  using handler =
      std::function<void(node_index from, std::string request, std::chrono::milliseconds timeout, answer reply)>;

  virtual ~node_door() = default;

  /// `done` comes once, on any thread, possibly before this returns. Errors beside the handler's own: errc::unavailable
  /// at once when `to` is no member, or its link is down or goes down; errc::deadline_exceeded; errc::overloaded when
  /// too much waits, here or there; errc::request_too_large for a request or an answer past its bound. After an error
  /// it may have been carried out all the same. Asking this node itself is fine.
  virtual void ask_node(node_index to, std::string request, std::chrono::milliseconds timeout, answer done) = 0;

  /// From now on `serve` answers what nodes ask; empty: nobody does. Returns when the one before isn't running any
  /// more, so what it uses may go (not from within it).
  virtual void serve_nodes(handler serve) = 0;
};

}  // namespace throng
