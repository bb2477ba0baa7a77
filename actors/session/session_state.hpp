// SPDX-License-Identifier: Apache-2.0
// SESSION STATE: the life of one signed-in device. Pure data of one SESSION, not thread-safe.
//
//            open()            attach()             detach()              window over
//   unborn ─────────► opened ───────────► attached ──────────► detached ─────────────► ended
//                        │ ticket expires    ▲  │ attach(): the older     │ open(): a new ticket
//                        └──► ended          │  ▼ connection is replaced  │
//                                            └────────── attach() ◄───────┘
//
// A ticket opens one websocket once. What its gateway needs to bring it back when the SESSION's node dies is the seed;
// announced by a gateway, an unborn session is attached, and of two sockets the one that came later counts.
// Bounded: two tickets, `cursors_max` cursors, `watched_max` people.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/proto/session.pb.h"
#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

using ticket_bytes = std::array<std::uint8_t, 16>;

/// Takes the same time wherever they differ.
bool is_same_ticket(const ticket_bytes& mine, std::string_view theirs);

class session_state {
 public:
  struct limits {
    std::chrono::steady_clock::duration resume_window = std::chrono::minutes(5);
    std::chrono::steady_clock::duration ticket_ttl = std::chrono::seconds(30);  // the longest, and the default
    std::size_t cursors_max = 10'000;
    std::size_t watched_max = 5'000;
  };
  enum class phase : std::uint8_t { unborn, opened, attached, detached, ended };

  explicit session_state(limits bounds) : limits_(bounds) {}

  /// Whether open() would succeed. Errors: not_found (nothing to resume: it has ended, or nothing is known of it and
  /// the request names no cursors), conflict (the id is someone else's session),
  /// invalid_arguments (too many cursors).
  result<> may_open(const OpenSessionRequest& request) const;
  /// Takes the request and makes `ticket` the one that counts. Errors: as may_open().
  result<> open(const OpenSessionRequest& request, const ticket_bytes& ticket, steady_time now);
  /// `reconnect` becomes the ticket that opens one more socket, afresh, while the session lives.
  /// Error: invalid_auth (wrong, used or expired ticket); it changes nothing.
  result<AttachReply> attach(const AttachRequest& request, const ticket_bytes& reconnect, steady_time now,
                             wall_time wall = {});
  /// A gateway tells of a socket that it has. `revived`: nothing was known of the session, and it is here again.
  /// `replaced`: it takes the place of another socket, which is in `previous`. Errors: conflict (another socket came
  /// later, or the session has ended), invalid_arguments (the seed is none).
  enum class announced : std::uint8_t { known, revived, replaced };
  struct announcement {
    announced what = announced::known;
    std::uint64_t previous = 0;
  };
  result<announcement> announce(const AnnounceRequest& request, steady_time now);
  /// The socket is told to go elsewhere: `ticket` opens one that starts exactly behind `request`'s cursors.
  /// Error: not_found (it isn't the socket that counts).
  result<PartReply> part(const PartRequest& request, const ticket_bytes& ticket, steady_time now);
  /// False if the connection isn't the one that counts (any more).
  bool detach(const DetachNotice& notice, steady_time now);
  /// Its gateway is gone. False if the socket was elsewhere, or on a later life of that node.
  bool lose_gateway(std::uint32_t node, std::uint64_t incarnation, steady_time now);
  bool watch(const WatchPresenceRequest& request);
  /// False if it wasn't alive.
  bool end();

  phase now_in() const { return phase_; }
  bool is_alive() const { return phase_ != phase::unborn && phase_ != phase::ended; }
  bool is_connected() const { return phase_ == phase::attached; }
  bool starts_at_cursors() const { return starts_at_cursors_; }
  const Caller& caller() const { return caller_; }
  const std::string& token_hash() const { return token_hash_; }
  /// Seconds since 1970; 0: never.
  std::int64_t token_expires() const { return token_expires_; }
  bool is_reconnect(std::string_view ticket) const {
    return reconnect_ticket_ && is_same_ticket(*reconnect_ticket_, ticket);
  }
  /// Whether attach() would succeed.
  bool may_attach(std::string_view ticket, steady_time now) const;
  std::uint32_t node() const { return node_; }
  std::uint64_t node_incarnation() const { return node_incarnation_; }
  std::uint64_t connection() const { return connection_; }
  /// When it ends if nothing comes before; none while it is connected or not alive.
  std::optional<steady_time> ends_at() const;

  /// All of it, to go on elsewhere.
  SessionHandover handover(steady_time now) const;
  /// REQUIRES: unborn. False, and nothing is changed, for what isn't within the limits.
  bool take_over(const SessionHandover& handed, steady_time now);

  /// `wall_now` turns steady times into wall times.
  SessionSnapshot snapshot(steady_time now, wall_time wall_now) const;

 private:
  google::protobuf::RepeatedPtrField<StreamCursor> take_cursors();
  SessionSeed seed() const;
  bool opens_with(std::string_view ticket, steady_time now) const;

  limits limits_;
  phase phase_ = phase::unborn;
  Caller caller_;
  std::string token_hash_;
  std::int64_t token_expires_ = 0;
  std::string user_agent_;
  bool has_presence_sub_ = false;
  bool has_presence_batches_ = false;
  bool starts_at_cursors_ = false;
  bool may_post_ = false;
  std::optional<ticket_bytes> ticket_;
  steady_time ticket_ends_{};
  std::optional<ticket_bytes> reconnect_ticket_;  // one that follows a reconnect_url comes without positions
  std::string base_url_;
  steady_time started_{};
  steady_time detached_{};
  std::int64_t started_s_ = 0;    // the same by the wall clock; it outlives this node
  std::uint64_t attachment_ = 0;  // microseconds of the wall clock, so that a session that was brought back goes on
  std::uint64_t connection_ = 0;
  std::uint32_t node_ = 0;
  std::uint64_t node_incarnation_ = 0;
  std::string peer_;
  google::protobuf::RepeatedPtrField<StreamCursor> cursors_;  // while detached: what the socket was sent
  google::protobuf::RepeatedPtrField<StreamCursor> seen_;     // from the ticket to its socket: what the client has seen
  google::protobuf::RepeatedField<std::uint64_t> watched_;
};

}  // namespace throng
