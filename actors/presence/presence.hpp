// SPDX-License-Identifier: Apache-2.0
// PRESENCE BUCKET: the entity of a 1,024th of all users: who of them is there. Learns it from their SESSIONs, tells it
// to the gateways that subscribed to the bucket, in batches, and answers questions from memory. Nothing is stored: it
// moves as a whole. Else it begins with a census, upon which the gateways announce the sessions that they have sockets
// of; those that subscribe anew, because the bucket's slot has moved, do so by themselves. When a member dies it drops
// that one's sockets.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "actors/presence/presence_set.hpp"
#include "actors/protocol.hpp"
#include "cluster/entity.hpp"
#include "cluster/protocol.hpp"

namespace throng {

struct presence_options {
  presence_set::limits limits;
  duration batch_delay = std::chrono::milliseconds(100);  // changes within it travel together
  std::size_t batch_users_max = 1'000;
  std::size_t query_users_max = 1'000;
  duration census_wait = std::chrono::milliseconds(1'200);  // a question about somebody unknown waits so long
};

class presence final : public entity {
 public:
  presence(entity_context& self, const presence_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  void node_lost(node_index node, std::uint64_t incarnation) override;
  message_ptr snapshot() const override;
  message_ptr handover() const override;
  task<result<>> load_from(message_ptr handed) override;
  static const protocol<presence>& handlers();

  // -- the handlers, in the order of session.proto
  result<Nothing> session_online(const SessionOnlineNotice& notice, const envelope& from);
  result<Nothing> session_offline(const SessionOfflineNotice& notice, const envelope& from);
  result<Nothing> set_away(const SetAwayNotice& notice, const envelope& from);
  task<result<PresenceReply>> query(const PresenceQuery& request, const envelope& from);

 private:
  PresenceReply::State state_of(user_id user) const;
  void publish(const std::vector<user_id>& users, bool is_active);
  void publish(Event event);
  /// Is it too early to say of somebody unknown that she isn't there?
  bool is_counting() const { return self().now() < counted_at_; }
  void remind(user_id user, session_id session, bool is_away);
  result<Nothing> noted(bool has_room);
  void schedule();
  void tell_changes();

  const presence_options& options_;  // the factory's, which outlives all entities
  presence_set users_;
  steady_time counted_at_;
  std::vector<std::function<void(bool)>> waiting_;  // questions, until then
  steady_time wakes_at_ = steady_time::max();
};

/// The options are copied once and shared by all buckets.
entity_factory make_presence_factory(const presence_options& options);

}  // namespace throng
