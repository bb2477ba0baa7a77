// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/channel_state.hpp"

#include <doctest/doctest.h>

namespace throng {

namespace {

constexpr team_id home{1}, elsewhere{2};
constexpr user_id ann{11}, bob{12}, eve{13};
constexpr wall_time now{std::chrono::seconds(1'767'225'600)};

Caller person(user_id user, team_id team = home) {
  Caller caller;
  caller.set_team(team.value);
  caller.set_user(user.value);
  return caller;
}
Caller admin(user_id user) {
  auto caller = person(user);
  caller.set_is_admin(true);
  return caller;
}
Caller bot(user_id user) {
  auto caller = person(user);
  caller.set_bot(99);
  return caller;
}

/// Ann made it, and she and bob are in it.
channel_state make(channel_kind kind = channel_kind::channel, bool is_private = false, channel_limits limits = {}) {
  ChannelData data;
  data.set_id(make_channel_id(400, kind).value);
  data.set_team(home.value);
  data.set_name("plans");
  data.set_creator(ann.value);
  data.set_is_private(is_private || kind != channel_kind::channel);
  channel_state state(limits);
  state.set(std::move(data), member_set({ann, bob}));
  return state;
}
channel_state make_general() {
  auto state = make();
  auto data = state.data();
  data.set_is_general(true);
  state.set(std::move(data), member_set({ann, bob}));
  return state;
}
channel_state make_archived() {
  auto state = make();
  state.archive(true, now);
  return state;
}

errc code(const result<>& outcome) { return outcome ? errc{} : outcome.code(); }
constexpr errc fine{};

}  // namespace

TEST_CASE("channel state: a public channel is seen by everyone of its workspace, and by nobody else") {
  auto state = make();
  CHECK(code(state.may_see(person(eve))) == fine);
  CHECK(code(state.may_see(bot(eve))) == fine);
  CHECK(code(state.may_see(person(eve, elsewhere))) == errc::channel_not_found);
  CHECK(code(state.may_see(Caller())) == errc::channel_not_found);
}

TEST_CASE("channel state: a private or direct channel is seen by its members only, not even by admins") {
  for (auto state : {make(channel_kind::channel, true), make(channel_kind::im), make(channel_kind::mpim)}) {
    CHECK(code(state.may_see(person(bob))) == fine);
    CHECK(code(state.may_see(person(eve))) == errc::channel_not_found);
    CHECK(code(state.may_see(admin(eve))) == errc::channel_not_found);
  }
}

TEST_CASE("channel state: to who may not see it, every question has the same answer") {
  auto hidden = make(channel_kind::channel, true);
  auto other = person(eve, elsewhere);
  for (const auto& caller : {person(eve), other, admin(eve)}) {
    for (auto got :
         {hidden.may_read(caller), hidden.may_post(caller), hidden.may_react(caller), hidden.may_join(caller),
          hidden.may_leave(caller), hidden.may_invite(caller), hidden.may_kick(caller, ann), hidden.may_rename(caller),
          hidden.may_describe(caller, std::string(300, 'x')), hidden.may_archive(caller, true),
          hidden.may_archive(caller, false)})
      CHECK(code(got) == errc::channel_not_found);
  }
}

TEST_CASE("channel state: a channel that doesn't exist is not found, by nobody") {
  channel_state state{channel_limits{}};
  CHECK_FALSE(state.exists());
  CHECK(code(state.may_see(admin(ann))) == errc::channel_not_found);
  CHECK(code(state.may_post(Caller())) == errc::channel_not_found);
}

TEST_CASE("channel state: people read a public channel without joining it, bots don't") {
  auto state = make();
  CHECK(code(state.may_read(person(eve))) == fine);
  CHECK(code(state.may_read(bot(eve))) == errc::not_in_channel);
  CHECK(code(state.may_read(bot(bob))) == fine);
}

TEST_CASE("channel state: members post, until it is archived") {
  CHECK(code(make().may_post(person(bob))) == fine);
  CHECK(code(make().may_post(person(eve))) == errc::not_in_channel);
  CHECK(code(make_archived().may_post(person(bob))) == errc::is_archived);
  CHECK(code(make_archived().may_post(person(eve))) == errc::not_in_channel);
  CHECK(code(make_archived().may_react(person(bob))) == errc::is_archived);
  CHECK(code(make_archived().may_read(person(bob))) == fine);
}

TEST_CASE("channel state: anyone joins a public channel, and joining twice is fine") {
  CHECK(code(make().may_join(person(eve))) == fine);
  CHECK(code(make().may_join(person(bob))) == fine);
  CHECK(code(make_archived().may_join(person(eve))) == errc::is_archived);
  CHECK(code(make_archived().may_join(person(bob))) == fine);
  CHECK(code(make(channel_kind::im).may_join(person(bob))) == errc::method_not_supported_for_channel_type);
}

TEST_CASE("channel state: a full channel takes nobody more") {
  channel_limits limits;
  limits.members_max = 2;
  auto state = make(channel_kind::channel, false, limits);
  CHECK(code(state.may_join(person(eve))) == errc::restricted_action);
  CHECK(code(state.may_be_invited(person(ann), eve)) == errc::cant_invite);
}

TEST_CASE("channel state: members leave, but not general, an archived or a direct channel") {
  CHECK(code(make().may_leave(person(bob))) == fine);
  CHECK(code(make().may_leave(person(eve))) == fine);
  CHECK(code(make_general().may_leave(person(bob))) == errc::cant_leave_general);
  CHECK(code(make_archived().may_leave(person(bob))) == errc::is_archived);
  CHECK(code(make(channel_kind::im).may_leave(person(bob))) == errc::method_not_supported_for_channel_type);
  CHECK(code(make(channel_kind::mpim).may_leave(person(bob))) == errc::method_not_supported_for_channel_type);
}

TEST_CASE("channel state: the last member of a private channel stays, of a public one may go") {
  auto hidden = make(channel_kind::channel, true);
  hidden.remove_member(ann);
  CHECK(code(hidden.may_leave(person(bob))) == errc::last_member);
  auto open = make();
  open.remove_member(ann);
  CHECK(code(open.may_leave(person(bob))) == fine);
}

TEST_CASE("channel state: members invite whoever isn't in yet") {
  auto state = make();
  CHECK(code(state.may_invite(person(bob))) == fine);
  CHECK(code(state.may_invite(person(eve))) == errc::not_in_channel);
  CHECK(code(make_archived().may_invite(person(bob))) == errc::is_archived);
  CHECK(code(make(channel_kind::mpim).may_invite(person(bob))) == errc::method_not_supported_for_channel_type);
  CHECK(code(state.may_be_invited(person(bob), eve)) == fine);
  CHECK(code(state.may_be_invited(person(bob), ann)) == errc::already_in_channel);
  CHECK(code(state.may_be_invited(person(bob), bob)) == errc::cant_invite_self);
  CHECK(code(state.may_be_invited(person(bob), user_id{})) == errc::cant_invite);
}

TEST_CASE("channel state: admins and its maker kick from a public channel, any member from a private one") {
  auto state = make();
  CHECK(code(state.may_kick(person(ann), bob)) == fine);
  CHECK(code(state.may_kick(admin(bob), ann)) == fine);
  CHECK(code(state.may_kick(person(bob), ann)) == errc::restricted_action);
  CHECK(code(make(channel_kind::channel, true).may_kick(person(bob), ann)) == fine);
}

TEST_CASE("channel state: nobody kicks herself, out of general, or who isn't there") {
  CHECK(code(make().may_kick(person(ann), ann)) == errc::cant_kick_self);
  CHECK(code(make().may_kick(person(ann), eve)) == errc::not_in_channel);
  CHECK(code(make().may_kick(person(eve), ann)) == errc::not_in_channel);
  CHECK(code(make_general().may_kick(admin(ann), bob)) == errc::cant_kick_from_general);
  CHECK(code(make(channel_kind::mpim).may_kick(person(ann), bob)) == errc::method_not_supported_for_channel_type);
}

TEST_CASE("channel state: its maker and admins rename a channel") {
  CHECK(code(make().may_rename(person(ann))) == fine);
  CHECK(code(make().may_rename(admin(eve))) == fine);
  CHECK(code(make().may_rename(person(bob))) == errc::not_authorized);
  CHECK(code(make().may_rename(person(eve))) == errc::not_in_channel);
  CHECK(code(make_archived().may_rename(person(ann))) == errc::is_archived);
  CHECK(code(make(channel_kind::im).may_rename(person(ann))) == errc::method_not_supported_for_channel_type);
}

TEST_CASE("channel state: a topic has at most 250 characters") {
  auto state = make();
  std::string longest;
  for (int each = 0; each < 250; ++each) longest += "\xC3\xA9";
  CHECK(code(state.may_describe(person(bob), longest)) == fine);
  CHECK(code(state.may_describe(person(bob), longest + "x")) == errc::too_long);
  std::string escaped;
  for (int each = 0; each < 83; ++each) escaped += "&amp;&lt;&gt;";
  CHECK(code(state.may_describe(person(bob), escaped + "&")) == fine);
  CHECK(code(state.may_describe(person(bob), escaped + "&q")) == errc::too_long);
  CHECK(code(state.may_describe(person(bob), escaped + "&lt;&gt;")) == errc::too_long);
  CHECK(code(state.may_describe(person(bob), "")) == fine);
  CHECK(code(state.may_describe(person(eve), "x")) == errc::not_in_channel);
  CHECK(code(make_archived().may_describe(person(bob), "x")) == errc::is_archived);
  CHECK(code(make(channel_kind::im).may_describe(person(bob), "x")) == errc::method_not_supported_for_channel_type);
  CHECK(code(make(channel_kind::mpim).may_describe(person(bob), "x")) == fine);
}

TEST_CASE("channel state: a channel is archived once, and general never") {
  CHECK(code(make().may_archive(person(bob), true)) == fine);
  CHECK(code(make().may_archive(person(eve), true)) == errc::not_in_channel);
  CHECK(code(make().may_archive(admin(eve), true)) == fine);
  CHECK(code(make().may_archive(person(bob), false)) == errc::not_archived);
  CHECK(code(make_archived().may_archive(person(bob), true)) == errc::already_archived);
  CHECK(code(make_archived().may_archive(person(bob), false)) == fine);
  CHECK(code(make_general().may_archive(admin(ann), true)) == errc::cant_archive_general);
  CHECK(code(make(channel_kind::im).may_archive(person(bob), true)) == errc::method_not_supported_for_channel_type);
}

TEST_CASE("channel state: a message is pinned once, and at most 100 are") {
  auto state = make();
  CHECK(code(state.may_pin({1}, false)) == errc::no_pin);
  for (std::int64_t ts = 1; ts <= 99; ++ts) state.pin({ts}, ann, now);
  CHECK(code(state.may_pin({100}, true)) == fine);
  state.pin({100}, ann, now);
  CHECK(code(state.may_pin({100}, true)) == errc::already_pinned);
  CHECK(code(state.may_pin({101}, true)) == errc::not_pinnable);
  CHECK(code(state.may_pin({100}, false)) == fine);
  CHECK(state.unpin({100}));
  CHECK_FALSE(state.unpin({100}));
  CHECK(state.data().pins_size() == 99);
  CHECK(state.data().pins(0).user() == ann.value);
  CHECK(state.data().pins(0).created() == 1'767'225'600);
}

TEST_CASE("channel state: remembers its former names, the last 20 of them") {
  auto state = make();
  for (int each = 0; each < 25; ++each) state.rename("n" + std::to_string(each), now);
  CHECK(state.data().name() == "n24");
  REQUIRE(state.data().previous_names_size() == 20);
  CHECK(state.data().previous_names(0) == "n4");
  CHECK(state.data().previous_names(19) == "n23");
  CHECK(state.data().updated() == 1'767'225'600'000);
}

TEST_CASE("channel state: knows who set the topic and the purpose, and when") {
  auto state = make();
  state.describe(false, "t", ann, now);
  state.describe(true, "p", bob, now);
  CHECK(state.data().topic().value() == "t");
  CHECK(state.data().topic().creator() == ann.value);
  CHECK(state.data().purpose().value() == "p");
  CHECK(state.data().purpose().creator() == bob.value);
  CHECK(state.data().purpose().last_set() == 1'767'225'600);
}

TEST_CASE("channel state: is described with the number of its members") {
  auto state = make();
  state.add_member(eve);
  CHECK(state.described().member_count() == 3);
  CHECK(state.data().member_count() == 0);
}

}  // namespace throng
