// SPDX-License-Identifier: Apache-2.0
// A person: what she sets, what others and her own devices hear of it, and what stays after a crash.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/sim/actors/people_town.hpp"

namespace throng::test {

namespace {

using ids = std::vector<std::uint64_t>;

SetProfileRequest status(std::string text, std::int64_t expiration = 0) {
  SetProfileRequest request;
  request.mutable_profile()->set_status_text(std::move(text));
  request.mutable_profile()->set_status_expiration(expiration);
  request.add_fields("status_text");
  request.add_fields("status_expiration");
  return request;
}

SetDndRequest dnd(SetDndRequest::Action action, std::int64_t minutes = 0) {
  SetDndRequest request;
  request.set_action(action);
  request.set_minutes(minutes);
  return request;
}

SetRoleRequest role(SetRoleRequest::Role to) {
  SetRoleRequest request;
  request.set_role(to);
  return request;
}

UserData listed(people_town& town, user_id user) {
  FindUsersRequest find;
  find.add_ids(user.value);
  auto found = town.node.must(key_of(acme), std::move(find));
  REQUIRE(found.users_size() == 1);
  return found.users(0);
}

struct pair_town : people_town {
  pair_town() {
    found();
    ada = add("ada");
    bob = add("bob");
  }
  user_id ada, bob;
};

}  // namespace

TEST_CASE("user: a profile that was set is in the directory when the answer comes") {
  pair_town town;
  town.node.must(key_of(town.bob), status("at lunch"));
  CHECK(listed(town, town.bob).profile().status_text() == "at lunch");
  CHECK(listed(town, town.bob).profile().status_emoji() == ":speech_balloon:");
  CHECK(town.count(key_of(acme), Event::kUserChange) == 1);
  town.node.must(key_of(town.bob), status("at lunch"));
  CHECK(town.count(key_of(acme), Event::kUserChange) == 1);
  town.node.crash_and_restart();
  CHECK(town.user_of(town.bob).profile().status_text() == "at lunch");
  CHECK(town.refusal(key_of(town.bob), status(std::string(101, 'x'))) == errc::profile_status_set_failed_too_long);
  CHECK(town.refusal(key_of(user_id{404}), status("x")) == errc::user_not_found);
}

TEST_CASE("user: a directory that missed a change hears of it again") {
  pair_town town;
  SUBCASE("after a while, when it could not be reached") {
    town.node.faults().commits.fail(2);  // the first is the USER's
    CHECK(town.refusal(key_of(town.bob), status("at lunch")) != errc{});
    town.node.advance(std::chrono::seconds(5));
  }
  SUBCASE("with the next activation, when the node died in between") {
    town.node.faults().commits.fail(2, 1'000'000);
    (void)town.node.ask(key_of(town.bob), status("at lunch"));
    town.node.crash_and_restart();
    (void)town.user_of(town.bob);
    town.node.settle();
  }
  CHECK(listed(town, town.bob).profile().status_text() == "at lunch");
  CHECK(town.count(key_of(acme), Event::kUserChange) == 1);
}

TEST_CASE("user: a status and a snooze end by themselves") {
  pair_town town;
  auto now = seconds_of(town.node.clock().wall());
  town.node.must(key_of(town.bob), status("at lunch", now + 60));
  town.node.must(key_of(town.bob), dnd(SetDndRequest::SNOOZE, 2));
  town.node.advance(std::chrono::seconds(59));
  CHECK(listed(town, town.bob).profile().status_text() == "at lunch");
  town.node.advance(std::chrono::seconds(2));
  CHECK(listed(town, town.bob).profile().status_text().empty());
  CHECK(town.user_of(town.bob).dnd().snooze_until() == now + 120);
  town.node.advance(std::chrono::seconds(60));
  CHECK(town.user_of(town.bob).dnd().snooze_until() == 0);
  CHECK(town.count(key_of(town.bob), Event::kOwnDnd) == 2);
  CHECK(town.count(key_of(acme), Event::kUserDnd) == 2);
}

TEST_CASE("user: do not disturb is told to her devices and to the others") {
  pair_town town;
  CHECK(town.refusal(key_of(town.bob), dnd(SetDndRequest::SNOOZE)) == errc::missing_duration);
  CHECK(town.refusal(key_of(town.bob), dnd(SetDndRequest::SNOOZE, 100'000)) == errc::too_long);
  CHECK(town.refusal(key_of(town.bob), dnd(SetDndRequest::END_SNOOZE)) == errc::snooze_not_active);
  CHECK(town.refusal(key_of(town.bob), dnd(SetDndRequest::UNKNOWN)) == errc::invalid_arguments);
  auto until = town.node.must(key_of(town.bob), dnd(SetDndRequest::SNOOZE, 10)).dnd().snooze_until();
  CHECK(until == seconds_of(town.node.clock().wall()) + 600);
  town.node.must(key_of(town.bob), dnd(SetDndRequest::END_SNOOZE));
  CHECK(town.count(key_of(town.bob), Event::kOwnDnd) == 2);
  CHECK(town.count(key_of(acme), Event::kUserDnd) == 2);
  CHECK(town.count(key_of(acme), Event::kUserChange) == 0);
}

TEST_CASE("user: channels come onto the list and go, each told once") {
  pair_town town;
  auto plans = town.make(town.ada, "plans");
  AddChannelRequest listing;
  listing.mutable_channel()->set_id(plans.value);
  listing.set_seq(3);
  town.node.must(key_of(town.bob), listing);
  town.node.must(key_of(town.bob), listing);
  CHECK(town.list_of(town.bob) == ids{town.general().value, plans.value});
  CHECK(town.count(key_of(town.bob), Event::kChannelListed) == 2);
  RemoveChannelRequest removal;
  removal.set_channel(plans.value);
  town.node.must(key_of(town.bob), removal);
  town.node.must(key_of(town.bob), removal);
  CHECK(town.count(key_of(town.bob), Event::kChannelUnlisted) == 1);
  town.node.crash_and_restart();
  CHECK(town.list_of(town.bob) == ids{town.general().value});
  CHECK(town.refusal(key_of(user_id{404}), listing) == errc::user_not_found);
}

TEST_CASE("user: a direct message from the other side is quiet until it is shown") {
  pair_town town;
  auto direct = im_channel(acme, town.ada, town.bob);
  AddChannelRequest listing;
  listing.mutable_channel()->set_id(direct.value);
  listing.set_is_quiet(true);
  town.node.must(key_of(town.bob), listing);
  CHECK(town.count(key_of(town.bob), Event::kChannelListed) == 1);  // #general
  auto channels = town.node.must(key_of(town.bob), UserChannelsRequest{});
  auto is_open = [&](const UserChannelsReply& page) {
    for (const auto& each : page.channels())
      if (each.channel() == direct.value) return each.is_open();
    return false;
  };
  CHECK(channels.channels_size() == 2);
  CHECK_FALSE(is_open(channels));
  listing.set_is_quiet(false);
  town.node.must(key_of(town.bob), listing);
  CHECK(town.count(key_of(town.bob), Event::kChannelListed) == 2);
  CHECK(town.count(key_of(town.bob), Event::kDirectShown) == 1);

  ShowDirectRequest hide;
  hide.set_channel(direct.value);
  CHECK(town.node.must(key_of(town.bob), hide).was_open());
  CHECK_FALSE(town.node.must(key_of(town.bob), hide).was_open());
  CHECK(town.count(key_of(town.bob), Event::kDirectShown) == 2);
  // What was listed once is opened again, also after a restart; it isn't new.
  town.node.crash_and_restart();
  town.node.must(key_of(town.bob), listing);
  CHECK(town.count(key_of(town.bob), Event::kDirectShown) == 3);
  CHECK(town.count(key_of(town.bob), Event::kChannelListed) == 2);
  hide.set_channel(town.general().value);
  CHECK(town.refusal(key_of(town.bob), hide) == errc::channel_not_found);
}

TEST_CASE("user: what others open and never write to doesn't fill her list") {
  people_options options;
  options.user.channels_max = 3;
  people_town town(options);
  town.found();
  auto bob = town.add("bob");  // in #general
  auto listing = [](std::uint64_t id, bool is_quiet) {
    AddChannelRequest request;
    request.mutable_channel()->set_id(make_channel_id(id, is_quiet ? channel_kind::mpim : channel_kind::channel).value);
    request.set_is_quiet(is_quiet);
    return request;
  };
  for (std::uint64_t id : {500, 600, 700}) town.node.must(key_of(bob), listing(id, true));
  CHECK(town.refusal(key_of(bob), listing(800, true)) == errc::restricted_action);
  for (std::uint64_t id : {500, 600}) town.node.must(key_of(bob), listing(id, false));
  CHECK(town.refusal(key_of(bob), listing(700, false)) == errc::restricted_action);
  CHECK(town.list_of(bob).size() == 6);
}

TEST_CASE("user: knows which of her channels are private, also after a restart") {
  pair_town town;
  AddChannelRequest listing;
  listing.mutable_channel()->set_id(make_channel_id(77, channel_kind::channel).value);
  listing.mutable_channel()->set_is_private(true);
  town.node.must(key_of(town.bob), listing);
  town.node.crash_and_restart();
  auto page = town.node.must(key_of(town.bob), UserChannelsRequest{});
  REQUIRE(page.channels_size() == 2);
  for (const auto& each : page.channels()) CHECK(each.is_private() == (each.channel() == listing.channel().id()));
}

TEST_CASE("user: a read cursor moves both ways and is told to her other devices") {
  pair_town town;
  MarkRequest mark;
  mark.set_channel(town.general().value);
  mark.set_ts(500);
  town.node.must(key_of(town.bob), mark);
  mark.set_ts(300);
  town.node.must(key_of(town.bob), mark);
  town.node.must(key_of(town.bob), mark);
  CHECK(town.count(key_of(town.bob), Event::kChannelMarked) == 2);
  town.node.crash_and_restart();
  CHECK(town.node.must(key_of(town.bob), UserChannelsRequest{}).channels(0).last_read() == 300);
  mark.set_ts(-1);
  CHECK(town.refusal(key_of(town.bob), mark) == errc::invalid_timestamp);
  mark.set_channel(404);
  CHECK(town.refusal(key_of(town.bob), mark) == errc::not_in_channel);
}

TEST_CASE("user: deactivation revokes her tokens, ends her sessions and is seen by all") {
  pair_town town;
  token_record token;
  token.hash.fill(9);
  token.type = token_type::user;
  token.team = acme;
  token.user = town.bob;
  std::vector<commit_unit> units(1);
  units[0].ops.push_back(put_token{token});
  REQUIRE(town.node.rows().commit(units));
  town.connect(town.bob, session_id{50}, 100);
  town.listen(key_of(town.bob));
  town.node.published().clear();
  town.node.must(key_of(town.bob), role(SetRoleRequest::DEACTIVATED));
  CHECK(town.node.rows().make_reader()->token(token.hash)->is_revoked);
  CHECK(listed(town, town.bob).is_deleted());
  CHECK(town.refusal(key_of(session_id{50}), town.opening(town.bob, true)) == errc::not_found);
  CHECK(town.refusal(key_of(session_id{51}), town.opening(town.bob)) == errc::account_inactive);
  CHECK(std::ranges::any_of(town.node.published(), [&](const auto& each) {
    return each->stream == key_of(town.bob) && town.event_of(each).has_signed_out() &&
           town.event_of(each).signed_out().session() == 0;
  }));

  town.node.must(key_of(town.bob), role(SetRoleRequest::ADMIN));
  CHECK(listed(town, town.bob).is_admin());
  CHECK_FALSE(listed(town, town.bob).is_deleted());
  CHECK(town.node.rows().make_reader()->token(token.hash)->is_revoked);
  CHECK(town.refusal(key_of(town.ada), role(SetRoleRequest::DEACTIVATED)) == errc::restricted_action);
}

TEST_CASE("user: signing out ends the sessions of those tokens only") {
  pair_town town;
  auto other = town.opening(town.bob);
  other.set_token_hash("another");
  town.node.must(key_of(session_id{50}), town.opening(town.bob));
  town.node.must(key_of(session_id{51}), other);
  SignedOut out;
  out.add_token_hashes("another");
  town.node.must(key_of(town.bob), out);
  town.node.settle();
  CHECK(town.node.ask(key_of(session_id{50}), town.opening(town.bob, true)));
  other.set_is_resume(true);
  CHECK(town.refusal(key_of(session_id{51}), other) == errc::not_found);
}

TEST_CASE("user: preferences and reactions are kept, within bounds") {
  people_options options;
  options.user.prefs_max = 2;
  options.user.reacted_max = 3;
  people_town town(options);
  town.found();
  auto ada = town.add("ada");
  SetPrefRequest pref;
  pref.set_name("theme");
  pref.set_value_json("\"dark\"");
  town.node.must(key_of(ada), pref);
  town.node.must(key_of(ada), pref);
  CHECK(town.count(key_of(ada), Event::kPrefChanged) == 1);
  pref.set_name("two");
  town.node.must(key_of(ada), pref);
  pref.set_name("three");
  CHECK(town.refusal(key_of(ada), pref) == errc::invalid_arguments);
  pref.set_name("two");
  pref.set_value_json(std::string(5'000, '1'));
  CHECK(town.refusal(key_of(ada), pref) == errc::invalid_arguments);

  ReactedNotice notice;
  notice.set_is_added(true);
  for (std::int64_t ts : {1, 2, 3, 4, 2}) {
    notice.set_ts(ts);
    town.node.must(key_of(ada), notice);
  }
  town.node.crash_and_restart();
  auto data = town.user_of(ada);
  CHECK(data.prefs().at("theme") == "\"dark\"");
  REQUIRE(data.reacted_size() == 3);
  CHECK(data.reacted(0).ts() == 3);
  CHECK(data.reacted(2).ts() == 2);
  notice.set_is_added(false);
  town.node.must(key_of(ada), notice);
  CHECK(town.user_of(ada).reacted_size() == 2);
}

TEST_CASE("user: an ephemeral message is published to her alone and not stored") {
  pair_town town;
  town.listen(key_of(town.bob));
  Ephemeral ephemeral;
  ephemeral.mutable_message()->set_ts(77);
  ephemeral.mutable_message()->mutable_data()->set_text("psst");
  auto before = town.events(key_of(town.bob)).size();
  town.node.must(key_of(town.bob), ephemeral);
  REQUIRE(town.node.published().size() == 1);
  CHECK(town.node.published()[0]->seq == 0);
  CHECK(town.event_of(town.node.published()[0]).ephemeral().message().data().text() == "psst");
  CHECK(town.events(key_of(town.bob)).size() == before);
}

}  // namespace throng::test
