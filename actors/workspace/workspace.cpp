// SPDX-License-Identifier: Apache-2.0
#include "actors/workspace/workspace.hpp"

#include <algorithm>
#include <functional>

#include "actors/workspace/name_rules.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::size_t rows_read_at_once = 10'000;
constexpr std::size_t team_name_bytes_max = 255;
constexpr int names_shown = 100;

struct stored_workspace {
  bool exists = false;
  WorkspaceData data;
  std::vector<UserData> users;
  std::vector<ChannelData> channels;
  std::vector<InstalledApp> apps;
};

template <class Row>
result<> read_directory(store_reader& reader, team_id team, directory_record::kind_t kind, std::vector<Row>& into) {
  for (std::uint64_t after = 0;;) {
    auto page = reader.directory(team, kind, after, rows_read_at_once);
    if (!page) return page.failure();
    for (const auto& each : *page) {
      if (!into.emplace_back().ParseFromString(each.data))
        return error{errc::internal_error,
                     "row " + std::to_string(each.id) + " of " + to_text(team) + "'s directory is unreadable"};
    }
    if (page->size() < rows_read_at_once) return done;
    after = page->back().id;
  }
}

result<stored_workspace> read_workspace(store_reader& reader, team_id team) {
  stored_workspace all;
  auto row = reader.workspace(team);
  if (!row && row.code() == errc::not_found) return all;
  if (!row) return row.failure();
  if (!all.data.ParseFromString(row->data))
    return error{errc::internal_error, "the row of " + to_text(team) + " is unreadable"};
  all.exists = true;
  using kind_t = directory_record::kind_t;
  if (auto read = read_directory(reader, team, kind_t::user, all.users); !read) return read.failure();
  if (auto read = read_directory(reader, team, kind_t::channel, all.channels); !read) return read.failure();
  if (auto read = read_directory(reader, team, kind_t::app, all.apps); !read) return read.failure();
  return all;
}

}  // namespace

workspace::workspace(entity_context& self, const workspace_options& options)
    : entity(self),
      options_(options),
      stream_(self, options.stream),
      turns_(options.turns_waiting_max),
      retry_delay_(options.retry_delay) {}

const protocol<workspace>& workspace::handlers() {
  static const protocol<workspace> table{
      on(&workspace::create),         on(&workspace::info),           on(&workspace::create_member),
      on(&workspace::user_changed),   on(&workspace::users),          on(&workspace::find_users),
      on(&workspace::create_channel), on(&workspace::rename_channel), on(&workspace::channel_updated),
      on(&workspace::channels),       on(&workspace::find_channels),  on(&workspace::install_app),
      on(&workspace::find_bot),       on(&workspace::replay),         on(&workspace::count_members),
  };
  return table;
}

void workspace::receive(std::shared_ptr<const envelope> message) { handlers().dispatch(*this, std::move(message)); }

task<result<>> workspace::load() {
  if (auto loaded = co_await stream_.load(); !loaded) co_return loaded;
  std::function<result<stored_workspace>(store_reader&)> query = [team = id()](store_reader& reader) {
    return read_workspace(reader, team);
  };
  auto stored = co_await self().read(std::move(query));
  if (!stored) co_return stored.failure();
  // One that doesn't exist is active too: it says so to everyone, until it is created.
  if (!stored->exists) co_return done;
  data_ = std::move(stored->data);
  for (auto& user : stored->users) directory_.put_user(std::move(user));
  for (auto& channel : stored->channels) directory_.put_channel(std::move(channel));
  for (auto& app : stored->apps) directory_.put_app(std::move(app));
  if (!directory_.unfinished_channels().empty() || !directory_.unfinished_users().empty()) retry_soon();
  co_return done;
}

void workspace::wake() { spawn(finish_unfinished()); }

void workspace::retry_soon() {
  if (is_retrying_) return;
  is_retrying_ = true;
  self().stay_active(true);
  self().wake_after(retry_delay_);
  retry_delay_ = std::min(retry_delay_ * 2, options_.retry_delay_max);
}

