// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/channel_state.hpp"

#include "actors/channel/message_rules.hpp"

namespace throng {

namespace {

// Slack's `updated` is in milliseconds, everything else in seconds.
std::int64_t millis_of(wall_time t) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}

bool is_bot(const Caller& caller) { return caller.bot() != 0; }

}  // namespace

void channel_state::set(ChannelData data, member_set members) {
  data_ = std::move(data);
  members_ = std::move(members);
}

ChannelData channel_state::described() const {
  auto copy = data_;
  copy.set_member_count(static_cast<std::uint32_t>(members_.count()));
  return copy;
}

result<> channel_state::may_see(const Caller& caller) const {
  if (!exists()) return errc::channel_not_found;
  if (!data_.is_private() && !is_direct() && caller.team() == data_.team()) return done;
  if (is_member(caller)) return done;
  return errc::channel_not_found;
}

result<> channel_state::may_read(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_bot(caller) && !is_member(caller)) return errc::not_in_channel;
  return done;
}

result<> channel_state::may_post(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (!is_member(caller)) return errc::not_in_channel;
  if (data_.is_archived()) return errc::is_archived;
  return done;
}

result<> channel_state::may_react(const Caller& caller) const {
  if (auto reads = may_read(caller); !reads) return reads;
  if (data_.is_archived()) return errc::is_archived;
  return done;
}

result<> channel_state::may_join(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (is_member(caller)) return done;
  if (data_.is_archived()) return errc::is_archived;
  if (members_.count() >= limits_.members_max) return error{errc::restricted_action, "the channel is full"};
  return done;
}

result<> channel_state::may_leave(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (!is_member(caller)) return done;
  if (data_.is_general()) return errc::cant_leave_general;
  if (data_.is_archived()) return errc::is_archived;
  // Nobody could ever come into a private channel again; a public one can be joined.
  if (data_.is_private() && members_.count() == 1) return errc::last_member;
  return done;
}

result<> channel_state::may_invite(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (!is_member(caller)) return errc::not_in_channel;
  if (data_.is_archived()) return errc::is_archived;
  return done;
}

result<> channel_state::may_be_invited(const Caller& caller, user_id guest) const {
  if (guest.value == caller.user()) return errc::cant_invite_self;
  if (members_.contains(guest)) return errc::already_in_channel;
  if (!guest || members_.count() >= limits_.members_max) return errc::cant_invite;
  return done;
}

// Who made the channel, and admins.
bool channel_state::is_manager(const Caller& caller) const {
  return caller.is_admin() || caller.user() == data_.creator();
}

result<> channel_state::may_kick(const Caller& caller, user_id target) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (!is_member(caller)) return errc::not_in_channel;
  if (target.value == caller.user()) return errc::cant_kick_self;
  if (data_.is_general()) return errc::cant_kick_from_general;
  // As Slack has it by default: members of a private channel manage it among themselves.
  if (!data_.is_private() && !is_manager(caller)) return errc::restricted_action;
  if (!members_.contains(target)) return errc::not_in_channel;
  return done;
}

result<> channel_state::may_rename(const Caller& caller) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (!is_member(caller) && !caller.is_admin()) return errc::not_in_channel;
  if (data_.is_archived()) return errc::is_archived;
  if (!is_manager(caller)) return errc::not_authorized;
  return done;
}

result<> channel_state::may_describe(const Caller& caller, std::string_view text) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (kind() == channel_kind::im) return errc::method_not_supported_for_channel_type;
  if (!is_member(caller)) return errc::not_in_channel;
  if (data_.is_archived()) return errc::is_archived;
  if (is_longer_than(text, limits_.topic_chars_max)) return errc::too_long;
  return done;
}

result<> channel_state::may_archive(const Caller& caller, bool is_archived) const {
  if (auto sees = may_see(caller); !sees) return sees;
  if (is_direct()) return errc::method_not_supported_for_channel_type;
  if (is_archived && data_.is_general()) return errc::cant_archive_general;
  if (!is_member(caller) && !caller.is_admin()) return errc::not_in_channel;
  if (is_archived == data_.is_archived()) return is_archived ? errc::already_archived : errc::not_archived;
  return done;
}

result<> channel_state::may_pin(message_ts ts, bool is_added) const {
  auto is_pinned = std::ranges::any_of(data_.pins(), [&](const Pin& each) { return each.ts() == ts.micros; });
  if (!is_added) return is_pinned ? result<>(done) : errc::no_pin;
  if (is_pinned) return errc::already_pinned;
  if (static_cast<std::size_t>(data_.pins_size()) >= limits_.pins_max)
    return error{errc::not_pinnable, "the channel has " + std::to_string(data_.pins_size()) + " pins already"};
  return done;
}

void channel_state::rename(std::string name, wall_time now) {
  auto& former = *data_.mutable_previous_names();
  former.Add(std::move(*data_.mutable_name()));
  if (static_cast<std::size_t>(former.size()) > limits_.previous_names_max) former.DeleteSubrange(0, 1);
  data_.set_name(std::move(name));
  data_.set_updated(millis_of(now));
}

void channel_state::describe(bool is_purpose, std::string text, user_id by, wall_time now) {
  auto& topic = is_purpose ? *data_.mutable_purpose() : *data_.mutable_topic();
  topic.set_value(std::move(text));
  topic.set_creator(by.value);
  topic.set_last_set(seconds_of(now));
  data_.set_updated(millis_of(now));
}

void channel_state::archive(bool is_archived, wall_time now) {
  data_.set_is_archived(is_archived);
  data_.set_updated(millis_of(now));
}

void channel_state::pin(message_ts ts, user_id by, wall_time now) {
  auto& pin = *data_.add_pins();
  pin.set_ts(ts.micros);
  pin.set_user(by.value);
  pin.set_created(seconds_of(now));
}

bool channel_state::unpin(message_ts ts) {
  auto& pins = *data_.mutable_pins();
  auto found = std::ranges::find(pins, ts.micros, &Pin::ts);
  if (found == pins.end()) return false;
  pins.erase(found);
  return true;
}

}  // namespace throng
