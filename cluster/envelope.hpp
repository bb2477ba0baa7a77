// SPDX-License-Identifier: Apache-2.0
// ENVELOPE: what an entity receives. The only place that knows correlation, deadline, epoch, sender and trace.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "cluster/message.hpp"
#include "storage/model/keyspace.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// A node's place in the cluster's table. 0 is none; a one-node cluster's node is 1.
struct node_index {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(node_index, node_index) = default;
};

/// When a request was where, until what it led to was published. Times of `asked` are its origin's, the others' of the
/// node that has the entity; a default one: it didn't come by there.
struct journey {
  node_index origin;
  wall_time asked{};      // by a client's call, or another entity
  wall_time arrived{};    // over the link
  wall_time delivered{};  // into the SLOT's mailbox
  wall_time begun{};      // by the entity
  wall_time committed{};  // as the entity heard of it
  std::int64_t mark = 0;  // by which it can be found afterwards: a post's ts
};

using answer_callback = std::function<void(result<message_ptr>)>;

/// The right to answer one ask. If it is dropped unanswered (an actor died with the message in its mailbox, a handler
/// forgot), the asker hears errc::unavailable at once instead of waiting for its deadline.
class reply_handle {
 public:
  explicit reply_handle(answer_callback answer) : answer_(std::move(answer)) {}
  reply_handle(const reply_handle&) = delete;
  reply_handle& operator=(const reply_handle&) = delete;
  ~reply_handle() {
    if (answer_) std::exchange(answer_, nullptr)(errc::unavailable);
  }
  /// The first call answers, later ones do nothing.
  void answer(result<message_ptr> outcome) {
    if (answer_) std::exchange(answer_, nullptr)(std::move(outcome));
  }
  /// The envelope goes on to another node, and the right to answer with it.
  void forget() { answer_ = nullptr; }

 private:
  answer_callback answer_;
};

struct envelope {
  entity_key to;
  entity_key from;                // kind 0: from outside the entities (a gateway, the shell)
  epoch_t epoch = 0;              // of the slot, as the sender knew it; 0: it didn't
  std::uint64_t sequence = 0;     // per sender and slot, for the order after a move; 0: not numbered
  steady_time deadline{};         // default: none (a tell)
  std::uint64_t correlation = 0;  // of an ask: what its origin calls it
  journey path{};                 // of an ask
  message_ptr message;
  std::shared_ptr<reply_handle> reply;  // null for a tell

  /// The sender is an entity of the same slot.
  bool is_from_within() const { return from.id != 0 && slot_of(from) == slot_of(to); }
};

/// What a stream (a channel, workspace, user or presence bucket) sends to its subscribers.
enum class delivery_class : std::uint8_t { message = 0, presence = 1, typing = 2 };  // the later are dropped first

struct publication {
  entity_key stream;
  epoch_t epoch = 0;
  seq_t seq = 0;  // 0: not part of the ordered stream (typing, presence, ephemeral messages)
  delivery_class priority = delivery_class::message;
  std::uint64_t skip_connection = 0;  // the connection that caused it and gets an acknowledgement instead; 0: none
  message_ptr event;
  journey path{};  // of the request that led to it; stays on the node
};
using publication_ptr = std::shared_ptr<const publication>;

}  // namespace throng
