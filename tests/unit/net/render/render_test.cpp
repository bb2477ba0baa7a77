// SPDX-License-Identifier: Apache-2.0
// Golden JSON, compared by structure: the order of members doesn't matter, everything else does.
#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "actors/proto/event.pb.h"
#include "net/render/channel.hpp"
#include "net/render/event.hpp"
#include "net/render/message.hpp"
#include "net/render/team.hpp"
#include "net/render/user.hpp"

using namespace throng;

namespace {

constexpr team_id team{36 * 36};                                               // T100
constexpr user_id ann{10};                                                     // UA
constexpr user_id bob{11};                                                     // UB
const channel_id room = make_channel_id(36 * 36 * 36, channel_kind::channel);  // C1000
const channel_id direct = make_channel_id(36 * 36 * 36, channel_kind::im);
const channel_id group = make_channel_id(36 * 36 * 36, channel_kind::mpim);
constexpr std::int64_t ts = 1'700'000'000'000'100;
constexpr std::int64_t at = 1'700'000'001'000'200;

/// The same text for the same value: members sorted by name, no white space.
std::string canonical(json_value value) {
  if (value.is_array()) {
    std::string out = "[";
    value.for_each_element([&](json_value each) { out += canonical(each) + ","; });
    return out + "]";
  }
  if (!value.is_object()) return std::string(value.raw());
  std::vector<std::string> members;
  value.for_each_member(
      [&](std::string_view name, json_value each) { members.push_back(std::string(name) + ":" + canonical(each)); });
  std::sort(members.begin(), members.end());
  CHECK_MESSAGE(std::adjacent_find(members.begin(), members.end()) == members.end(), "a member twice");
  std::string out = "{";
  for (const auto& each : members) out += each + ",";
  return out + "}";
}

std::string canonical(std::string_view json) {
  const auto document = parse_json(json);
  REQUIRE_MESSAGE(document.ok(), json);
  return canonical(document->root());
}

template <class Render>
std::string rendered(Render render) {
  std::string out;
  json_writer w(out);
  render(w);
  return canonical(out);
}

std::string event_json(entity_key stream, seq_t seq, Event event, const event_context& context = {.team = team}) {
  event.set_at(at);
  std::string out;
  REQUIRE(render_event(out, stream, 3, seq, event, context));
  return canonical(out);
}

Message post() {
  Message m;
  m.set_channel(room.value);
  m.set_ts(ts);
  m.set_user(ann.value);
  m.mutable_data()->set_text("hi &amp; \"all\"");
  return m;
}

struct one_bot final : bot_directory {
  std::optional<bot_card> find_bot(team_id, bot_id bot) const override {
    if (bot != bot_id{5}) return std::nullopt;
    return bot_card{bot, app_id{6}, user_id{12}, "helper", 77};
  }
};

ChannelData public_channel() {
  ChannelData c;
  c.set_id(room.value);
  c.set_team(team.value);
  c.set_name("random");
  c.set_creator(ann.value);
  c.set_created(1'600'000'000);
  c.set_updated(1'600'000'001);
  c.mutable_topic()->set_value("t");
  c.mutable_topic()->set_creator(bob.value);
  c.mutable_topic()->set_last_set(5);
  return c;
}

}  // namespace

TEST_CASE("render: a plain post, as history shows it") {
  CHECK(
      rendered([](json_writer& w) { render_message(w, post(), {.team = team}); }) ==
      canonical(R"({"type":"message","ts":"1700000000.000100","user":"UA","text":"hi &amp; \"all\"","team":"T100"})"));
}

TEST_CASE("render: a bot's post in a thread, edited, with reactions, a pin, blocks and icons") {
  auto m = post();
  m.set_thread_ts(ts);
  m.set_client_msg_id("c-1");
  m.mutable_thread()->set_reply_count(2);
  m.mutable_thread()->set_user_count(1);
  m.mutable_thread()->set_latest_reply(ts + 5);
  m.mutable_thread()->add_users(bob.value);
  auto& data = *m.mutable_data();
  data.set_subtype("bot_message");
  data.set_bot(5);
  data.set_app(6);
  data.set_username("Helper");
  data.set_icon_emoji(":cat:");
  data.set_blocks_json(R"([{"type": "divider"}])");
  data.set_attachments_json(R"([{"text":1.50}])");
  data.set_edited_by(ann.value);
  data.set_edited_ts(ts + 9);
  data.set_is_pinned(true);
  auto& reaction = *data.add_reactions();
  reaction.set_name("eyes");
  reaction.add_users(ann.value);
  reaction.add_users(bob.value);
  const one_bot bots;
  CHECK(rendered([&](json_writer& w) { render_message(w, m, {.team = team, .bots = &bots, .with_channel = true}); }) ==
        canonical(R"({"type":"message","subtype":"bot_message","channel":"C1000","ts":"1700000000.000100","user":"UA",
          "bot_id":"B5","app_id":"A6","bot_profile":{"id":"B5","app_id":"A6","user_id":"UC","name":"helper",
          "updated":77,"deleted":false,"icons":{},"team_id":"T100"},"username":"Helper","icons":{"emoji":":cat:"},
          "text":"hi &amp; \"all\"","blocks":[{"type":"divider"}],"attachments":[{"text":1.50}],"client_msg_id":"c-1",
          "edited":{"user":"UA","ts":"1700000000.000109"},
          "reactions":[{"name":"eyes","users":["UA","UB"],"count":2}],"pinned_to":["C1000"],"team":"T100",
          "thread_ts":"1700000000.000100","reply_count":2,"reply_users_count":1,"latest_reply":"1700000000.000105",
          "reply_users":["UB"],"subscribed":false,"is_locked":false})"));
}

TEST_CASE("render: a deleted post is a tombstone without its text") {
  auto m = post();
  m.set_is_deleted(true);
  CHECK(rendered([&](json_writer& w) { render_message(w, m, {}); }) ==
        canonical(R"({"type":"message","subtype":"tombstone","ts":"1700000000.000100","user":"USLACKBOT",
                      "text":"This message was deleted.","hidden":true})"));
}

TEST_CASE("render: a public channel") {
  CHECK(rendered([](json_writer& w) {
          render_channel(w, public_channel(),
                         {.viewer = ann, .is_member = true, .last_read = message_ts{ts}, .num_members = 3});
        }) == canonical(R"({"id":"C1000","name":"random","name_normalized":"random","is_channel":true,"is_group":false,
          "is_im":false,"is_mpim":false,"is_private":false,"created":1600000000,"creator":"UA","is_archived":false,
          "is_general":false,"is_member":true,"unlinked":0,"is_shared":false,"is_ext_shared":false,
          "is_org_shared":false,"is_pending_ext_shared":false,"pending_shared":[],"pending_connected_team_ids":[],
          "context_team_id":"T100","shared_team_ids":["T100"],"updated":1600000001,
          "topic":{"value":"t","creator":"UB","last_set":5},"purpose":{"value":"","creator":"","last_set":0},
          "previous_names":[],"num_members":3,"last_read":"1700000000.000100"})"));
}

TEST_CASE("render: an im shows the other person, a note to oneself the viewer") {
  ChannelData c;
  c.set_id(direct.value);
  c.set_team(team.value);
  c.set_is_private(true);
  c.add_direct_users(ann.value);
  c.add_direct_users(bob.value);
  CHECK(direct_partner(c, ann) == bob);
  CHECK(direct_partner(c, bob) == ann);
  CHECK(rendered([&](json_writer& w) { render_channel(w, c, {.viewer = ann, .is_member = true, .is_open = true}); }) ==
        canonical(R"({"id":"D1002","created":0,"is_channel":false,"is_group":false,"is_im":true,"is_mpim":false,
          "is_private":true,"is_archived":false,"is_shared":false,"is_ext_shared":false,"is_org_shared":false,
          "is_member":true,"user":"UB","is_user_deleted":false,"priority":0,"updated":0,"is_open":true,
          "context_team_id":"T100"})"));
  c.clear_direct_users();
  c.add_direct_users(ann.value);
  CHECK(direct_partner(c, ann) == ann);
  CHECK(direct_partner(public_channel(), ann) == user_id{});
}

TEST_CASE("render: a person, with what each viewer may see") {
  UserData u;
  u.set_id(ann.value);
  u.set_team(team.value);
  u.set_name("ann");
  u.set_is_admin(true);
  u.mutable_profile()->set_real_name("Ann A");
  u.mutable_profile()->set_email("ann@example.org");
  const std::string profile_head =
      R"("title":"","phone":"","skype":"","real_name":"Ann A","real_name_normalized":"Ann A","display_name":"",
      "display_name_normalized":"","status_text":"","status_text_canonical":"","status_emoji":"",
      "status_emoji_display_info":[],"status_expiration":0,"first_name":"","last_name":"","team":"T100")";
  CHECK(rendered([&](json_writer& w) { render_user(w, u, {.with_email = true, .with_locale = true}); }) ==
        canonical(R"({"id":"UA","team_id":"T100","name":"ann","deleted":false,"real_name":"Ann A","profile":{)" +
                  profile_head + R"(,"email":"ann@example.org"},"is_admin":true,"is_owner":false,
          "is_primary_owner":false,"is_restricted":false,"is_ultra_restricted":false,"is_bot":false,
          "is_app_user":false,"is_email_confirmed":true,"updated":0,"locale":"en-US"})"));
  CHECK(rendered([&](json_writer& w) { render_profile(w, u, {.with_email = false}); }) ==
        canonical("{" + profile_head + "}"));
}

TEST_CASE("render: dnd shows the snooze to the person herself only") {
  DoNotDisturb dnd;
  dnd.set_is_enabled(true);
  dnd.set_snooze_until(1'060);
  const auto show = [&](bool own, std::int64_t now_s) {
    return rendered([&](json_writer& w) {
      w.begin_object();
      render_dnd_members(w, dnd, now_s, own);
      w.end_object();
    });
  };
  CHECK(show(false, 1'000) == canonical(R"({"dnd_enabled":true,"next_dnd_start_ts":1,"next_dnd_end_ts":1})"));
  CHECK(show(true, 1'000) ==
        canonical(R"({"dnd_enabled":true,"next_dnd_start_ts":1,"next_dnd_end_ts":1,"snooze_enabled":true,
                      "snooze_endtime":1060,"snooze_remaining":60,"snooze_is_indefinite":false})"));
  CHECK(show(true, 1'060) ==
        canonical(R"({"dnd_enabled":true,"next_dnd_start_ts":1,"next_dnd_end_ts":1,"snooze_enabled":false})"));
}

TEST_CASE("render_event: a post carries its position, and its channel_type if that is known") {
  Event e;
  *e.mutable_message() = post();
  CHECK(event_json(key_of(room), 12, e, {.team = team, .is_private = true}) ==
        canonical(R"({"type":"message","channel":"C1000","ts":"1700000000.000100","user":"UA",
          "text":"hi &amp; \"all\"","team":"T100","event_ts":"1700000001.000200","channel_type":"group",
          "stream":"C1000","epoch":3,"seq":12})"));
}

TEST_CASE("render_event: each kind of a channel's events") {
  const auto key = key_of(room);
  const std::string tail = R"(,"event_ts":"1700000001.000200","stream":"C1000","epoch":3,"seq":1})";
  const std::string shown =
      R"({"type":"message","ts":"1700000000.000100","user":"UA","text":"hi &amp; \"all\"","team":"T100"})";

  Event changed;
  *changed.mutable_message_changed()->mutable_message() = post();
  *changed.mutable_message_changed()->mutable_previous() = post();
  changed.mutable_message_changed()->set_changed_ts(ts + 1);
  CHECK(event_json(key, 1, changed) ==
        canonical(R"({"type":"message","subtype":"message_changed","hidden":true,"channel":"C1000",
          "ts":"1700000000.000101","message":)" +
                  shown + R"(,"previous_message":)" + shown + tail));

  Event deleted;
  deleted.mutable_message_deleted()->set_deleted_ts(ts);
  *deleted.mutable_message_deleted()->mutable_previous() = post();
  deleted.mutable_message_deleted()->set_changed_ts(ts + 1);
  CHECK(event_json(key, 1, deleted) ==
        canonical(R"({"type":"message","subtype":"message_deleted","hidden":true,"channel":"C1000",
          "ts":"1700000000.000101","deleted_ts":"1700000000.000100","previous_message":)" +
                  shown + tail));

  Event replied;
  *replied.mutable_message_replied()->mutable_root() = post();
  CHECK(event_json(key, 0, replied) ==
        canonical(R"({"type":"message","subtype":"message_replied","hidden":true,"channel":"C1000",
          "ts":"1700000001.000200","message":)" +
                  shown + R"(,"event_ts":"1700000001.000200"})"));

  Event reaction;
  reaction.mutable_reaction()->set_is_added(true);
  reaction.mutable_reaction()->set_user(bob.value);
  reaction.mutable_reaction()->set_name("eyes");
  reaction.mutable_reaction()->set_ts(ts);
  reaction.mutable_reaction()->set_item_user(ann.value);
  CHECK(event_json(key, 1, reaction) ==
        canonical(R"({"type":"reaction_added","user":"UB","reaction":"eyes","item_user":"UA",
          "item":{"type":"message","channel":"C1000","ts":"1700000000.000100"})" +
                  tail));

