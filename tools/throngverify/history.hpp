// SPDX-License-Identifier: Apache-2.0
// HISTORY: what the clients of a run saw, in one order: the record that the checker judges. It is append-only, and all
// that the checker knows. RECORDER is its thread-safe front: each call stamps the time and appends one event of 80
// bytes. Texts are kept once. Bound: events_max; behind it the history says that it isn't complete, and the checker
// then judges nothing as fine.
//
// Order counts. Invoke before the request leaves, answer after the answer came: then "a was answered before b was
// invoked" is a fact, whatever the nodes' clocks say.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

namespace throng::verify {

/// A number with a type, counted from 1; 0 is none.
template <class Tag>
struct index_of {
  std::uint32_t value = 0;
  constexpr explicit operator bool() const noexcept { return value != 0; }
  friend constexpr auto operator<=>(index_of, index_of) = default;
};
using client_index = index_of<struct client_tag>;  // a person with a token
using socket_index = index_of<struct socket_tag>;  // one websocket of hers, from its opening to its end
using read_index = index_of<struct read_tag>;      // one reading of a whole channel
using fault_index = index_of<struct fault_tag>;
using name_index = index_of<struct name_tag>;  // a text that is kept once; see history::name()

/// One thing that a client wanted: a post, an edit, a join. Its text is what a posted or edited message holds, so that
/// a message says who wrote it as it is. A post that is tried again is the same operation.
using op_id = strong_id<struct op_tag>;

std::string to_text(op_id op);  // "op-123."
/// The first operation that `text` names, wherever it stands.
std::optional<op_id> find_op(std::string_view text);

enum class happening : std::uint8_t {
  // What the run began with.
  channel_made,  // channel, flag: it is private
  member_added,  // channel, user: member before the first call
  // Calls: phase says whether it begins or how it ended. detail: the error; stream: the node that was asked.
  post,    // channel, op; ts when acknowledged; socket if over RTM; flag: with a client_msg_id
  edit,    // channel, op, ts: of the message
  remove,  // channel, op, ts: of the message
  join,    // channel, user
  leave,   // channel, user
  invite,  // channel, user: who is invited
  kick,    // channel, user: who is kicked
  // Sockets.
  socket_opened,  // socket, detail: node; other: the earlier socket whose positions it brings; flag: it resumes
  socket_hello,   // socket, detail: session; flag: the server says it is resumed
  socket_closed,  // socket, detail: why
  received,       // socket, channel, user, stream, epoch, seq, ts, op; detail: type; other: subtype; flag: edited
  gap,            // socket, stream, epoch, seq
  // A channel's whole history, oldest or newest first.
  read_begun,  // other: read; channel, client; detail: node
  read_entry,  // other: read; ts, op; detail: subtype; flag: edited
  read_ended,  // other: read; flag: it is the whole history
  // Presence.
  presence_watched,  // socket, user: asked to be told of
  presence_seen,     // socket, user, flag: active
  presence_truth,    // user, flag: active: what is true at the end
  // The run.
  fault_begun,  // other: fault; stream: kind; detail: target
  fault_ended,  // other: fault
  settled,      // no call is under way, all faults have ended, and what was to come has had its time
};

enum class phase : std::uint8_t {
  none,
  invoked,
  acknowledged,
  refused,  // it says that nothing was done; see is_outcome_unknown()
  unknown,  // no answer: connection lost, timeout, status 5xx
};

/// What happened, in 80 bytes. Which fields count says `happening`.
struct history_event {
  std::int64_t at_ns = 0;  // steady, since the run's begin
  happening what{};
  verify::phase phase{};
  bool flag = false;
  client_index client{};
  op_id op{};
  message_ts ts{};
  channel_id channel{};
  user_id user{};
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  socket_index socket{};
  name_index stream{};  // "C…", "T…" or "U…"
  name_index detail{};
  std::uint32_t other = 0;

  friend bool operator==(const history_event&, const history_event&) = default;
};

/// Events in blocks: growing moves nothing, and costs no second copy.
class event_log {
 public:
  std::size_t size() const { return size_; }
  const history_event& operator[](std::size_t at) const { return (*blocks_[at / block_events])[at % block_events]; }
  void push_back(const history_event& event);

 private:
  static constexpr std::size_t block_events = 8'192;
  std::vector<std::unique_ptr<std::array<history_event, block_events>>> blocks_;
  std::size_t size_ = 0;
};

struct history_client {
  user_id user{};
  std::string name{};
};

/// A whole run. Plain data: no clock, no thread.
struct history {
  std::uint64_t seed = 0;
  std::string replay{};                     // the command line that runs it again
  std::vector<std::string> names{""};       // by name_index
  std::vector<history_client> clients{{}};  // by client_index
  event_log events;
  bool is_complete = true;  // nothing was left out at the bound

