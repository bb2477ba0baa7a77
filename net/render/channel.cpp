// SPDX-License-Identifier: Apache-2.0
#include "net/render/channel.hpp"

#include <algorithm>
#include <cctype>
#include <string>

#include "actors/proto/records.pb.h"
#include "net/render/message.hpp"

namespace throng {

namespace {

void render_topic(json_writer& w, std::string_view name, const Topic& topic) {
  w.key(name).begin_object();
  w.member("value", topic.value());
  w.member("creator", topic.creator() ? to_text(user_id{topic.creator()}) : std::string());
  w.member("last_set", topic.last_set()).end_object();
}

/// Channels and group messages have a name; a group's stands for its people.
std::string name_of(const ChannelData& channel, std::string_view direct_name) {
  if (!channel.name().empty()) return channel.name();
  if (!direct_name.empty()) return std::string(direct_name);
  std::string name = "mpdm";
  for (const auto user : channel.direct_users()) name += (name.size() == 4 ? "-" : "--") + to_text(user_id{user});
  name += "-1";
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

void render_names(json_writer& w, const std::string& name) { w.member("name", name).member("name_normalized", name); }

void render_kind(json_writer& w, const ChannelData& channel) {
  const auto kind = kind_of(channel_id{channel.id()});
  const bool is_channel = kind == channel_kind::channel;
  w.member("is_channel", is_channel && !channel.is_private());
  w.member("is_group", is_channel && channel.is_private());
  w.member("is_im", kind == channel_kind::im).member("is_mpim", kind == channel_kind::mpim);
  w.member("is_private", channel.is_private() || !is_channel);
}

void render_team_members(json_writer& w, const ChannelData& channel) {
  const auto team = to_text(team_id{channel.team()});
  w.member("context_team_id", team);
  w.key("shared_team_ids").begin_array().value(team).end_array();
}

void render_reading(json_writer& w, const ChannelData& channel, const channel_view& view) {
  if (view.last_read) w.member("last_read", *view.last_read ? to_text(*view.last_read) : "0000000000.000000");
  if (view.unread_count)
    w.member("unread_count", *view.unread_count).member("unread_count_display", *view.unread_count);
  if (view.latest) {
    w.key("latest");
    render_message(w, *view.latest, message_view{.team = team_id{channel.team()}});
  }
}

void render_im(json_writer& w, const ChannelData& channel, const channel_view& view) {
  w.begin_object().member("id", to_text(channel_id{channel.id()})).member("created", channel.created());
  render_kind(w, channel);
  w.member("is_archived", channel.is_archived()).member("is_shared", false).member("is_ext_shared", false);
  w.member("is_org_shared", false).member("is_member", view.is_member);
  const auto partner = direct_partner(channel, view.viewer);
  if (partner) w.member("user", to_text(partner));
  w.member("is_user_deleted", view.is_user_deleted).member("priority", 0).member("updated", channel.updated());
  if (view.is_open) w.member("is_open", *view.is_open);
  w.member("context_team_id", to_text(team_id{channel.team()}));
  render_reading(w, channel, view);
  if (view.with_locale) w.member("locale", "en-US");
  w.end_object();
}

}  // namespace

user_id direct_partner(const ChannelData& channel, user_id viewer) {
  if (kind_of(channel_id{channel.id()}) != channel_kind::im || channel.direct_users().empty()) return {};
  for (const auto user : channel.direct_users())
    if (user != viewer.value) return user_id{user};
  return viewer;
}

std::string_view channel_type_name(channel_id id, bool is_private) {
  switch (kind_of(id)) {
    case channel_kind::im:
      return "im";
    case channel_kind::mpim:
      return "mpim";
    default:
      return is_private ? "group" : "channel";
  }
}

void render_channel(json_writer& w, const ChannelData& channel, const channel_view& view) {
  if (kind_of(channel_id{channel.id()}) == channel_kind::im) return render_im(w, channel, view);
  w.begin_object().member("id", to_text(channel_id{channel.id()}));
  render_names(w, name_of(channel, view.direct_name));
  render_kind(w, channel);
  w.member("created", channel.created());
  w.member("creator", channel.creator() ? to_text(user_id{channel.creator()}) : std::string());
  w.member("is_archived", channel.is_archived()).member("is_general", channel.is_general());
  w.member("is_member", view.is_member).member("unlinked", 0);
  w.member("is_shared", false).member("is_ext_shared", false).member("is_org_shared", false);
  w.member("is_pending_ext_shared", false);
  w.key("pending_shared").begin_array().end_array();
  w.key("pending_connected_team_ids").begin_array().end_array();
  render_team_members(w, channel);
  w.member("updated", channel.updated());
  render_topic(w, "topic", channel.topic());
  render_topic(w, "purpose", channel.purpose());
  w.key("previous_names").begin_array();
  for (const auto& name : channel.previous_names()) w.value(name);
  w.end_array();
  if (view.num_members) w.member("num_members", *view.num_members);
  if (view.is_open) w.member("is_open", *view.is_open);
  render_reading(w, channel, view);
  if (view.with_locale) w.member("locale", "en-US");
  w.end_object();
}

void render_channel_stub(json_writer& w, const ChannelData& channel) {
  w.begin_object().member("id", to_text(channel_id{channel.id()}));
  render_names(w, name_of(channel, {}));
  render_kind(w, channel);
  w.member("is_shared", false).member("is_org_shared", false).member("created", channel.created());
  if (channel.creator()) w.member("creator", to_text(user_id{channel.creator()}));
  w.member("context_team_id", to_text(team_id{channel.team()})).end_object();
}

}  // namespace throng
