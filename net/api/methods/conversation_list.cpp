// SPDX-License-Identifier: Apache-2.0
#include "net/api/methods/conversation_list.hpp"

#include <algorithm>

#include "net/api/cursor.hpp"
#include "net/api/scopes.hpp"

namespace throng {

namespace {

constexpr std::string_view channel_cursor = "channel";
constexpr std::string_view direct_cursor = "direct";

bool is_direct(std::uint64_t id) { return kind_of(channel_id{id}) != channel_kind::channel; }

bool is_wanted(std::uint64_t id, const conversation_types& types) {
  switch (kind_of(channel_id{id})) {
    case channel_kind::im:
      return types.with_im;
    case channel_kind::mpim:
      return types.with_mpim;
    case channel_kind::channel:
      return types.with_public || types.with_private;
  }
  return false;
}

/// Channels that everyone may see, and the caller's own private ones.
task<result<bool>> add_visible_channels(api_call& call, const conversation_filter& filter, std::uint64_t after,
                                        std::uint32_t limit, conversation_page& page) {
  ChannelsRequest request;
  request.set_after(after);
  request.set_limit(limit);
  request.set_exclude_archived(filter.exclude_archived);
  request.set_with_public(filter.types.with_public);
  request.set_with_private(filter.types.with_private);
  if (filter.types.with_private)
    for (const auto& [id, entry] : page.mine)
      if (!is_direct(id)) request.add_member_of(id);
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  page.channels.assign((*found)->channels().begin(), (*found)->channels().end());
  co_return (*found)->has_more();
}

/// Channels that `ids` (sorted) are, as far as the caller may see them.
task<result<bool>> add_member_channels(api_call& call, const conversation_filter& filter,
                                       std::vector<std::uint64_t> ids, std::uint64_t after, std::uint32_t limit,
                                       conversation_page& page) {
  std::erase_if(ids, [&](std::uint64_t id) { return id <= after || is_direct(id); });
  const bool has_more = ids.size() > limit;
  if (has_more) ids.resize(limit);
  if (ids.empty()) co_return false;
  FindChannelsRequest request;
  for (auto id : ids) request.add_ids(id);
  auto found = co_await call.ask(key_of(call.team()), std::move(request));
  if (!found) co_return found.failure();
  for (const auto& channel : (*found)->channels()) {
    if (channel.is_private() ? !filter.types.with_private || !page.mine.contains(channel.id())
                             : !filter.types.with_public)
      continue;
    if (filter.exclude_archived && channel.is_archived()) continue;
    page.channels.push_back(channel);
  }
  if (has_more) page.next_cursor = make_cursor(channel_cursor, ids.back());
  co_return has_more;
}

}  // namespace

result<conversation_types> parse_types(std::string_view text) {
  conversation_types types;
  if (text.empty()) {
    types.with_public = true;
    return types;
  }
  const auto list = parse_list(text);
  if (!list) return errc::invalid_types;
  for (const auto& each : *list) {
    if (each == "public_channel")
      types.with_public = true;
    else if (each == "private_channel")
      types.with_private = true;
    else if (each == "mpim")
      types.with_mpim = true;
    else if (each == "im")
      types.with_im = true;
    else
      return error{errc::invalid_types, "unknown type: " + each};
  }
  return types;
}

result<> check_type_scopes(const conversation_types& types, std::string_view granted) {
  if ((types.with_public && !has_any_scope(granted, "channels:read")) ||
      (types.with_private && !has_any_scope(granted, "groups:read")) ||
      (types.with_mpim && !has_any_scope(granted, "mpim:read")) ||
      (types.with_im && !has_any_scope(granted, "im:read")))
    return errc::missing_scope;
  return done;
}

task<result<conversation_page>> list_conversations(api_call& call, conversation_filter filter, std::uint32_t limit,
                                                   std::string cursor) {
  conversation_page page;
  auto position = parse_cursor(channel_cursor, cursor);
  bool is_past_channels = false;
  if (!position) {
    position = parse_cursor(direct_cursor, cursor);
    if (!position) co_return position.failure();
    is_past_channels = true;
  }

  auto listed = co_await channels_of(call, call.user());
  if (!listed) co_return listed.failure();
  for (const auto& each : *listed) page.mine.emplace(each.channel(), each);
  std::vector<std::uint64_t> of_member;
  if (filter.member && filter.member != call.user()) {
    auto theirs = co_await channels_of(call, filter.member);
    if (!theirs) co_return theirs.failure();
    for (const auto& each : *theirs) of_member.push_back(each.channel());
  } else {
    for (const auto& each : *listed) of_member.push_back(each.channel());
  }

  if (!is_past_channels && (filter.types.with_public || filter.types.with_private)) {
    result<bool> added = false;
    if (filter.member)
      added = co_await add_member_channels(call, filter, of_member, *position, limit, page);
    else
      added = co_await add_visible_channels(call, filter, *position, limit, page);
    if (!added) co_return added.failure();
    if (*added) {
      if (page.next_cursor.empty() && !page.channels.empty())
        page.next_cursor = make_cursor(channel_cursor, page.channels.back().id());
      co_return page;
    }
  }

  if (filter.types.with_im || filter.types.with_mpim) {
    const std::uint64_t after = is_past_channels ? *position : 0;
    const auto room = limit - std::min<std::size_t>(limit, page.channels.size());
    std::vector<channel_id> ids;
    bool has_more = false;
    for (auto id : of_member) {
      if (id <= after || !is_direct(id) || !is_wanted(id, filter.types) || !page.mine.contains(id)) continue;
      if (ids.size() == room) {
        has_more = true;
        break;
      }
      ids.push_back(channel_id{id});
    }
    if (has_more) page.next_cursor = make_cursor(direct_cursor, ids.empty() ? after : ids.back().value);
    auto rows = co_await read_channels(call, std::move(ids));
    if (!rows) co_return rows.failure();
    auto people = co_await people_of(call, *rows);
    if (!people) co_return people.failure();
    page.people = std::move(*people);
    std::move(rows->begin(), rows->end(), std::back_inserter(page.channels));
  }
  co_return page;
}

void render_listed(json_writer& w, const ChannelData& channel, const conversation_page& page, user_id viewer) {
  const auto mine = page.mine.find(channel.id());
  const auto name = page.people.mpim_name(channel);
  channel_view view;
  view.viewer = viewer;
  view.is_member = mine != page.mine.end();
  view.direct_name = name;
  view.is_user_deleted = page.people.is_deleted(direct_partner(channel, viewer));
  view.num_members = channel.member_count();
  if (mine != page.mine.end() && is_direct(channel.id())) {
    view.is_open = mine->second.is_open();
    view.num_members.reset();
  }
  render_channel(w, channel, view);
}

}  // namespace throng
