// SPDX-License-Identifier: Apache-2.0
#include "net/render/event.hpp"

#include "actors/proto/event.pb.h"
#include "net/render/channel.hpp"
#include "net/render/message.hpp"
#include "net/render/team.hpp"
#include "net/render/user.hpp"
#include "storage/model/time.hpp"

namespace throng {

namespace {

constexpr std::int64_t micros_per_second = 1'000'000;

/// Writes the members of one event, without braces.
class event_renderer {
 public:
  event_renderer(json_writer& w, entity_key stream, const Event& event, const event_context& context)
      : w_(w), stream_(stream), event_(event), context_(context), event_ts_(to_text(message_ts{event.at()})) {}

  bool run();

 private:
  std::string user(std::uint64_t id) const { return to_text(user_id{id}); }
  std::string channel(std::uint64_t id) const { return to_text(channel_id{id}); }
  std::string this_channel() const { return channel(stream_.id); }
  bool is_private() const { return context_.is_private.value_or(false); }

  json_writer& type(std::string_view name) { return w_.member("type", name); }
  bool end() {
    w_.member("event_ts", event_ts_);
    return true;
  }
  /// "channel_x", "group_x" or "im_x", by what the channel is.
  std::string family(std::uint64_t id, std::string_view suffix, bool as_private) const {
    const auto kind = kind_of(channel_id{id});
    const char* prefix = kind == channel_kind::im                   ? "im_"
                         : kind == channel_kind::mpim || as_private ? "group_"
                                                                    : "channel_";
    return prefix + std::string(suffix);
  }
  void channel_type() {
    const bool is_known = context_.is_private || kind_of(channel_id{stream_.id}) != channel_kind::channel;
    if (is_known) w_.member("channel_type", channel_type_name(channel_id{stream_.id}, is_private()));
  }
  message_view nested() const { return {.team = context_.team, .bots = context_.bots}; }

  bool message(const Message& m);
  bool message_changed(const MessageChanged& e);
  bool message_deleted(const MessageDeleted& e);
  bool message_replied(const MessageReplied& e);
  bool reaction(const ReactionChanged& e);
  bool pin(const PinChanged& e);
  bool member(const MemberChanged& e);
  bool channel_changed(const ChannelChanged& e);
  bool channel_listed(const ChannelListed& e);
  bool dnd(const UserDnd& e, bool own);
  void hidden_message(std::string_view subtype, std::int64_t ts);