  Event pin;
  pin.mutable_pin()->set_user(bob.value);
  pin.mutable_pin()->set_created(9);
  *pin.mutable_pin()->mutable_message() = post();
  CHECK(event_json(key, 1, pin) ==
        canonical(R"({"type":"pin_removed","user":"UB","channel_id":"C1000","item":{"type":"message","created":9,
          "created_by":"UB","channel":"C1000","message":)" +
                  shown + R"(},"item_user":"UA","pin_count":0,
          "pinned_info":{"channel":"C1000","pinned_by":"UB","pinned_ts":9},"has_pins":false)" +
                  tail));

  Event joined;
  joined.mutable_member()->set_is_joined(true);
  joined.mutable_member()->set_user(bob.value);
  joined.mutable_member()->set_inviter(ann.value);
  CHECK(event_json(key, 1, joined, {.team = team, .is_private = false}) ==
        canonical(R"({"type":"member_joined_channel","user":"UB","channel":"C1000","channel_type":"C","team":"T100",
          "inviter":"UA")" +
                  tail));

  Event typing;
  typing.mutable_typing()->set_user(bob.value);
  CHECK(event_json(key, 0, typing) == canonical(R"({"type":"user_typing","channel":"C1000","user":"UB"})"));
}

TEST_CASE("render_event: broadcasts and system posts have their subtypes and members") {
  Event e;
  *e.mutable_message() = post();
  e.mutable_message()->set_thread_ts(ts - 5);
  e.mutable_message()->mutable_data()->set_is_broadcast(true);
  auto& root = *e.mutable_message()->mutable_root();
  root = post();
  root.set_ts(ts - 5);
  root.mutable_data()->set_text("the root");
  e.mutable_message()->mutable_data()->set_parent_user(ann.value);
  const auto broadcast = event_json(key_of(room), 0, e);
  CHECK(broadcast.find("subtype:\"thread_broadcast\"") != std::string::npos);
  CHECK(broadcast.find("parent_user_id:\"UA\"") != std::string::npos);
  CHECK(broadcast.find("root:{") != std::string::npos);
  CHECK(broadcast.find("text:\"the root\"") != std::string::npos);
  e.mutable_message()->clear_root();
  auto& data = *e.mutable_message()->mutable_data();
  data.set_is_broadcast(false);
  data.set_subtype("channel_topic");
  data.set_topic("new");
  CHECK(event_json(key_of(room), 0, e).find("topic:\"new\"") != std::string::npos);
  data.set_subtype("channel_join");
  data.set_inviter(bob.value);
  const auto join = event_json(key_of(room), 0, e);
  CHECK(join.find("inviter:\"UB\"") != std::string::npos);
  CHECK(join.find("topic:") == std::string::npos);
}