  std::string_view name(name_index at) const { return at.value < names.size() ? names[at.value] : std::string_view(); }
  user_id user_of(client_index at) const { return at.value < clients.size() ? clients[at.value].user : user_id(); }
};

/// An error that doesn't say whether the call was carried out: something failed on its way.
bool is_outcome_unknown(std::string_view error);

struct recorder_options {
  std::uint64_t seed = 0;
  std::string replay{};
  std::size_t events_max = 16'000'000;  // 1.3 GB; ten minutes with what is the default have six or seven million
  std::function<std::chrono::steady_clock::time_point()> now = &std::chrono::steady_clock::now;
};

/// One call of a client, from before its request leaves to its answer. The same value for each of its phases.
struct call {
  happening what{};  // post … kick
  client_index client;
  channel_id channel;
  op_id op;                        // always: see recorder::new_op()
  message_ts ts{};                 // edit, remove: the message
  user_id user{};                  // invite, kick: whom; else the client's own
  socket_index over{};             // a post over RTM
  bool has_client_msg_id = false;  // a post with to_text(op) as its client_msg_id
  std::string_view node{};         // that is asked, if it isn't over RTM; as socket_opened() names it
};

/// An event frame, as far as the checker wants to know.
struct received_event {
  socket_index socket{};
  std::string_view type{};     // "message", "member_left_channel", …
  std::string_view subtype{};  // "message_changed", "message_deleted", "channel_join", "tombstone", …
  std::string_view stream{};   // with epoch and seq, if it is numbered
  std::uint64_t epoch = 0, seq = 0;
  channel_id channel{};
  message_ts ts{};  // of the message it is about: for message_changed message.ts, for message_deleted deleted_ts; for
                    // what is about no message its event_ts
  op_id op{};       // that the text names (message_changed: the new text)
  user_id user{};   // whom it is about: who posted, joined or left
  bool is_edited = false;
};

/// Writes a history down while it happens; any thread.
class recorder {
 public:
  explicit recorder(recorder_options options);

  client_index add_client(user_id user, std::string_view name);
  op_id new_op() { return {next_op_.fetch_add(1, std::memory_order_relaxed)}; }

  // -- what the run begins with
  void channel_made(channel_id channel, bool is_private);
  void member_added(channel_id channel, user_id user);

  // -- calls
  void invoked(const call& of);  // before the request leaves; again before each further try
  void acknowledged(const call& of, message_ts ts = {});
  void refused(const call& of, std::string_view error);  // ok:false; the checker knows which errors leave it open
  void unknown(const call& of, std::string_view why);

  // -- sockets
  /// Before rtm.connect. `previous`: the socket after which the client goes on, with the newest position (of an event
  /// or a gap; none where a gap named no epoch) that it has of each stream from there and from the sockets before.
  socket_index socket_opened(client_index client, std::string_view node, socket_index previous = {});
  /// `is_resumed`: both rtm.connect and hello said so.
  void socket_hello(socket_index socket, std::string_view session, bool is_resumed);
  void socket_closed(socket_index socket, std::string_view why);
  void received(const received_event& event);
  void gap_told(socket_index socket, std::string_view stream, std::uint64_t epoch, std::uint64_t seq);

  // -- the end: whole histories, by several readers over different nodes
  read_index read_begun(client_index client, channel_id channel, std::string_view node);
  void read_entry(read_index read, message_ts ts, op_id op, std::string_view subtype, bool is_edited);
  void read_ended(read_index read, bool is_whole);

  // -- presence
  void presence_watched(socket_index socket, user_id user);
  void presence_seen(socket_index socket, user_id user, bool is_active);
  void presence_truth(user_id user, bool is_active);

  // -- the run
  fault_index fault_begun(std::string_view kind, std::string_view target);
  void fault_ended(fault_index fault);
  /// Once: behind the last call and fault, when sockets were given the time to bring what was to come, and before the
  /// sockets are closed, the presence truths are told and the histories are read.
  void settled();

  std::size_t event_count() const;
  /// What was written down. REQUIRES: nothing is recorded any more.
  history take();

 private:
  name_index intern(std::string_view text);  // under the lock
  void add_call(const call& of, verify::phase phase, message_ts ts, std::string_view error);
  void append(history_event event);  // under the lock
  history_event of_socket(happening what, socket_index socket) const;
  struct socket_owner {
    client_index client{};
    name_index node{};
  };
  const socket_owner& socket_of(socket_index socket) const;

  const recorder_options options_;
  const std::chrono::steady_clock::time_point begin_;
  std::atomic<std::uint64_t> next_op_{1};
  mutable std::mutex mutex_;
  history written_;
  std::unordered_map<std::string, name_index> names_;
  std::vector<socket_owner> sockets_{{}};  // by socket_index
  std::uint32_t reads_ = 0, faults_ = 0;
};

}  // namespace throng::verify
