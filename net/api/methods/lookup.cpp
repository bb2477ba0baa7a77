// SPDX-License-Identifier: Apache-2.0
#include "net/api/methods/lookup.hpp"

#include <algorithm>
#include <iterator>
#include <map>

namespace throng {

namespace {

void sort_unique(std::vector<user_id>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

task<result<std::vector<UserData>>> find_by(api_call& call, FindUsersRequest request) {
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  co_return std::vector<UserData>((*found)->users().begin(), (*found)->users().end());
}

}  // namespace

task<result<std::vector<UserData>>> find_users(api_call& call, std::vector<user_id> ids) {
  FindUsersRequest request;
  for (auto id : ids)
    if (id != slackbot) request.add_ids(id.value);
  if (request.ids().empty()) co_return std::vector<UserData>{};
  co_return co_await find_by(call, std::move(request));
}

task<result<UserData>> find_user(api_call& call, user_id id) {
  std::vector<user_id> ids{id};
  auto found = co_await find_users(call, std::move(ids));
  if (!found) co_return found.failure();
  if (found->empty()) co_return errc::user_not_found;
  co_return std::move(found->front());
}

task<result<>> check_users(api_call& call, std::vector<user_id> ids) {
  std::erase(ids, slackbot);
  sort_unique(ids);
  const auto wanted = ids.size();
  auto found = co_await find_users(call, std::move(ids));
  if (!found) co_return found.failure();
  if (found->size() != wanted) co_return errc::user_not_found;
  co_return done;
}

task<std::unordered_set<std::uint64_t>> active_users(api_call& call, std::vector<user_id> ids) {
  std::unordered_map<std::uint64_t, PresenceQuery> by_bucket;
  for (auto id : ids) by_bucket[presence_bucket_of(id).value].add_users(id.value);
  std::vector<std::pair<entity_key, PresenceQuery>> queries;
  for (auto& [bucket, query] : by_bucket) queries.emplace_back(key_of(bucket_id{bucket}), std::move(query));
  auto answers = co_await call.ask_all(std::move(queries));
  std::unordered_set<std::uint64_t> active;
  for (const auto& each : answers) {
    if (!each) continue;
    for (const auto& state : (*each)->states())
      if (state.is_active()) active.insert(state.user());
  }
  co_return active;
}

task<result<WorkspaceData>> find_workspace(api_call& call) {
  WorkspaceInfoRequest request;
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  co_return (*found)->workspace();
}

task<result<std::vector<UserChannel>>> channels_of(api_call& call, user_id user) {
  UserChannelsRequest request;
  auto listed = co_await call.ask(key_of(user), std::move(request));
  if (!listed) co_return listed.failure();
  std::vector<UserChannel> channels((*listed)->channels().begin(), (*listed)->channels().end());
  std::sort(channels.begin(), channels.end(), [](const auto& a, const auto& b) { return a.channel() < b.channel(); });
  co_return channels;
}

task<result<std::optional<UserChannel>>> listed_channel(api_call& call, channel_id channel) {
  UserChannelsRequest request;
  request.set_after(channel.value - 1);
  request.set_limit(1);
  auto listed = co_await call.ask(key_of(call.user()), std::move(request));
  if (!listed) co_return listed.failure();
  const auto& channels = (*listed)->channels();
  if (channels.empty() || channels[0].channel() != channel.value) co_return std::optional<UserChannel>{};
  co_return std::optional<UserChannel>(channels[0]);
}

namespace {

/// Rows of one shard, by their place in the caller's list.
using numbered_channels = std::vector<std::pair<std::size_t, ChannelData>>;

result<numbered_channels> read_numbered(store_reader& reader,
                                        const std::vector<std::pair<std::size_t, channel_id>>& ids) {
  numbered_channels channels;
  for (const auto& [number, id] : ids) {
    auto row = reader.channel(id);
    if (!row && row.code() == errc::not_found) continue;
    if (!row) return row.failure();
    auto& [_, channel] = channels.emplace_back(number, ChannelData{});
    if (!channel.ParseFromString(row->data))
      return error{errc::internal_error, "the row of " + to_text(id) + " can't be read"};
  }
  return channels;
}

}  // namespace

task<result<std::vector<ChannelData>>> read_channels(api_call& call, std::vector<channel_id> ids) {
  std::map<std::size_t, std::vector<std::pair<std::size_t, channel_id>>> by_shard;
  for (std::size_t i = 0; i < ids.size(); ++i)
    by_shard[call.shard_of(keyspace_id(ids[i].value))].emplace_back(i, ids[i]);
  std::vector<api_call::placed_query<numbered_channels>> queries;
  for (auto& [_, some] : by_shard) {
    const auto near = keyspace_id(some.front().second.value);
    queries.emplace_back(near, [some = std::move(some)](store_reader& reader) { return read_numbered(reader, some); });
  }
  auto found = co_await call.read_all<numbered_channels>(std::move(queries));
  if (!found) co_return found.failure();
  numbered_channels rows;
  for (auto& each : *found) rows.insert(rows.end(), std::move_iterator(each.begin()), std::move_iterator(each.end()));
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<ChannelData> channels;
  for (auto& [_, channel] : rows) channels.push_back(std::move(channel));
  co_return channels;
}

std::string direct_people::mpim_name(const ChannelData& channel) const {
  if (kind_of(channel_id{channel.id()}) != channel_kind::mpim) return {};
  std::string name = "mpdm-";
  for (auto id : channel.direct_users()) {
    const auto found = users.find(id);
    if (name.size() > 5) name += "--";
    name += found == users.end() ? to_text(user_id{id}) : found->second.name();
  }
  return name + "-1";
}

bool direct_people::is_deleted(user_id user) const {
  const auto found = users.find(user.value);
  return found != users.end() && found->second.is_deleted();
}

task<result<direct_people>> people_of(api_call& call, const std::vector<ChannelData>& channels) {
  std::vector<user_id> ids;
  for (const auto& channel : channels)
    for (auto id : channel.direct_users()) ids.push_back(user_id{id});
  sort_unique(ids);
  direct_people people;
  auto found = co_await find_users(call, std::move(ids));
  if (!found) co_return found.failure();
  for (auto& user : *found) {
    const auto id = user.id();
    people.users.emplace(id, std::move(user));
  }
  co_return people;
}

channel_id direct_id(team_id team, user_id self, std::vector<user_id> others) {
  if (others.empty()) return im_channel(team, self, self);
  if (others.size() == 1) return im_channel(team, self, others.front());
  others.push_back(self);
  sort_unique(others);
  return mpim_channel(team, others.data(), others.size());
}

task<result<opened_direct>> open_direct(api_call& call, std::vector<user_id> others) {
  std::erase(others, call.user());
  sort_unique(others);
  if (others.size() > direct_users_max) co_return errc::too_many_users;
  auto known = co_await check_users(call, others);
  if (!known) co_return known.failure();

  const auto id = direct_id(call.team(), call.user(), others);
  auto listed = co_await listed_channel(call, id);
  if (!listed) co_return listed.failure();
  const bool was_open = *listed && (*listed)->is_open();
  CreateChannelRequest create;
  *create.mutable_caller() = call.caller();
  auto& channel = *create.mutable_channel();
  channel.set_id(id.value);
  channel.set_team(call.team().value);
  channel.set_is_private(true);
  channel.set_creator(call.user().value);
  channel.set_created(seconds_of(call.wall()));
  others.push_back(call.user());
  sort_unique(others);
  for (auto user : others) {
    channel.add_direct_users(user.value);
    create.add_members(user.value);
  }
  auto made = co_await call.ask(key_of(id), std::move(create));
  if (!made) co_return made.failure();

  ShowDirectRequest show;
  show.set_channel(id.value);
  show.set_is_open(true);
  if (!was_open) {
    auto shown = co_await call.ask(key_of(call.user()), std::move(show));
    if (!shown) co_return shown.failure();
  }
  opened_direct opened;
  opened.channel = (*made)->channel();
  opened.is_new_on_list = !was_open;  // making it may have put it there already
  co_return opened;
}

task<result<channel_id>> resolve_channel(api_call& call, std::string text) {
  if (auto id = parse_id<channel_id>(text)) {
    // A person's direct message with USLACKBOT is promised to be there; it is made when it is first used.
    if (*id != im_channel(call.team(), call.user(), slackbot)) co_return *id;
    text = to_text(slackbot);
  }
  std::vector<user_id> others;
  if (auto user = parse_id<user_id>(text)) {
    others.push_back(*user);
  } else if (text.starts_with('@')) {
    FindUsersRequest by_name;
    by_name.add_names(text.substr(1));
    auto found = co_await find_by(call, std::move(by_name));
    if (!found) co_return found.failure();
    if (found->empty()) co_return errc::channel_not_found;
    others.push_back(user_id{found->front().id()});
  }
  if (!others.empty()) {
    auto opened = co_await open_direct(call, std::move(others));
    if (!opened)
      co_return opened.code() == errc::user_not_found ? error{errc::channel_not_found, {}} : opened.failure();
    co_return channel_id{opened->channel.id()};
  }

  FindChannelsRequest request;
  request.add_names(text.starts_with('#') ? text.substr(1) : text);
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  // Whether the caller may see it is the CHANNEL's to say.
  if ((*found)->channels().empty()) co_return errc::channel_not_found;
  co_return channel_id{(*found)->channels(0).id()};
}

}  // namespace throng