TEST_CASE("render_event: a person's own events, by the kind of the channel") {
  const auto key = key_of(ann);
  const auto type_of = [&](const Event& e) {
    const auto text = event_json(key, 1, e);
    const auto from = text.find("type:\"", text.find(",type:\"") == text.npos ? 0 : text.find(",type:\"")) + 6;
    return text.substr(from, text.find('"', from) - from);
  };
  Event listed;
  *listed.mutable_channel_listed()->mutable_channel() = public_channel();
  CHECK(type_of(listed) == "channel_joined");
  listed.mutable_channel_listed()->mutable_channel()->set_is_private(true);
  CHECK(type_of(listed) == "group_joined");
  listed.mutable_channel_listed()->mutable_channel()->set_id(group.value);
  CHECK(type_of(listed) == "group_joined");
  listed.mutable_channel_listed()->mutable_channel()->set_id(direct.value);
  listed.mutable_channel_listed()->mutable_channel()->add_direct_users(bob.value);
  CHECK(type_of(listed) == "im_created");
  CHECK(event_json(key, 1, listed).find(",user:\"UB\"") != std::string::npos);

  Event unlisted;
  unlisted.mutable_channel_unlisted()->set_channel(room.value);
  CHECK(type_of(unlisted) == "channel_left");
  unlisted.mutable_channel_unlisted()->set_is_private(true);
  CHECK(type_of(unlisted) == "group_left");

  for (const auto& [id, prefix] : {std::pair(room, "channel"), std::pair(group, "group"), std::pair(direct, "im")}) {
    Event marked;
    marked.mutable_channel_marked()->set_channel(id.value);
    CHECK(type_of(marked) == std::string(prefix) + "_marked");
    marked.mutable_channel_marked()->set_is_private(true);
    CHECK(type_of(marked) == (id == direct ? "im_marked" : "group_marked"));
  }
  Event shown;
  shown.mutable_direct_shown()->set_channel(direct.value);
  CHECK(event_json(key, 1, shown) ==
        canonical(R"({"type":"im_close","channel":"D1002","user":"UA","event_ts":"1700000001.000200","stream":"UA",
          "epoch":3,"seq":1})"));
  shown.mutable_direct_shown()->set_is_open(true);
  CHECK(type_of(shown) == "im_open");
  shown.mutable_direct_shown()->set_channel(group.value);
  CHECK(type_of(shown) == "group_open");

  Event pref;
  pref.mutable_pref_changed()->set_name("tz");
  pref.mutable_pref_changed()->set_value_json(R"({"a":1})");
  CHECK(event_json(key, 0, pref) ==
        canonical(R"({"type":"pref_change","name":"tz","value":{"a":1},"event_ts":"1700000001.000200"})"));
  Event away;
  away.mutable_manual_presence()->set_is_away(true);
  CHECK(event_json(key, 0, away) == canonical(R"({"type":"manual_presence_change","presence":"away"})"));
  Event ephemeral;
  *ephemeral.mutable_ephemeral()->mutable_message() = post();
  CHECK(event_json(key, 0, ephemeral).find("is_ephemeral:true") != std::string::npos);
}

