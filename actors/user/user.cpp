// SPDX-License-Identifier: Apache-2.0
#include "actors/user/user.hpp"

#include <algorithm>
#include <functional>

#include "actors/stream/relative_time.hpp"
#include "actors/user/profile_rules.hpp"
#include "actors/workspace/workspace_directory.hpp"

namespace throng {

namespace {

constexpr std::size_t rows_read_at_once = 10'000;
constexpr int channels_shown = 1'000;

struct stored_user {
  bool exists = false;
  UserData data;
  std::vector<membership_record> channels;
};

result<stored_user> read_user(store_reader& reader, user_id user) {
  stored_user all;
  auto row = reader.user(user);
  if (!row && row.code() == errc::not_found) return all;
  if (!row) return row.failure();
  if (!all.data.ParseFromString(row->data))
    return error{errc::internal_error, "the row of " + to_text(user) + " is unreadable"};
  all.exists = true;
  for (channel_id after{};;) {
    auto page = reader.memberships(user, after, rows_read_at_once);
    if (!page) return page.failure();
    all.channels.insert(all.channels.end(), page->begin(), page->end());
    if (page->size() < rows_read_at_once) return all;
    after = page->back().channel;
  }
}

}  // namespace

user::user(entity_context& self, const user_options& options)
    : entity(self), options_(options), stream_(self, options.stream) {}

const protocol<user>& user::handlers() {
  static const protocol<user> table{
      on(&user::create),         on(&user::info),
      on(&user::set_profile),    on(&user::set_role),
      on(&user::channels),       on(&user::add_channel),
      on(&user::remove_channel), on(&user::mark),
      on(&user::show_direct),    on(&user::set_manual_presence),
      on(&user::set_dnd),        on(&user::set_pref),
      on(&user::reacted),        on(&user::show),
      on(&user::sign_out),       on(&user::session_started),
      on(&user::session_ended),  on(&user::replay),
  };
  return table;
}

void user::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> user::load() {
  if (auto loaded = co_await stream_.load(); !loaded) co_return loaded;
  std::function<result<stored_user>(store_reader&)> query = [user = id()](store_reader& reader) {
    return read_user(reader, user);
  };
  auto stored = co_await self().read(std::move(query));
  if (!stored) co_return stored.failure();
  // One that doesn't exist is active too: it says so to everyone, until it is created.
  if (!stored->exists) co_return done;
  data_ = std::move(stored->data);
  for (const auto& each : stored->channels)
    channels_.emplace_hint(channels_.end(), each.channel,
                           listed_channel{each.last_read.micros, each.is_open, each.is_listed, each.is_private});
  // A crash may have come between the row and the directory. Saying it again costs nothing.
  UserChangedRequest reminder;
  *reminder.mutable_user() = public_part(data_);
  self().tell(key_of(team_id{data_.team()}), share(std::move(reminder)));
  schedule();
  co_return done;
}

message_ptr user::snapshot() const {
  UserSnapshot all;
  *all.mutable_user() = data_;
  for (const auto& [channel, listed] : channels_) {
    if (all.channels_size() == channels_shown) break;
    auto& each = *all.add_channels();
    each.set_channel(channel.value);
    each.set_last_read(listed.last_read);
    each.set_is_open(listed.is_open);
    each.set_is_private(listed.is_private);
  }
  for (const auto& [session, live] : sessions_) all.add_sessions(session.value);
  all.set_seq(stream_.end());
  return share(std::move(all));
}

message_ptr user::handover() const {
  if (!stream_.has_recent() && sessions_.empty() && !is_directory_stale_ && !is_dnd_untold_) return nullptr;
  UserHandover all;
  *all.mutable_recent() = stream_.handover();
  for (const auto& [session, live] : sessions_) {
    auto& each = *all.add_sessions();
    each.set_session(session.value);
    each.set_token_hash(live.token_hash);
    each.set_ago_ms(milliseconds_of(self().now() - live.heard));
  }
  all.set_is_directory_stale(is_directory_stale_);
  all.set_is_dnd_untold(is_dnd_untold_);
  return share(std::move(all));
}

void user::take_over(const google::protobuf::Message& handed) {
  const auto* all = dynamic_cast<const UserHandover*>(&handed);
  if (!all || !check_exists()) return;
  stream_.take_over(all->recent());
  for (const auto& each : all->sessions())
    sessions_[session_id{each.session()}] = {each.token_hash(), self().now() - milliseconds_from(each.ago_ms())};
  is_directory_stale_ = all->is_directory_stale();
  is_dnd_untold_ = all->is_dnd_untold();
  schedule();
}

result<> user::check_exists() const { return data_.id() != 0 ? result<>(done) : errc::user_not_found; }

UserReply user::describe() const {
  UserReply reply;
  *reply.mutable_user() = data_;
  reply.set_epoch(self().epoch());
  reply.set_seq(stream_.end());
  return reply;
}

write_op user::row() const { return put_user{user_record{id(), {data_.team()}, data_.SerializeAsString()}}; }

write_op user::row(channel_id channel, const listed_channel& listed) const {
  return put_membership{
      membership_record{id(), channel, {listed.last_read}, listed.is_open, listed.is_listed, listed.is_private}};
}

// -- what others may know
// ----------------------------------------------------------------------------------------------

task<result<>> user::store_public(std::vector<Event> events, bool has_new_dnd) {
  std::vector<write_op> ops{row()};
  if (auto stored = co_await stream_.commit(std::move(ops), std::move(events)); !stored) co_return stored;
  co_return co_await update_directory(has_new_dnd);
}

task<result<>> user::update_directory(bool has_new_dnd) {
  is_dnd_untold_ |= has_new_dnd;
  UserChangedRequest request;
  *request.mutable_user() = public_part(data_);
  if (std::exchange(is_dnd_untold_, false)) {
    has_new_dnd = true;
    *request.mutable_user()->mutable_dnd() = data_.dnd();
  }
  auto told = co_await self().ask(key_of(team_id{data_.team()}), std::move(request), options_.ask_timeout);
  if (told) co_return done;
  is_directory_stale_ = true;
  is_dnd_untold_ |= has_new_dnd;
  schedule();
  co_return told.failure();
}

task<> user::retry_directory() {
  is_directory_stale_ = false;
  (void)co_await update_directory(false);  // what fails is tried again
}

// -- time
// --------------------------------------------------------------------------------------------------------------

void user::schedule() {
  if (is_directory_stale_) {
    self().stay_active(true);
    self().wake_after(options_.retry_delay);
    return;
  }
  auto at = next_expiry(data_);
  auto left = std::chrono::seconds(at - now_s());
  bool waits = at != 0 && left <= options_.waited_for_max;
  self().stay_active(waits);
  if (waits) self().wake_after(std::max(left, std::chrono::seconds(0)));
}

void user::wake() {
  if (is_directory_stale_)
    spawn(retry_directory());
  else
    spawn(expire());
}

task<> user::expire() {
  bool has_status = expire_status(*data_.mutable_profile(), now_s());
  bool has_dnd = data_.has_dnd() && expire_dnd(*data_.mutable_dnd(), now_s());
  if (has_status || has_dnd) {
    data_.set_updated(now_s());
    std::vector<Event> events;
    if (has_dnd) events.push_back(dnd_event());
    (void)co_await store_public(std::move(events), has_dnd);  // the directory is tried again by itself
  }
  if (!is_directory_stale_) schedule();
}

// -- the person herself
// ------------------------------------------------------------------------------------------------

task<result<UserReply>> user::create(const CreateUserRequest& request, const envelope&) {
  if (check_exists()) {
    bool is_same = data_.team() == request.user().team() && data_.name() == request.user().name();
    if (!is_same) co_return error{errc::conflict, to_text(id()) + " is somebody else"};
    if (auto settled = co_await stream_.settled(); !settled) co_return settled.failure();
    co_return describe();
  }
  if (request.user().id() != id().value || request.user().team() == 0)
    co_return error{errc::invalid_arguments, "it isn't the data of " + to_text(id())};
  data_ = request.user();
  std::vector<write_op> ops{row()};
  if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
  co_return describe();
}

result<UserReply> user::info(const GetUserRequest&, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  return describe();
}

task<result<ReplayReply>> user::replay(const ReplayRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (request.user() != 0 && request.user() != id().value) co_return errc::user_not_found;
  co_return co_await stream_.replay(request);
}

entity_factory make_user_factory(const user_options& options) {
  return [shared = std::make_shared<const user_options>(options)](entity_context& self) -> std::unique_ptr<entity> {
    return std::make_unique<user>(self, *shared);
  };
}

}  // namespace throng
