// SPDX-License-Identifier: Apache-2.0
// What a USER, or an admin, sets: profile, role, presence, do not disturb, preferences.
#include <algorithm>
#include <functional>

#include "actors/user/profile_rules.hpp"
#include "actors/user/user.hpp"
#include "actors/utf8.hpp"

namespace throng {

namespace {

constexpr std::size_t tokens_revoked_max = 10'000;

}  // namespace

task<result<UserReply>> user::set_profile(const SetProfileRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  auto changed = apply_profile(*data_.mutable_profile(), request.profile(), request.fields(), now_s());
  if (!changed) co_return changed.failure();
  if (*changed) {
    data_.set_updated(now_s());
    schedule();
    std::vector<Event> events;
    if (auto stored = co_await store_public(std::move(events), false); !stored) co_return stored.failure();
  } else if (auto settled = co_await stream_.settled(); !settled) {
    co_return settled.failure();
  }
  co_return describe();
}

task<result<UserReply>> user::set_role(const SetRoleRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  auto role = request.role();
  bool is_deactivated = role == SetRoleRequest::DEACTIVATED;
  if (role == SetRoleRequest::UNCHANGED || !SetRoleRequest::Role_IsValid(role)) co_return describe();
  if (data_.is_primary_owner() && role != SetRoleRequest::OWNER)
    co_return error{errc::restricted_action, "the primary owner stays what she is"};
  std::vector<write_op> ops;
  if (is_deactivated) {
    // For good: being activated again doesn't bring them back.
    auto revoked = co_await revoked_tokens();
    if (!revoked) co_return revoked.failure();
    ops = std::move(*revoked);
  }
  data_.set_is_deleted(is_deactivated);
  data_.set_is_owner(role == SetRoleRequest::OWNER);
  data_.set_is_admin(role == SetRoleRequest::OWNER || role == SetRoleRequest::ADMIN);
  data_.set_updated(now_s());
  ops.push_back(row());
  if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
  if (is_deactivated) end_sessions(SignedOut());
  if (auto told = co_await update_directory(false); !told) co_return told.failure();
  co_return describe();
}

task<result<std::vector<write_op>>> user::revoked_tokens() {
  std::function<result<std::vector<token_record>>(store_reader&)> query = [user = id()](store_reader& reader) {
    return reader.tokens_of(user, tokens_revoked_max);
  };
  auto tokens = co_await self().read(std::move(query));
  if (!tokens) co_return tokens.failure();
  std::vector<write_op> ops;
  for (auto& token : *tokens) {
    if (token.is_revoked) continue;
    token.is_revoked = true;
    ops.push_back(put_token{std::move(token)});
  }
  co_return ops;
}

task<result<Nothing>> user::set_manual_presence(const SetManualPresenceRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (data_.is_manually_away() != request.is_away()) {
    data_.set_is_manually_away(request.is_away());
    std::vector<write_op> ops{row()};
    if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
    Event event;
    event.mutable_manual_presence()->set_is_away(data_.is_manually_away());
    stream_.publish_unnumbered(std::move(event), delivery_class::message);
  }
  // Always, and waited for: what the bucket knows may be older than the row.
  SetAwayNotice notice;
  notice.set_user(id().value);
  notice.set_is_away(data_.is_manually_away());
  for (const auto& [session, live] : sessions_) self().tell(key_of(session), share(notice));
  auto told = co_await self().ask(key_of(presence_bucket_of(id())), std::move(notice), options_.ask_timeout);
  if (!told) co_return told.failure();
  co_return Nothing{};
}

Event user::dnd_event() const {
  Event event;
  event.mutable_own_dnd()->set_user(id().value);
  *event.mutable_own_dnd()->mutable_dnd() = data_.dnd();
  return event;
}

task<result<DndReply>> user::set_dnd(const SetDndRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  auto next = data_.dnd();
  switch (request.action()) {
    case SetDndRequest::SNOOZE:
      if (auto snoozed = snooze(next, request.minutes(), options_.snooze_minutes_max, now_s()); !snoozed)
        co_return snoozed.failure();
      break;
    case SetDndRequest::END_SNOOZE:
      if (auto ended = end_snooze(next, now_s()); !ended) co_return ended.failure();
      break;
    case SetDndRequest::END_DND:
      end_dnd(next, now_s());
      break;
    default:
      co_return errc::invalid_arguments;
  }
  *data_.mutable_dnd() = std::move(next);
  schedule();
  std::vector<Event> events;
  events.push_back(dnd_event());
  if (auto stored = co_await store_public(std::move(events), true); !stored) co_return stored.failure();
  DndReply reply;
  *reply.mutable_dnd() = data_.dnd();
  co_return reply;
}

task<result<Nothing>> user::set_pref(const SetPrefRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (request.name().empty() || !code_point_count(request.name()))
    co_return error{errc::invalid_arguments, "a preference has a name"};
  if (request.name().size() + request.value_json().size() > options_.pref_bytes_max)
    co_return error{errc::invalid_arguments,
                    "a preference has at most " + std::to_string(options_.pref_bytes_max) + " bytes"};
  auto& prefs = *data_.mutable_prefs();
  bool is_new = !prefs.contains(request.name());
  if (is_new && prefs.size() >= options_.prefs_max)
    co_return error{errc::invalid_arguments,
                    "there are " + std::to_string(options_.prefs_max) + " preferences already"};
  std::vector<write_op> ops;
  std::vector<Event> events;
  if (is_new || prefs.at(request.name()) != request.value_json()) {
    prefs[request.name()] = request.value_json();
    ops.push_back(row());
    auto& changed = *events.emplace_back().mutable_pref_changed();
    changed.set_name(request.name());
    changed.set_value_json(request.value_json());
  }
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored.failure();
  co_return Nothing{};
}

task<result<Nothing>> user::reacted(const ReactedNotice& notice, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  auto& items = *data_.mutable_reacted();
  auto found = std::ranges::find_if(
      items, [&](const ReactedItem& item) { return item.channel() == notice.channel() && item.ts() == notice.ts(); });
  bool is_known = found != items.end();
  if (is_known) items.erase(found);
  if (notice.is_added()) {
    auto& item = *items.Add();
    item.set_channel(notice.channel());
    item.set_ts(notice.ts());
    if (static_cast<std::size_t>(items.size()) > options_.reacted_max) items.DeleteSubrange(0, 1);
  }
  std::vector<write_op> ops;
  if (is_known || notice.is_added()) ops.push_back(row());
  if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
  co_return Nothing{};
}

}  // namespace throng