TEST_CASE("render_event: a workspace's events") {
  const auto key = key_of(team);
  Event created;
  *created.mutable_channel_created() = public_channel();
  CHECK(event_json(key, 1, created) ==
        canonical(R"({"type":"channel_created","channel":{"id":"C1000","name":"random","name_normalized":"random",
          "is_channel":true,"is_group":false,"is_im":false,"is_mpim":false,"is_private":false,"is_shared":false,
          "is_org_shared":false,"created":1600000000,"creator":"UA","context_team_id":"T100"},
          "event_ts":"1700000001.000200","stream":"T100","epoch":3,"seq":1})"));
  Event archived;
  archived.mutable_public_channel_changed()->set_kind(ChannelChanged::ARCHIVED);
  *archived.mutable_public_channel_changed()->mutable_channel() = public_channel();
  archived.mutable_public_channel_changed()->set_user(ann.value);
  CHECK(event_json(key, 0, archived) ==
        canonical(R"({"type":"channel_archive","channel":"C1000","user":"UA","is_moved":0,
          "event_ts":"1700000001.000200"})"));
  Event bot;
  bot.mutable_bot_added()->set_bot(5);
  bot.mutable_bot_added()->set_app(6);
  bot.mutable_bot_added()->set_name("helper");
  CHECK(event_json(key, 0, bot) ==
        canonical(R"({"type":"bot_added","bot":{"id":"B5","deleted":false,"name":"helper","updated":0,"app_id":"A6",
          "icons":{}},"event_ts":"1700000001.000200"})"));
  for (const auto& [fill, type] : std::vector<std::pair<void (*)(Event&), std::string>>{
           {[](Event& e) { e.mutable_team_join()->set_id(1); }, "team_join"},
           {[](Event& e) { e.mutable_user_change()->set_id(1); }, "user_change"},
           {[](Event& e) { e.mutable_team_change()->set_name("n"); }, "team_rename"},
           {[](Event& e) { e.mutable_user_dnd()->set_user(1); }, "dnd_updated_user"}}) {
    Event e;
    fill(e);
    CHECK(event_json(key, 1, e).find("type:\"" + type + "\"") != std::string::npos);
  }
  // Everybody gets these, also who may not read addresses.
  Event joined, changed;
  joined.mutable_team_join()->mutable_profile()->set_email("ann@example.org");
  changed.mutable_user_change()->mutable_profile()->set_email("ann@example.org");
  CHECK(event_json(key, 1, joined).find("example.org") == std::string::npos);
  CHECK(event_json(key, 1, changed).find("example.org") == std::string::npos);
}

