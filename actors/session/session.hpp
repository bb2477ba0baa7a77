// SPDX-License-Identifier: Apache-2.0
// SESSION: the entity of one signed-in device. Hands out tickets, knows which socket is the one that counts and whom it
// watches, keeps the cursors while there is no socket, and tells the USER and the PRESENCE BUCKET that it lives.
// Fan-out doesn't pass through it. It doesn't outlive its token: it ends when that expires, and looks every few minutes
// whether it was revoked. Kept in memory only: it moves as a whole, and one that dies with its node is brought back by
// its gateway, or opened anew by its client, under its id and with the cursors that the client has. It is where its
// id's slot is, not with its gateway: it carries no events, and so outlives the gateway that its client has lost.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

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
  /// How long a socket waits for the one whose place it takes to be closed, so that it is known what that was sent. One
  /// whose gateway doesn't answer isn't waited for any longer.
  duration detach_wait = std::chrono::milliseconds(500);
  duration refresh_retry = std::chrono::seconds(1);  // after it was brought back
  duration report_retry = std::chrono::seconds(2);  // of what the PRESENCE BUCKET hasn't heard; doubled up to heartbeat
  duration farewell_retry = std::chrono::seconds(2);  // until the USER has heard why a socket is to be closed
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
  void node_lost(node_index node, std::uint64_t incarnation) override;
  message_ptr snapshot() const override;
  message_ptr handover() const override;
  void take_over(const google::protobuf::Message& handed) override;
  static const protocol<session>& handlers();

  // -- the handlers, in the order of session.proto
  task<result<OpenSessionReply>> open(const OpenSessionRequest& request, const envelope& from);
  task<result<AttachReply>> attach(const AttachRequest& request, const envelope& from);
  result<Nothing> detach(const DetachNotice& notice, const envelope& from);
  result<PartReply> part(const PartRequest& request, const envelope& from);
  task<result<Nothing>> announce(const AnnounceRequest& request, const envelope& from);
  result<Nothing> watch_presence(const WatchPresenceRequest& request, const envelope& from);
  result<Nothing> active(const ActiveNotice& notice, const envelope& from);
  result<Nothing> set_away(const SetAwayNotice& notice, const envelope& from);
  result<Nothing> end(const EndSessionRequest& request, const envelope& from);

 private:
  session_id id() const { return {self().key().id}; }
  user_id owner() const { return {state_.caller().user()}; }
  /// To the PRESENCE BUCKET, until it has heard the latest.
  void report(bool is_active);
  task<> tell_presence(SessionOnlineNotice notice);
  void end_now();
  /// Ends, and has the gateway close the socket: with `why`, or as somebody wanted it.
  void end_for(std::optional<errc> why);
  /// Has a gateway of another node close a socket whose place was taken.
  void dismiss(std::uint64_t connection);
  void bid(SignedOut farewell);
  task<> tell_farewells();
  void go_on_attaching(steady_time until);
  bool is_token_over() const;
  /// Errors: token_revoked, token_expired. What can't be read now is read the next time.
  task<result<>> check_token();
  task<> refresh();
  task<result<>> ask_user();
  void schedule();

  const session_options& options_;  // the factory's, which outlives all entities
  session_state state_;
  bool is_manually_away_ = false;
  bool was_active_ = false;   // since the last report
  bool is_reviving_ = false;  // it was brought back, and asks its USER what it should know
  steady_time active_at_{};
  steady_time activity_reported_{};
  steady_time next_report_{};
  std::optional<steady_time> report_again_;  // the last one wasn't heard
  duration report_delay_;                    // until then
  std::uint64_t report_number_ = 0;
  steady_time next_refresh_{};
  std::deque<SignedOut> farewells_;  // not heard by the USER yet
  unsigned farewell_tries_ = 0;      // of the first
  bool is_telling_ = false;
  struct awaited_detach {
    steady_time until;
    std::function<void(bool)> go_on;
  };
  std::vector<awaited_detach> awaited_;  // of sockets whose place another one is about to take
};

/// The options are copied once and shared by all sessions.
entity_factory make_session_factory(const session_options& options);

}  // namespace throng
