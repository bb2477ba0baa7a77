// SPDX-License-Identifier: Apache-2.0
// SESSION: the entity of one signed-in device. Hands out tickets, knows which socket is the one that counts and whom it
// watches, keeps the cursors while there is no socket, and tells the USER and the PRESENCE BUCKET that it lives.
// Fan-out doesn't pass through it. It doesn't outlive its token: it ends when that expires, and looks every few minutes
// whether it was revoked. Kept in memory only: one that dies with its node is opened anew by its client, with the
// cursors of the old one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "actors/protocol.hpp"
#include "actors/session/session_state.hpp"
#include "cluster/entity.hpp"
#include "cluster/protocol.hpp"

namespace throng {

struct session_options {
  session_state::limits limits;
  duration ask_timeout = std::chrono::seconds(5);
  duration heartbeat = std::chrono::seconds(60);          // to the PRESENCE BUCKET, while connected; ± 10 %
  duration user_refresh = std::chrono::minutes(5);        // to the USER
  duration activity_interval = std::chrono::seconds(30);  // more activity than that is not passed on
  duration farewell_retry = std::chrono::seconds(2);      // until the USER has heard why a socket is to be closed
  unsigned farewell_tries_max = 30;
  /// Fills bytes that nobody can guess; the system's if empty. Any thread.
  std::function<void(std::span<std::uint8_t>)> random_bytes;
};

class session final : public entity {
 public:
  session(entity_context& self, const session_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  message_ptr snapshot() const override;
  static const protocol<session>& handlers();

  // -- the handlers, in the order of session.proto
  task<result<OpenSessionReply>> open(const OpenSessionRequest& request, const envelope& from);
  task<result<AttachReply>> attach(const AttachRequest& request, const envelope& from);
  result<Nothing> detach(const DetachNotice& notice, const envelope& from);
  result<Nothing> watch_presence(const WatchPresenceRequest& request, const envelope& from);
  result<Nothing> active(const ActiveNotice& notice, const envelope& from);
  result<Nothing> end(const EndSessionRequest& request, const envelope& from);

 private:
  session_id id() const { return {self().key().id}; }
  user_id owner() const { return {state_.caller().user()}; }
  /// To the PRESENCE BUCKET.
  void report(bool is_active);
  void end_now();
  /// Ends, and has the gateway close the socket: with `why`, or as somebody wanted it.
  void end_for(std::optional<errc> why);
  task<> tell_farewell();
  bool is_token_over() const;
  /// Errors: token_revoked, token_expired. What can't be read now is read the next time.
  task<result<>> check_token();
  task<> refresh();
  void schedule();

  const session_options& options_;  // the factory's, which outlives all entities
  session_state state_;
  bool is_manually_away_ = false;
  bool was_active_ = false;  // since the last report
  steady_time activity_reported_{};
  steady_time next_report_{};
  steady_time next_refresh_{};
  std::optional<SignedOut> farewell_;  // not heard by the USER yet
  unsigned farewell_tries_ = 0;
};

/// The options are copied once and shared by all sessions.
entity_factory make_session_factory(const session_options& options);

}  // namespace throng