TEST_CASE("render_event: what is not for clients leaves the text as it was") {
  std::string out = "before";
  Event e;
  e.mutable_signed_out();
  CHECK_FALSE(render_event(out, key_of(ann), 1, 0, e, {}));
  e.mutable_presence();
  CHECK_FALSE(render_event(out, key_of(bucket_id{1}), 1, 0, e, {}));
  e.Clear();
  CHECK_FALSE(render_event(out, key_of(room), 1, 1, e, {}));
  publication empty;
  CHECK_FALSE(render_event(out, empty, {}));
  CHECK(out == "before");
}

TEST_CASE("render: presence of one person and of several, and a gap") {
  std::string out;
  const std::vector<user_id> both{ann, bob};
  render_presence(out, std::span(both).first(1), true);
  CHECK(out == R"({"type":"presence_change","presence":"active","user":"UA"})");
  out.clear();
  render_presence(out, both, false);
  CHECK(out == R"({"type":"presence_change","presence":"away","users":["UA","UB"]})");
  out.clear();
  render_gap(out, key_of(room), 3, 17);
  CHECK(out == R"({"type":"gap","stream":"C1000","epoch":3,"seq":17})");
}

TEST_CASE("render: a workspace, its bots and its emoji") {
  WorkspaceData data;
  data.set_id(team.value);
  data.set_name("Acme");
  data.set_domain("acme");
  (*data.mutable_emoji())["party \"x\""] = "https://x/y.png";
  CHECK(rendered([&](json_writer& w) { render_team(w, data, "http://h/"); }) ==
        canonical(R"({"id":"T100","name":"Acme","url":"http://h/","domain":"acme","email_domain":"",
          "icon":{"image_default":true},"is_verified":false,"discoverable":"closed","locale":"en-US"})"));
  std::string emoji;
  json_writer w(emoji);
  render_emoji(w, data);
  CHECK(emoji == R"({"party \"x\"":"https://x/y.png"})");
}
