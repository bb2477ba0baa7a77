// SPDX-License-Identifier: Apache-2.0
// RUN FACTS: a history put in order for the rules: each operation with all its tries, sockets with whom they continue,
// what was read at the end, who may have been a member when. Built once, read by all rules; refers to the history.
//
// Of an operation these times count: it was carried out, if at all, not before `invoked_ns` and not after `ended_ns`,
// which is `never` while a try has no definite answer.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tools/throngverify/history.hpp"

namespace throng::verify {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t no_event = std::numeric_limits<std::size_t>::max();

struct op_facts {
  op_id op{};
  happening what{};
  client_index client{};
  user_id user{};
  channel_id channel{};
  message_ts ts{};  // post: the acknowledged one; edit, remove: the message
  socket_index over{};
  bool has_client_msg_id = false;
  bool is_acknowledged = false;
  message_ts other_ts{};  // post: a second acknowledgement said so
  std::uint32_t tries = 0, refusals = 0, answers = 0;
  std::int64_t invoked_ns = never, acknowledged_ns = never, ended_ns = never;
  std::size_t event = no_event;  // its first

  /// Some try was acknowledged, or got no definite answer.
  bool may_be_done() const { return tries > refusals; }
};

/// What a frame on a socket is about. A broadcast reply, a channel_join and a tombstone are posts too.
enum class frame_kind : std::uint8_t { post, change, deletion, other };

struct read_facts {
  struct entry {
    message_ts ts{};
    op_id op{};
    name_index subtype{};
    bool is_edited = false;
    std::size_t event = no_event;
  };
  channel_id channel{};
  std::size_t event = no_event;  // its begin
  bool is_whole = false;
  bool is_in_order = true;       // as it was read: each ts on the same side of the one before
  bool is_final = false;         // begun when the run had settled
  std::vector<entry> entries{};  // oldest first

  const entry* find(message_ts ts) const;
};

/// Sockets of which each goes on where the one before ended, as far as the server has confirmed that.
struct chain_facts {
  client_index client{};
  user_id user{};
  std::int64_t since_ns = never;  // the first one's hello
  bool is_alive_at_end = false;   // its last socket was open when the run had settled
  std::vector<socket_index> sockets{};
};

struct socket_facts {
  client_index client{};
  user_id user{};
  socket_index previous{};
  bool is_resumed = false;
  std::size_t opened = no_event, hello = no_event, closed = no_event;
  std::uint32_t chain = 0;  // 0: none; without a hello of its own that of the one before
};

/// Something seen at a position of a stream.
struct sighting {
  std::uint64_t seq = 0;
  std::uint64_t epoch = 0;
  std::size_t event = no_event;
};

class run_facts {
 public:
  /// REQUIRES: `of` outlives it.
  explicit run_facts(const history& of);

  const history& log;
  std::size_t settled = no_event;
  std::int64_t settled_ns = never;
  std::vector<op_facts> ops;
  std::vector<read_facts> reads;
  std::vector<socket_facts> sockets;                       // by socket_index; [0] is none
  std::vector<chain_facts> chains;                         // [0] is none
  std::map<channel_id, bool> channels;                     // that are spoken of; true: known to be private
  std::map<std::uint32_t, std::vector<sighting>> streams;  // by the stream's name_index; by seq, then as they came

  const history_event& event(std::size_t at) const { return log.events[at]; }
  const op_facts* find(op_id op) const;
  const socket_facts& socket(socket_index at) const { return sockets[at.value < sockets.size() ? at.value : 0]; }
  frame_kind kind_of(const history_event& received) const;
  /// No subtype, or one that people's own posts have.
  bool is_persons_post(name_index subtype) const;
  bool is_tombstone(name_index subtype) const { return log.name(subtype) == "tombstone"; }
  /// A frame with a post of a person that has its text.
  bool is_post_frame(const history_event& received) const;
  std::vector<const read_facts*> final_reads(channel_id channel) const;

  /// The post at `ts`: that was acknowledged with it or seen there; none if nobody knows.
  op_id post_at(channel_id channel, message_ts ts) const;
  /// Operations of that kind upon the message at `ts`, in the order of their invocation.
  std::vector<const op_facts*> ops_on(happening what, channel_id channel, message_ts ts) const;

  /// In the whole time from…to, whatever became of calls without an answer.
  bool is_surely_member(channel_id channel, user_id user, std::int64_t from_ns, std::int64_t to_ns) const;
  /// At some time in from…to, if calls without an answer were carried out at the best moment for it.
  bool may_be_member(channel_id channel, user_id user, std::int64_t from_ns, std::int64_t to_ns) const;
  /// Calls that take `user` out of `channel`, and may have done so before `until_ns`.
  bool may_have_left(channel_id channel, user_id user, std::int64_t until_ns) const;

 private:
  using on_message = std::pair<channel_id, message_ts>;
  using on_channel = std::pair<channel_id, user_id>;
  struct membership {
    bool is_first = false;           // before the first call
    std::vector<std::uint32_t> ops;  // join, leave, invite, kick of that person, as they were invoked
  };

  void note_call(const history_event& event, std::size_t at);
  void note_socket(const history_event& event, std::size_t at);
  void note_read(const history_event& event, std::size_t at);
  void finish_ops();
  void finish_chains();
  void finish_reads();
  bool adds(const op_facts& op) const { return op.what == happening::join || op.what == happening::invite; }

  std::unordered_map<op_id, std::uint32_t> op_index_;
  std::unordered_map<std::uint32_t, std::uint32_t> read_index_;
  std::map<on_message, op_id> posts_;
  std::map<on_message, std::vector<std::uint32_t>> changes_;
  std::map<on_channel, membership> members_;
};

}  // namespace throng::verify
