// SPDX-License-Identifier: Apache-2.0
// What happens to posts after they were made: edits, deletions, reactions, pins; and what is only shown.
#include <doctest/doctest.h>

#include "tests/sim/actors/channel_town.hpp"

namespace throng::test {

namespace {

const Event& last_event(channel_town& town) { return channel_town::event_of(town.node.published().back()); }

}  // namespace

TEST_CASE("channel: an edit changes what history shows, and tells before and after") {
  channel_town town;
  auto post = town.post(ann, "old");
  auto reply = town.node.must(key_of(plans), town.edit(ann, post.ts(), "new"));
  CHECK(reply.message().data().text() == "new");
  const auto& changed = last_event(town).message_changed();
  CHECK(changed.message().data().text() == "new");
  CHECK(changed.previous().data().text() == "old");
  CHECK(changed.changed_ts() > post.ts());
  CHECK(town.said(ann) == "new ");
  auto shown = town.history(ann).messages(0);
  CHECK(shown.ts() == post.ts());
  CHECK(shown.seq() == post.seq());
  CHECK(shown.data().edited_by() == ann.value);
  CHECK(shown.data().edited_ts() == changed.changed_ts());
  CHECK(town.info(ann).latest().message().data().text() == "new");
}

TEST_CASE("channel: an edit that isn't allowed changes nothing") {
  channel_town town;
  town.join(bob);
  auto post = town.post(ann, "old");
  CHECK(town.refusal(town.edit(bob, post.ts(), "new")) == errc::cant_update_message);
  CHECK(town.refusal(town.edit(ann, 17, "new")) == errc::message_not_found);
  CHECK(town.refusal(town.edit(ann, post.ts(), "")) == errc::no_text);
  CHECK(town.refusal(town.edit(ann, post.ts(), std::string(40'001, 'x'))) == errc::msg_too_long);
  CHECK(town.said(ann) == "old ");
}

TEST_CASE("channel: a deleted message is gone for readers, and can't be touched again") {
  channel_town town;
  auto post = town.post(ann, "x");
  town.node.must(key_of(plans), town.pin(ann, post.ts()));
  town.node.must(key_of(plans), town.removal(ann, post.ts()));
  const auto& deleted = last_event(town).message_deleted();
  CHECK(deleted.deleted_ts() == post.ts());
  CHECK(deleted.previous().data().text() == "x");
  CHECK(town.said(ann) == "");
  CHECK(town.info(ann).latest().message().data().subtype() == "channel_join");
  CHECK(town.info(ann).channel().pins_size() == 0);
  CHECK(town.refusal(town.removal(ann, post.ts())) == errc::message_not_found);
  CHECK(town.refusal(town.edit(ann, post.ts(), "y")) == errc::message_not_found);
  CHECK(town.refusal(town.reaction(ann, post.ts(), "+1")) == errc::message_not_found);
  CHECK(town.refusal(town.pin(ann, post.ts())) == errc::message_not_found);
  town.node.crash_and_restart();
  CHECK(town.info(ann).channel().pins_size() == 0);
}

TEST_CASE("channel: others don't delete a message, admins do") {
  channel_town town;
  town.join(bob);
  auto post = town.post(ann, "x");
  CHECK(town.refusal(town.removal(bob, post.ts())) == errc::cant_delete_message);
  auto request = town.removal(bob, post.ts());
  request.mutable_caller()->set_is_admin(true);
  CHECK(town.refusal(request) == errc{});
}

TEST_CASE("channel: reactions that come at the same time all count") {
  channel_town town;
  auto post = town.post(ann, "x");
  std::vector<result<std::shared_ptr<const PostReply>>> answers(10, errc::internal_error);
  for (std::size_t each = 0; each < answers.size(); ++each)
    town.node.ask_later(key_of(plans), town.reaction({100 + each}, post.ts(), "+1"), &answers[each]);
  town.node.settle();
  for (const auto& each : answers) CHECK(each.ok());
  auto shown = town.history(ann).messages(0);
  REQUIRE(shown.data().reactions_size() == 1);
  CHECK(shown.data().reactions(0).users_size() == 10);
}

TEST_CASE("channel: a reaction is announced with whose message it is, and its maker's USER is told") {
  channel_town town;
  town.join(bob);
  auto post = town.post(ann, "x");
  town.take_notes();
  town.node.must(key_of(plans), town.reaction(bob, post.ts(), "+1"));
  const auto& added = last_event(town).reaction();
  CHECK(added.is_added());
  CHECK(added.user() == bob.value);
  CHECK(added.item_user() == ann.value);
  CHECK(added.ts() == post.ts());
  CHECK(town.refusal(town.reaction(bob, post.ts(), "+1")) == errc::already_reacted);
  town.node.must(key_of(plans), town.reaction(bob, post.ts(), "+1", false));
  CHECK_FALSE(last_event(town).reaction().is_added());
  CHECK(town.refusal(town.reaction(bob, post.ts(), "+1", false)) == errc::no_reaction);
  CHECK(town.take_notes() == std::vector<std::string>{"12 reacted", "12 unreacted"});
}

TEST_CASE("channel: pins are listed with their messages, and survive a crash") {
  channel_town town;
  town.join(bob);
  auto one = town.post(ann, "one"), two = town.post(ann, "two");
  town.node.must(key_of(plans), town.pin(bob, one.ts()));
  town.node.must(key_of(plans), town.pin(ann, two.ts()));
  CHECK(last_event(town).pin().pin_count() == 2);
  CHECK(town.refusal(town.pin(ann, one.ts())) == errc::already_pinned);
  town.node.must(key_of(plans), town.pin(ann, two.ts(), false));
  CHECK(town.refusal(town.pin(ann, two.ts(), false)) == errc::no_pin);
  town.node.crash_and_restart();
  PinsRequest request;
  *request.mutable_caller() = person(ann);
  auto pins = town.node.must(key_of(plans), request);
  REQUIRE(pins.items_size() == 1);
  CHECK(pins.items(0).pin().user() == bob.value);
  CHECK(pins.items(0).message().data().text() == "one");
  CHECK(pins.items(0).message().data().is_pinned());
  CHECK(town.history(ann).pin_count() == 1);
}

TEST_CASE("channel: history comes in pages of the wanted size, newest first, and says if there is more") {
  channel_town town;
  for (int each = 1; each <= 5; ++each) town.post(ann, std::to_string(each));
  auto page = town.history(ann, plans, 2);
  REQUIRE(page.messages_size() == 2);
  CHECK(page.has_more());
  CHECK(page.messages(0).data().text() == "5");
  HistoryRequest older;
  *older.mutable_caller() = person(ann);
  older.set_latest(page.messages(1).ts());
  older.set_limit(100);
  auto rest = town.node.must(key_of(plans), older);
  CHECK(rest.messages_size() == 4);  // 3, 2, 1, and ann's own joining
  CHECK_FALSE(rest.has_more());

  HistoryRequest first;
  *first.mutable_caller() = person(ann);
  first.set_oldest(rest.messages(3).ts());
  first.set_oldest_first(true);
  first.set_limit(2);
  auto oldest = town.node.must(key_of(plans), first);
  REQUIRE(oldest.messages_size() == 2);
  CHECK(oldest.messages(0).data().text() == "2");
  CHECK(oldest.messages(1).data().text() == "1");
}

TEST_CASE("channel: typing is told to listeners, isn't numbered, and needs no store") {
  channel_town town;
  town.node.published().clear();
  auto end = town.info(ann).seq();
  town.node.faults().reads.fail(1, 1'000);
  TypingNotice notice;
  *notice.mutable_caller() = person(ann);
  notice.mutable_caller()->set_connection(5);
  town.node.door().tell(key_of(plans), share(notice));
  *notice.mutable_caller() = person(eve);  // not a member
  town.node.door().tell(key_of(plans), share(notice));
  town.node.settle();
  REQUIRE(town.node.published().size() == 1);
  const auto& out = *town.node.published()[0];
  CHECK(out.seq == 0);
  CHECK(out.priority == delivery_class::typing);
  CHECK(out.skip_connection == 5);
  CHECK(last_event(town).typing().user() == ann.value);
  CHECK(town.info(ann).seq() == end);
}

TEST_CASE("channel: an ephemeral message goes to one member, and is nowhere afterwards") {
  channel_town town;
  town.join(bob);
  town.node.published().clear();
  town.take_notes();
  EphemeralRequest request;
  *request.mutable_caller() = person(ann);
  request.set_user(bob.value);
  request.mutable_data()->set_text("psst");
  CHECK(town.node.must(key_of(plans), request).message().ts() != 0);
  CHECK(town.take_notes() == std::vector<std::string>{"12 shown psst"});
  CHECK(town.node.published().empty());
  CHECK(town.said(bob) == "");
  request.set_user(eve.value);
  CHECK(town.refusal(request) == errc::user_not_in_channel);
  request.set_user(bob.value);
  request.mutable_data()->clear_text();
  CHECK(town.refusal(request) == errc::no_text);
}

TEST_CASE("channel: a bot posts under its bot id, and reads where it is a member only") {
  channel_town town;
  HistoryRequest history;
  *history.mutable_caller() = bot(eve);
  CHECK(town.refusal(history) == errc::not_in_channel);
  town.join(eve);
  auto request = channel_town::text(eve, "beep");
  *request.mutable_caller() = bot(eve);
  auto message = town.node.must(key_of(plans), request).message();
  CHECK(message.data().bot() == 99);
  CHECK(message.data().app() == 98);
  CHECK(town.refusal(history) == errc{});
}

}  // namespace throng::test