task<> workspace::finish_unfinished() {
  is_retrying_ = false;
  for (auto channel : directory_.unfinished_channels()) {
    const auto* row = directory_.find_channel(channel);
    if (!row) continue;
    auto work = row->is_pending() ? make_channel(channel, as_creator(*row)) : finish_rename(channel);
    (void)co_await in_turn(channel.value, std::move(work));  // what fails calls retry_soon() itself
  }
  for (auto user : directory_.unfinished_users()) (void)co_await in_turn(user.value, make_member(user));
  if (is_retrying_) co_return;
  retry_delay_ = options_.retry_delay;
  self().stay_active(false);
}

message_ptr workspace::snapshot() const {
  WorkspaceSnapshot all;
  *all.mutable_workspace() = data_;
  all.set_user_count(static_cast<std::uint32_t>(directory_.user_count()));
  all.set_channel_count(static_cast<std::uint32_t>(directory_.channel_count()));
  all.set_app_count(static_cast<std::uint32_t>(directory_.app_count()));
  all.set_seq(stream_.end());
  workspace_directory::channel_filter all_public;
  for (const auto* channel : directory_.channels({}, names_shown, all_public).rows)
    all.add_first_channels(channel->name());
  for (const auto* user : directory_.users({}, names_shown).rows) all.add_first_users(user->name());
  return share(std::move(all));
}

message_ptr workspace::handover() const {
  if (!stream_.has_recent()) return nullptr;
  WorkspaceHandover all;
  *all.mutable_recent() = stream_.handover();
  return share(std::move(all));
}

void workspace::take_over(const google::protobuf::Message& handed) {
  if (const auto* all = dynamic_cast<const WorkspaceHandover*>(&handed)) stream_.take_over(all->recent());
}

result<> workspace::check_exists() const { return data_.id() != 0 ? result<>(done) : errc::team_not_found; }

WorkspaceReply workspace::describe() const {
  WorkspaceReply reply;
  *reply.mutable_workspace() = data_;
  reply.set_epoch(self().epoch());
  reply.set_seq(stream_.end());
  reply.set_user_count(static_cast<std::uint32_t>(directory_.user_count()));
  reply.set_channel_count(static_cast<std::uint32_t>(directory_.channel_count()));
  return reply;
}

std::size_t workspace::page_size(std::uint32_t limit) const {
  return limit == 0 ? options_.page_max : std::min<std::size_t>(limit, options_.page_max);
}

write_op workspace::row() const {
  return put_workspace{workspace_record{id(), data_.domain(), data_.SerializeAsString()}};
}
write_op workspace::row(const UserData& user) const {
  return put_directory{directory_record{id(), directory_record::kind_t::user, user.id(), user.SerializeAsString()}};
}
write_op workspace::row(const ChannelData& channel) const {
  return put_directory{
      directory_record{id(), directory_record::kind_t::channel, channel.id(), channel.SerializeAsString()}};
}
write_op workspace::row(const InstalledApp& app) const {
  return put_directory{directory_record{id(), directory_record::kind_t::app, app.app(), app.SerializeAsString()}};
}

// -- the workspace itself
// ----------------------------------------------------------------------------------------------

