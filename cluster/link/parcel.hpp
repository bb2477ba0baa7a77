// SPDX-License-Identifier: Apache-2.0
// PARCEL: what one node's REGION tells another's, as bytes for a link (cluster/proto/cluster.proto says the format).
// Pure. Times travel as what is left of them, because nodes' steady clocks have nothing to do with each other.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/envelope.hpp"
#include "cluster/handoff/handover.hpp"
#include "cluster/node_identity.hpp"

namespace throng {

struct letter_parcel {
  entity_key to;
  entity_key from;
  std::uint64_t correlation = 0;  // the asker's; 0: a tell
  node_index origin;              // the asker's node; 0: the other end of the link
  std::chrono::milliseconds timeout{0};
  wall_time asked{};  // by its origin's clock
  std::uint64_t table_version = 0;
  std::uint32_t hops = 0;
  message_ptr message;
  epoch_t loan = 0;  // not 0: to one who is lent, or back, under this epoch
  bool is_returned = false;
  std::vector<node_index> via{};  // who sent it on (cluster/handoff/slot_gates.hpp)
  bool was_taken = false;
};
struct answer_parcel {
  std::uint64_t correlation = 0;
  result<message_ptr> outcome = message_ptr{};  // null: done
};
struct subscription_parcel {
  entity_key stream;
  bool wanted = true;
  std::uint64_t correlation = 0;
  node_index origin;
  std::uint64_t table_version = 0;
  std::uint32_t hops = 0;
  epoch_t loan = 0;  // as of a letter
};
struct barrier_parcel {
  slot_id slot;
  std::uint64_t barrier = 0;
  node_index origin;
  std::uint64_t table_version = 0;
  std::uint32_t hops = 0;
};
struct barrier_passed_parcel {
  slot_id slot;
  std::uint64_t barrier = 0;
};
struct release_parcel {
  slot_id slot;
  std::uint64_t table_version = 0;
};
struct released_parcel {
  slot_id slot;
};
/// cluster/node_door.hpp: a question to the node itself.
struct node_ask_parcel {
  std::uint64_t correlation = 0;  // the asker's
  std::chrono::milliseconds timeout{0};
  std::string request;
};
/// A part of the answer; they come in order.
struct node_answer_parcel {
  std::uint64_t correlation = 0;
  bool is_last = true;
  result<std::string> part = std::string();
};
/// A part of what a slot's entities hand over, ahead of its release.
struct handover_parcel {
  slot_id slot;
  std::vector<entity_handover> entities;
};
/// An entity is lent, called back, returned, or looked after (cluster/handoff/slot_loans.hpp).
struct loan_parcel {
  enum class step_t : std::uint8_t { start = 1, recall = 2, returned = 3, absent = 4, check = 5 } step{};
  epoch_t epoch = 0;
  entity_handover entity;  // of a recall, a check, or one that is absent, only its key
};
/// Asks of the receiver's that went on from the sender, which leaves: where they are now.
struct passed_asks_parcel {
  struct ask {
    std::uint64_t correlation = 0;
    node_start at;
  };
  std::vector<ask> asks;
};
using parcel = std::variant<letter_parcel, answer_parcel, publication_ptr, subscription_parcel, barrier_parcel,
                            barrier_passed_parcel, release_parcel, released_parcel, node_ask_parcel, node_answer_parcel,
                            handover_parcel, loan_parcel, passed_asks_parcel>;

std::string encode(const parcel& what);
/// Errors: errc::unknown_message for what is no parcel, or of a kind that this version doesn't know. A letter, an
/// answer or a publication whose message can't be decoded is still a parcel, with `undecoded` set: its sender must be
/// told.
struct decoded_parcel {
  parcel what;
  std::optional<error> undecoded;
};
result<decoded_parcel> decode_parcel(std::string_view bytes);

}  // namespace throng
