// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/message_rules.hpp"

#include <doctest/doctest.h>

namespace throng {

namespace {

constexpr user_id ann{1}, bob{2};

Caller person(user_id user, bool is_admin = false) {
  Caller caller;
  caller.set_team(1);
  caller.set_user(user.value);
  caller.set_is_admin(is_admin);
  return caller;
}
Caller bot(user_id user, std::uint64_t id) {
  auto caller = person(user);
  caller.set_bot(id);
  return caller;
}
Message message_by(user_id user, std::uint64_t bot = 0, std::string subtype = "") {
  Message message;
  message.set_user(user.value);
  message.mutable_data()->set_bot(bot);
  message.mutable_data()->set_subtype(std::move(subtype));
  return message;
}
errc code(const result<>& outcome) { return outcome ? errc{} : outcome.code(); }

}  // namespace

TEST_CASE("message rules: a post needs a text, blocks or attachments") {
  channel_limits limits;
  MessageData data;
  CHECK(code(check_content(data, limits)) == errc::no_text);
  data.set_blocks_json("[]");
  data.set_attachments_json("[]");
  CHECK(code(check_content(data, limits)) == errc::no_text);
  data.set_blocks_json("[{}]");
  CHECK(check_content(data, limits).ok());
  data.clear_blocks_json();
  data.set_attachments_json("[{}]");
  CHECK(check_content(data, limits).ok());
  data.clear_attachments_json();
  data.set_text("x");
  CHECK(check_content(data, limits).ok());
}

TEST_CASE("message rules: the length of a text is counted in characters") {
  channel_limits limits;
  MessageData data;
  std::string text;
  for (std::size_t each = 0; each < limits.message_chars_max; ++each) text += "\xF0\x9F\x98\x80";
  data.set_text(text);
  CHECK(check_content(data, limits).ok());
  data.set_text(text + "x");
  CHECK(code(check_content(data, limits)) == errc::msg_too_long);
  data.set_text(std::string(limits.message_chars_max + 1, 'x'));
  CHECK(code(check_content(data, limits)) == errc::msg_too_long);
}

TEST_CASE("message rules: only its author updates a message") {
  CHECK(may_update(message_by(ann), person(ann)).ok());
  CHECK(code(may_update(message_by(ann), person(bob))) == errc::cant_update_message);
  CHECK(code(may_update(message_by(ann), person(bob, true))) == errc::cant_update_message);
}

TEST_CASE("message rules: a bot's message belongs to the bot, whoever holds its token, and to no person") {
  CHECK(may_update(message_by(ann, 7), bot(bob, 7)).ok());
  CHECK(code(may_update(message_by(ann, 7), bot(ann, 8))) == errc::cant_update_message);
  CHECK(code(may_update(message_by(ann, 7), person(ann))) == errc::cant_update_message);
  CHECK(code(may_update(message_by(ann), bot(ann, 7))) == errc::cant_update_message);
  CHECK(may_delete(message_by(ann, 7), bot(bob, 7)).ok());
  CHECK(code(may_delete(message_by(ann, 7), person(ann))) == errc::cant_delete_message);
}

TEST_CASE("message rules: nobody edits what the channel says about itself, and only admins delete it") {
  for (std::string subtype : {"channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name",
                              "channel_archive", "channel_unarchive"}) {
    CAPTURE(subtype);
    auto message = message_by(ann, 0, subtype);
    CHECK(code(may_update(message, person(ann))) == errc::cant_update_message);
    CHECK(code(may_delete(message, person(ann))) == errc::cant_delete_message);
    CHECK(may_delete(message, person(bob, true)).ok());
  }
  CHECK(may_update(message_by(ann, 0, "me_message"), person(ann)).ok());
}

TEST_CASE("message rules: its author and admins delete a message") {
  CHECK(may_delete(message_by(ann), person(ann)).ok());
  CHECK(may_delete(message_by(ann), person(bob, true)).ok());
  CHECK(code(may_delete(message_by(ann), person(bob))) == errc::cant_delete_message);
}

TEST_CASE("message rules: a person reacts with an emoji once, and can take it back") {
  channel_limits limits;
  MessageData data;
  CHECK(add_reaction(data, ann, "+1", limits).ok());
  CHECK(code(add_reaction(data, ann, "+1", limits)) == errc::already_reacted);
  CHECK(add_reaction(data, bob, "+1", limits).ok());
  REQUIRE(data.reactions_size() == 1);
  CHECK(data.reactions(0).users_size() == 2);
  CHECK(remove_reaction(data, ann, "+1").ok());
  CHECK(code(remove_reaction(data, ann, "+1")) == errc::no_reaction);
  CHECK(data.reactions(0).users(0) == bob.value);
  CHECK(remove_reaction(data, bob, "+1").ok());
  CHECK(data.reactions_size() == 0);
  CHECK(code(remove_reaction(data, bob, "+1")) == errc::no_reaction);
}

TEST_CASE("message rules: a message has at most 50 different emoji, and joining one of them is still fine") {
  channel_limits limits;
  MessageData data;
  for (std::size_t each = 0; each < limits.reaction_names_max; ++each)
    REQUIRE(add_reaction(data, {100 + each}, "e" + std::to_string(each), limits).ok());
  CHECK(code(add_reaction(data, ann, "one_more", limits)) == errc::too_many_emoji);
  CHECK(add_reaction(data, ann, "e7", limits).ok());
}

TEST_CASE("message rules: a person reacts to a message at most 23 times") {
  channel_limits limits;
  MessageData data;
  for (std::size_t each = 0; each < 23; ++each)
    REQUIRE(add_reaction(data, ann, "e" + std::to_string(each), limits).ok());
  CHECK(code(add_reaction(data, ann, "one_more", limits)) == errc::too_many_reactions);
  CHECK(add_reaction(data, bob, "one_more", limits).ok());
}

TEST_CASE("message rules: the reactions of all people to a message are bounded") {
  channel_limits limits;
  limits.reactions_max = 3;
  MessageData data;
  for (std::uint64_t each = 0; each < 3; ++each) REQUIRE(add_reaction(data, {10 + each}, "+1", limits).ok());
  CHECK(code(add_reaction(data, ann, "+1", limits)) == errc::too_many_reactions);
}

TEST_CASE("message rules: a reaction's name is an emoji's name") {
  channel_limits limits;
  MessageData data;
  const std::string much_too_long(200, 'x');
  for (const std::string& name : {std::string(), std::string("a b"), std::string("<b>"), std::string("Thumbs"),
                                  std::string("a\nb"), much_too_long}) {
    CAPTURE(name);
    CHECK(code(add_reaction(data, ann, name, limits)) == errc::invalid_name);
  }
  for (std::string name : {"+1", "wave::skin-tone-2", "e-mail", "caf\xC3\xA9"}) {
    CAPTURE(name);
    CHECK(add_reaction(data, ann, name, limits).ok());
  }
}

TEST_CASE("message rules: a post can't bring its own reactions, pin or edit mark") {
  MessageData data;
  data.set_text("x");
  data.add_reactions()->set_name("+1");
  data.set_is_pinned(true);
  data.set_edited_by(1);
  data.set_edited_ts(1);
  clear_channel_marks(data);
  MessageData plain;
  plain.set_text("x");
  CHECK(data.SerializeAsString() == plain.SerializeAsString());
}

}  // namespace throng