task<result<WorkspaceReply>> workspace::create(const CreateWorkspaceRequest& request, const envelope&) {
  if (check_exists()) {
    // The same again is fine: whoever asks may not have heard the first answer.
    if (data_.domain() != request.domain() || data_.name() != request.name())
      co_return error{errc::conflict, to_text(id()) + " is another workspace"};
    if (auto settled = co_await stream_.settled(); !settled) co_return settled.failure();
  } else {
    if (auto checked = check_domain(request.domain()); !checked) co_return checked.failure();
    if (request.name().empty()) co_return errc::team_name_required;
    if (request.name().size() > team_name_bytes_max)
      co_return error{errc::invalid_arguments, "a workspace's name has at most 255 bytes"};
    data_.set_id(id().value);
    data_.set_name(request.name());
    data_.set_domain(request.domain());
    data_.set_description(request.description());
    data_.set_created(seconds_of(self().wall()));
    ChannelData general;
    general.set_id(options_.ids->next_channel().value);
    general.set_team(id().value);
    general.set_name("general");
    general.set_is_general(true);
    general.set_created(data_.created());
    general.mutable_purpose()->set_value("For everyone in the workspace: announcements and what concerns all.");
    general.set_is_pending(true);
    data_.set_general_channel(general.id());
    std::vector<write_op> ops{row(), row(general)};
    directory_.put_channel(std::move(general));
    if (auto stored = co_await stream_.commit(std::move(ops)); !stored) co_return stored.failure();
  }
  channel_id general{data_.general_channel()};
  if (directory_.find_channel(general)->is_pending()) {
    Caller nobody;
    nobody.set_team(id().value);
    auto made = co_await in_turn(general.value, make_channel(general, std::move(nobody)));
    if (!made) co_return made.failure();
  }
  co_return describe();
}

result<WorkspaceReply> workspace::info(const WorkspaceInfoRequest&, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  return describe();
}

task<result<ReplayReply>> workspace::replay(const ReplayRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (request.user() != 0 && !directory_.user({request.user()})) co_return errc::user_not_found;
  co_return co_await stream_.replay(request);
}

// -- questions
// ---------------------------------------------------------------------------------------------------------

result<UsersReply> workspace::users(const UsersRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  auto page = directory_.users({request.after()}, page_size(request.limit()));
  UsersReply reply;
  for (const auto* user : page.rows) *reply.add_users() = public_part(*user);
  reply.set_has_more(page.has_more);
  reply.set_updated(directory_.users_updated());
  return reply;
}

result<UsersReply> workspace::find_users(const FindUsersRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  UsersReply reply;
  auto add = [&](const UserData* user) {
    bool has_room = static_cast<std::size_t>(reply.users_size()) < options_.page_max;
    if (!user || user->is_pending() || !has_room) return;
    if (request.ids_only())
      reply.add_users()->set_id(user->id());
    else
      *reply.add_users() = public_part(*user);
  };
  for (auto user : request.ids()) add(directory_.user({user}));
  for (const auto& name : request.names()) add(directory_.user_by_handle(name));
  if (!request.email().empty()) add(directory_.find_user_by_email(request.email()));
  reply.set_updated(directory_.users_updated());
  return reply;
}

result<ChannelsReply> workspace::channels(const ChannelsRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  workspace_directory::channel_filter filter;
  filter.with_public = request.with_public();
  filter.with_private = request.with_private();
  filter.exclude_archived = request.exclude_archived();
  for (auto channel : request.member_of()) filter.member_of.insert({channel});
  auto page = directory_.channels({request.after()}, page_size(request.limit()), filter);
  ChannelsReply reply;
  for (const auto* channel : page.rows) *reply.add_channels() = directory_.shown(*channel);
  reply.set_has_more(page.has_more);
  return reply;
}

result<ChannelsReply> workspace::find_channels(const FindChannelsRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  ChannelsReply reply;
  auto add = [&](const ChannelData* channel) {
    bool has_room = static_cast<std::size_t>(reply.channels_size()) < options_.page_max;
    if (channel && has_room) *reply.add_channels() = directory_.shown(*channel);
  };
  for (auto channel : request.ids()) add(directory_.channel({channel}));
  for (const auto& name : request.names()) add(directory_.channel_by_name(name));
  return reply;
}

result<InstallAppReply> workspace::find_bot(const FindBotRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  const auto* app = directory_.app_of_bot({request.bot()});
  if (!app) return errc::bot_not_found;
  InstallAppReply reply;
  *reply.mutable_app() = *app;
  return reply;
}

entity_factory make_workspace_factory(const workspace_options& options) {
  THRONG_ASSERT(options.ids);
  return [shared = std::make_shared<const workspace_options>(options)](
             entity_context& self) -> std::unique_ptr<entity> { return std::make_unique<workspace>(self, *shared); };
}

}  // namespace throng
