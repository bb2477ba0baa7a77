// SPDX-License-Identifier: Apache-2.0
// PRESENCE SET: who of one bucket's users is there, and what has changed for those who watch. Pure data of one
// PRESENCE BUCKET, not thread-safe.
// A person is active while one of her devices is connected, she did something within `away_after`, and she isn't away
// by hand. A device that lost its socket counts for `flap_delay` more, so that a quick reconnect isn't seen; one that
// falls silent for `silent_after` is dropped. A person's state is sent at most once per `publish_interval`, and only if
// it differs from what was sent before.
// What is known is lost with the node. The first `recovery` the bucket hears of the sessions that there are; who is
// active is shown at once, that somebody isn't only at its end, together: the roll.
// Bounded by users and devices per user.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

class PresenceHandover;

class presence_set {
 public:
  using duration = std::chrono::steady_clock::duration;
  struct limits {
    duration away_after = std::chrono::minutes(10);
    duration flap_delay = std::chrono::seconds(10);
    duration silent_after = std::chrono::minutes(3);
    duration publish_interval = std::chrono::seconds(1);
    duration recovery = std::chrono::seconds(5);  // by then gateways have told of their sessions
    std::size_t users_max = 100'000;
    std::size_t devices_max = 100;  // per user; then the most silent one gives way
  };

  /// `started`: for `recovery` from then on, a person nobody has spoken of may have been shown as active before the
  /// bucket came up here.
  presence_set(limits bounds, steady_time started) : limits_(bounds), recovered_(started + bounds.recovery) {}

  struct report {
    user_id user;
    session_id session;
    std::uint32_t node = 0;
    std::uint64_t node_incarnation = 0;
    bool is_active = false;  // did something just now
    bool is_away = false;    // by hand; counts only for a person who is new here
    bool is_connected = false;
    std::optional<duration> idle;  // since she did something on that device, if that is known
    std::uint64_t number = 0;      // of the session's reports: one that comes late changes nothing; 0: it has none
  };
  /// Errors: overloaded (there are too many users); conflict (a later report of that session is known: nothing
  /// changes).
  result<> online(const report& what, steady_time now, wall_time wall);
  bool offline(user_id user, session_id session, steady_time now);
  bool set_away(user_id user, bool is_away, steady_time now);
  /// A gateway is gone: all its devices at once have lost their sockets.
  void lose_node(std::uint32_t node, std::uint64_t incarnation, steady_time now);

  struct changes {
    std::vector<user_id> active;
    std::vector<user_id> away;
  };
  /// What watchers don't know yet. Call it at next_due() or later.
  changes take_changes(steady_time now);
  /// Once, at the end of the recovery: all who are active; everybody else isn't.
  std::optional<std::vector<user_id>> take_roll(steady_time now);
  /// When one of them may have something to tell; none if nothing is going on.
  std::optional<steady_time> next_due() const;
  /// Whether she is away by hand, if that was said by set_away() here: then it isn't what some device remembers.
  std::optional<bool> chosen_away(user_id user) const;
  /// Whose devices may remember another choice of hers.
  std::vector<session_id> sessions_of(user_id user) const;
  bool knows(user_id user) const { return users_.contains(user); }

  struct state {
    bool is_active = false;
    bool is_online = false;
    bool is_auto_away = false;
    bool is_manually_away = false;
    std::uint32_t connection_count = 0;
    std::int64_t last_activity = 0;  // seconds since 1970
  };
  /// A person nobody has spoken of is away and offline.
  state query(user_id user, steady_time now) const;

  /// All of it, to go on elsewhere.
  PresenceHandover handover(steady_time now) const;
  /// REQUIRES: nothing is known yet. What is past the limits is left out.
  void take_over(const PresenceHandover& handed, steady_time now);

  std::size_t user_count() const { return users_.size(); }
  std::size_t session_count() const { return session_count_; }
  /// Some that are online.
  std::vector<user_id> online_users(std::size_t count_max, steady_time now) const;

 private:
  struct device {
    session_id session;
    std::uint32_t node = 0;
    std::uint64_t node_incarnation = 0;
    bool is_connected = false;
    steady_time counts_until{};  // unless something is heard of it
    std::uint64_t number = 0;    // of the last report
  };
  struct person {
    std::vector<device> devices;
    bool is_away = false;       // by hand
    bool has_chosen = false;    // so: set_away() said it
    std::optional<bool> shown;  // as active, to those who watch; none: it isn't known here
    steady_time last_active{};
    std::int64_t last_activity = 0;
    steady_time hold_until{};  // nothing is sent before
    steady_time keep_until{};  // remembered even without a device
    steady_time due = steady_time::max();
  };

  person* find_or_add(user_id user, steady_time now);
  bool is_online(const person& who, steady_time now) const;
  bool is_active(const person& who, steady_time now) const;
  static steady_time may_send_from(const person& who, bool active);
  void drop_silent(person& who, steady_time now);
  steady_time next_check(const person& who, steady_time now) const;
  void schedule(user_id user, person& who, steady_time at);
  /// After a report: due at once if there is something to tell.
  void reconsider(user_id user, person& who, steady_time now);

  limits limits_;
  steady_time recovered_;
  bool is_roll_due_ = true;
  std::unordered_map<user_id, person> users_;
  std::set<std::pair<steady_time, user_id>> due_;  // one entry for each person whose `due` isn't max
  std::size_t session_count_ = 0;
};

}  // namespace throng