  json_writer& w_;
  const entity_key stream_;
  const Event& event_;
  const event_context& context_;
  const std::string event_ts_;
};

bool event_renderer::message(const Message& m) {
  auto view = nested();
  view.with_channel = true;
  view.event_ts = event_ts_;
  render_message_members(w_, m, view);
  channel_type();
  return true;
}

void event_renderer::hidden_message(std::string_view subtype, std::int64_t ts) {
  type("message").member("subtype", subtype).member("hidden", true).member("channel", this_channel());
  w_.member("ts", ts ? to_text(message_ts{ts}) : event_ts_);
  channel_type();
}

bool event_renderer::message_changed(const MessageChanged& e) {
  hidden_message("message_changed", e.changed_ts());
  w_.key("message");
  render_message(w_, e.message(), nested());
  w_.key("previous_message");
  render_message(w_, e.previous(), nested());
  return end();
}

bool event_renderer::message_deleted(const MessageDeleted& e) {
  hidden_message("message_deleted", e.changed_ts());
  w_.member("deleted_ts", to_text(message_ts{e.deleted_ts()})).key("previous_message");
  render_message(w_, e.previous(), nested());
  return end();
}

bool event_renderer::message_replied(const MessageReplied& e) {
  hidden_message("message_replied", 0);
  w_.key("message");
  render_message(w_, e.root(), nested());
  return end();
}

bool event_renderer::reaction(const ReactionChanged& e) {
  type(e.is_added() ? "reaction_added" : "reaction_removed")
      .member("user", user(e.user()))
      .member("reaction", e.name());
  if (e.item_user()) w_.member("item_user", user(e.item_user()));
  w_.key("item").begin_object().member("type", "message").member("channel", this_channel());
  w_.member("ts", to_text(message_ts{e.ts()})).end_object();
  return end();
}

bool event_renderer::pin(const PinChanged& e) {
  type(e.is_added() ? "pin_added" : "pin_removed").member("user", user(e.user())).member("channel_id", this_channel());
  w_.key("item");
  Pin as_pin;
  as_pin.set_user(e.user());
  as_pin.set_created(e.created());
  render_pin_item(w_, as_pin, e.message(), nested());
  if (e.message().user()) w_.member("item_user", user(e.message().user()));
  w_.member("pin_count", e.pin_count());
  w_.key("pinned_info").begin_object().member("channel", this_channel()).member("pinned_by", user(e.user()));
  w_.member("pinned_ts", e.created()).end_object();
  if (!e.is_added()) w_.member("has_pins", e.pin_count() > 0);
  return end();
}

bool event_renderer::member(const MemberChanged& e) {
  type(e.is_joined() ? "member_joined_channel" : "member_left_channel");
  w_.member("user", user(e.user())).member("channel", this_channel());
  // One letter here, unlike in messages: C public, G private.
  if (context_.is_private) w_.member("channel_type", is_private() ? "G" : "C");
  if (context_.team) w_.member("team", to_text(context_.team));
  if (e.inviter()) w_.member("inviter", user(e.inviter()));
  return end();
}

bool event_renderer::channel_changed(const ChannelChanged& e) {
  const auto& data = e.channel();
  switch (e.kind()) {
    case ChannelChanged::RENAMED:
      type(family(data.id(), "rename", data.is_private())).key("channel");
      render_channel_stub(w_, data);
      break;
    case ChannelChanged::ARCHIVED:
    case ChannelChanged::UNARCHIVED: {
      const bool is_archived = e.kind() == ChannelChanged::ARCHIVED;
      type(family(data.id(), is_archived ? "archive" : "unarchive", data.is_private()));
      w_.member("channel", channel(data.id())).member("user", user(e.user()));
      if (data.is_private()) w_.member("actor_id", user(e.user()));
      if (is_archived) w_.member("is_moved", 0);
      break;
    }
    default:
      return false;
  }
  return end();
}

bool event_renderer::channel_listed(const ChannelListed& e) {
  const auto& data = e.channel();
  const bool is_im = kind_of(channel_id{data.id()}) == channel_kind::im;
  const user_id viewer{stream_.id};
  type(is_im ? "im_created" : family(data.id(), "joined", data.is_private()));
  if (is_im) w_.member("user", to_text(direct_partner(data, viewer)));
  w_.key("channel");
  render_channel(w_, data, channel_view{.viewer = viewer, .is_member = true});
  return end();
}

bool event_renderer::dnd(const UserDnd& e, bool own) {
  type(own ? "dnd_updated" : "dnd_updated_user").member("user", user(e.user()));
  w_.key("dnd_status").begin_object();
  render_dnd_members(w_, e.dnd(), event_.at() / micros_per_second, own);
  w_.end_object();
  return end();
}

bool event_renderer::run() {
  switch (event_.kind_case()) {
    case Event::kMessage:
      return message(event_.message());
    case Event::kMessageChanged:
      return message_changed(event_.message_changed());
    case Event::kMessageDeleted:
      return message_deleted(event_.message_deleted());
    case Event::kMessageReplied:
      return message_replied(event_.message_replied());
    case Event::kReaction:
      return reaction(event_.reaction());
    case Event::kPin:
      return pin(event_.pin());
    case Event::kMember:
      return member(event_.member());
    case Event::kChannelChanged:
      return channel_changed(event_.channel_changed());
    case Event::kPublicChannelChanged:
      return channel_changed(event_.public_channel_changed());
    case Event::kTyping:
      type("user_typing").member("channel", this_channel()).member("user", user(event_.typing().user()));
      if (event_.typing().thread_ts()) w_.member("thread_ts", to_text(message_ts{event_.typing().thread_ts()}));
      return true;

    case Event::kChannelCreated:
      type("channel_created").key("channel");
      render_channel_stub(w_, event_.channel_created());
      return end();
    case Event::kTeamJoin:
      type("team_join").key("user");
      render_user(w_, event_.team_join());
      return end();
    case Event::kUserChange:
      type("user_change").key("user");
      render_user(w_, event_.user_change());
      w_.member("cache_ts", event_.at() / micros_per_second);
      return end();
    case Event::kTeamChange:
      type("team_rename").member("name", event_.team_change().name()).member("domain", event_.team_change().domain());
      return end();
    case Event::kBotAdded:
      type("bot_added").key("bot");
      render_bot(w_, event_.bot_added());
      return end();
    case Event::kUserDnd:
      return dnd(event_.user_dnd(), false);

    case Event::kChannelListed:
      return channel_listed(event_.channel_listed());
    case Event::kChannelUnlisted: {
      const auto& e = event_.channel_unlisted();
      type(family(e.channel(), "left", e.is_private())).member("channel", channel(e.channel()));
      if (e.actor()) w_.member("actor_id", user(e.actor()));
      return end();
    }
    case Event::kDirectShown: {
      const auto& e = event_.direct_shown();
      type(family(e.channel(), e.is_open() ? "open" : "close", true));
      w_.member("channel", channel(e.channel())).member("user", user(stream_.id));
      return end();
    }
    case Event::kChannelMarked: {
      const auto& e = event_.channel_marked();
      type(family(e.channel(), "marked", e.is_private())).member("channel", channel(e.channel()));
      w_.member("ts", to_text(message_ts{e.ts()}));
      return end();
    }
    case Event::kPrefChanged:
      type("pref_change").member("name", event_.pref_changed().name()).key("value");
      w_.raw(event_.pref_changed().value_json().empty() ? "null" : event_.pref_changed().value_json());
      return end();
    case Event::kManualPresence:
      type("manual_presence_change").member("presence", event_.manual_presence().is_away() ? "away" : "active");
      return true;
    case Event::kOwnDnd:
      return dnd(event_.own_dnd(), true);
    case Event::kEphemeral: {
      auto view = nested();
      view.with_channel = true;
      view.is_ephemeral = true;
      view.event_ts = event_ts_;
      render_message_members(w_, event_.ephemeral().message(), view);
      return true;
    }
    case Event::kSignedOut:
    case Event::kPresence:
    case Event::kPresenceCensus:
    case Event::kPresenceRoll:
    case Event::KIND_NOT_SET:
      break;
  }
  return false;
}

}  // namespace

std::string stream_text(entity_key stream) {
  switch (stream.kind) {
    case entity_kind::channel:
      return to_text(channel_id{stream.id});
    case entity_kind::workspace:
      return to_text(team_id{stream.id});
    case entity_kind::user:
      return to_text(user_id{stream.id});
    default:
      return to_text(stream);
  }
}

bool render_event(std::string& out, entity_key stream, epoch_t epoch, seq_t seq, const Event& event,
                  const event_context& context) {
  const auto size_before = out.size();
  json_writer w(out);
  w.begin_object();
  if (!event_renderer(w, stream, event, context).run()) {
    out.resize(size_before);
    return false;
  }
  if (seq) w.member("stream", stream_text(stream)).member("epoch", epoch).member("seq", seq);
  w.end_object();
  return true;
}

bool render_event(std::string& out, const publication& published, const event_context& context) {
  const auto* event = dynamic_cast<const Event*>(published.event.get());
  return event && render_event(out, published.stream, published.epoch, published.seq, *event, context);
}

void render_presence(std::string& out, std::span<const user_id> users, bool is_active) {
  json_writer w(out);
  w.begin_object().member("type", "presence_change").member("presence", is_active ? "active" : "away");
  if (users.size() == 1) {
    w.member("user", to_text(users.front()));
  } else {
    w.key("users").begin_array();
    for (const auto user : users) w.value(to_text(user));
    w.end_array();
  }
  w.end_object();
}

void render_gap(std::string& out, entity_key stream, epoch_t epoch, seq_t seq) {
  json_writer w(out);
  w.begin_object().member("type", "gap").member("stream", stream_text(stream));
  w.member("epoch", epoch).member("seq", seq).end_object();
}

}  // namespace throng
