// SPDX-License-Identifier: Apache-2.0
// PRESENCE BUCKET: the entity of a 1,024th of all users: who of them is there. Learns it from their SESSIONs, tells it
// to the gateways that subscribed to the bucket, in batches, and answers questions from memory. Nothing is stored:
// after an activation the sessions' heartbeats tell it all again.
#pragma once

#include <chrono>
#include <cstddef>
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
};

class presence final : public entity {
 public:
  presence(entity_context& self, const presence_options& options);

  task<result<>> load() override;
  void receive(std::shared_ptr<const envelope> message) override;
  void wake() override;
  message_ptr snapshot() const override;
  static const protocol<presence>& handlers();

  // -- the handlers, in the order of session.proto
  result<Nothing> session_online(const SessionOnlineNotice& notice, const envelope& from);
  result<Nothing> session_offline(const SessionOfflineNotice& notice, const envelope& from);
  result<Nothing> set_away(const SetAwayNotice& notice, const envelope& from);
  result<PresenceReply> query(const PresenceQuery& request, const envelope& from);

 private:
  PresenceReply::State state_of(user_id user) const;
  void publish(const std::vector<user_id>& users, bool is_active);
  result<Nothing> noted(bool has_room);
  void schedule();
  void tell_changes();

  const presence_options& options_;  // the factory's, which outlives all entities
  presence_set users_;
  steady_time wakes_at_ = steady_time::max();
};

/// The options are copied once and shared by all buckets.
entity_factory make_presence_factory(const presence_options& options);

}  // namespace throng
