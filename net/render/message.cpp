// SPDX-License-Identifier: Apache-2.0
#include "net/render/message.hpp"

#include <string>

#include "actors/proto/records.pb.h"
#include "storage/model/time.hpp"

namespace throng {

namespace {

std::string ts_text(std::int64_t micros) { return to_text(message_ts{micros}); }

/// What a thread's reader sees of its root when that is gone.
constexpr std::string_view tombstone_text = "This message was deleted.";

void render_icons(json_writer& w, const MessageData& data) {
  if (data.icon_emoji().empty() && data.icon_url().empty()) return;
  w.key("icons").begin_object();
  if (!data.icon_emoji().empty()) w.member("emoji", data.icon_emoji());
  if (!data.icon_url().empty())
    for (const char* size : {"image_36", "image_48", "image_72"}) w.member(size, data.icon_url());
  w.end_object();
}

void render_bot_members(json_writer& w, const MessageData& data, const message_view& view) {
  if (!data.bot()) return;
  w.member("bot_id", to_text(bot_id{data.bot()}));
  if (data.app()) w.member("app_id", to_text(app_id{data.app()}));
  if (!view.bots) return;
  const auto card = view.bots->find_bot(view.team, bot_id{data.bot()});
  if (!card) return;
  w.key("bot_profile").begin_object().member("id", to_text(card->id));
  if (card->app) w.member("app_id", to_text(card->app));
  if (card->user) w.member("user_id", to_text(card->user));
  w.member("name", card->name).member("updated", card->updated).member("deleted", false);
  w.key("icons").begin_object().end_object();
  w.member("team_id", to_text(view.team)).end_object();
}

void render_thread_members(json_writer& w, const Message& message) {
  if (message.thread_ts()) w.member("thread_ts", ts_text(message.thread_ts()));
  if (message.data().parent_user()) w.member("parent_user_id", to_text(user_id{message.data().parent_user()}));
  const auto& thread = message.thread();
  if (thread.reply_count() == 0) return;
  if (!message.thread_ts()) w.member("thread_ts", ts_text(message.ts()));
  w.member("reply_count", thread.reply_count()).member("reply_users_count", thread.user_count());
  w.member("latest_reply", ts_text(thread.latest_reply()));
  w.key("reply_users").begin_array();
  for (const auto user : thread.users()) w.value(to_text(user_id{user}));
  w.end_array();
  w.member("subscribed", false).member("is_locked", false);
}

void render_reactions(json_writer& w, const MessageData& data) {
  if (data.reactions().empty()) return;
  w.key("reactions").begin_array();
  for (const auto& reaction : data.reactions()) {
    w.begin_object().member("name", reaction.name()).key("users").begin_array();
    for (const auto user : reaction.users()) w.value(to_text(user_id{user}));
    w.end_array().member("count", reaction.users_size()).end_object();
  }
  w.end_array();
}

/// What only some subtypes have.
void render_subtype_members(json_writer& w, const MessageData& data) {
  if (data.inviter()) w.member("inviter", to_text(user_id{data.inviter()}));
  if (data.subtype() == "channel_topic" || data.subtype() == "group_topic") w.member("topic", data.topic());
  if (data.subtype() == "channel_purpose" || data.subtype() == "group_purpose") w.member("purpose", data.purpose());
  if (data.subtype() == "channel_name" || data.subtype() == "group_name")
    w.member("name", data.name()).member("old_name", data.old_name());
}

void render_content(json_writer& w, const Message& message, const message_view& view) {
  const auto& data = message.data();
  if (!data.subtype().empty())
    w.member("subtype", data.subtype());
  else if (data.is_broadcast())
    w.member("subtype", "thread_broadcast");
  if (message.user()) w.member("user", to_text(user_id{message.user()}));
  render_bot_members(w, data, view);
  if (!data.username().empty()) w.member("username", data.username());
  render_icons(w, data);
  w.member("text", data.text());
  if (!data.blocks_json().empty()) w.raw_member("blocks", data.blocks_json());
  if (!data.attachments_json().empty()) w.raw_member("attachments", data.attachments_json());
  if (!data.metadata_json().empty()) w.raw_member("metadata", data.metadata_json());
  if (!message.client_msg_id().empty()) w.member("client_msg_id", message.client_msg_id());
  render_subtype_members(w, data);
  if (data.edited_ts()) {
    w.key("edited").begin_object().member("user", to_text(user_id{data.edited_by()}));
    w.member("ts", ts_text(data.edited_ts())).end_object();
  }
  render_reactions(w, data);
  if (data.is_pinned()) w.key("pinned_to").begin_array().value(to_text(channel_id{message.channel()})).end_array();
}

}  // namespace

void render_message_members(json_writer& w, const Message& message, const message_view& view) {
  w.member("type", "message");
  if (view.with_channel) w.member("channel", to_text(channel_id{message.channel()}));
  w.member("ts", ts_text(message.ts()));
  if (message.is_deleted())
    w.member("subtype", "tombstone")
        .member("user", to_text(slackbot))
        .member("text", tombstone_text)
        .member("hidden", true);
  else
    render_content(w, message, view);
  if (view.team) w.member("team", to_text(view.team));
  render_thread_members(w, message);
  if (message.has_root()) {
    w.key("root");
    render_message(w, message.root(), {.team = view.team, .bots = view.bots});
  }
  if (view.is_ephemeral) w.member("is_ephemeral", true);
  if (!view.event_ts.empty()) w.member("event_ts", view.event_ts);
}

void render_message(json_writer& w, const Message& message, const message_view& view) {
  w.begin_object();
  render_message_members(w, message, view);
  w.end_object();
}

void render_pin_item(json_writer& w, const Pin& pin, const Message& message, const message_view& view) {
  w.begin_object().member("type", "message").member("created", pin.created());
  w.member("created_by", to_text(user_id{pin.user()}));
  w.member("channel", to_text(channel_id{message.channel()})).key("message");
  render_message(w, message, view);
  w.end_object();
}

}  // namespace throng
