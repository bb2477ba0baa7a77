// SPDX-License-Identifier: Apache-2.0
// Who is in a channel, what the others hear of it, and what a crash in between leaves behind.
#include <algorithm>

#include <doctest/doctest.h>

#include "tests/sim/actors/channel_town.hpp"

namespace throng::test {

namespace {

using notes = std::vector<std::string>;
constexpr channel_id secret = make_channel_id(800, channel_kind::channel);
constexpr channel_id direct = make_channel_id(1200, channel_kind::im);

JoinRequest joining(Caller caller) {
  JoinRequest request;
  *request.mutable_caller() = std::move(caller);
  return request;
}
LeaveRequest leaving(user_id user) {
  LeaveRequest request;
  *request.mutable_caller() = person(user);
  return request;
}
KickRequest kicking(Caller caller, user_id target) {
  KickRequest request;
  *request.mutable_caller() = std::move(caller);
  request.set_user(target.value);
  return request;
}
InviteRequest inviting(user_id user, std::vector<user_id> guests) {
  InviteRequest request;
  *request.mutable_caller() = person(user);
  for (auto guest : guests) request.add_users(guest.value);
  return request;
}
SetTopicRequest topic(user_id user, std::string value, bool is_purpose = false) {
  SetTopicRequest request;
  *request.mutable_caller() = person(user);
  request.set_value(std::move(value));
  request.set_is_purpose(is_purpose);
  return request;
}
ArchiveRequest archiving(user_id user, bool is_archived) {
  ArchiveRequest request;
  *request.mutable_caller() = person(user);
  request.set_is_archived(is_archived);
  return request;
}
RenameChannelRequest renaming(user_id user, std::string name) {
  RenameChannelRequest request;
  *request.mutable_caller() = person(user);
  request.set_name(std::move(name));
  return request;
}
bool is_member(channel_town& town, user_id user) { return town.info(user).is_member(); }

}  // namespace

TEST_CASE("channel: its maker has it on her list when it is made, and making it again is fine") {
  channel_town town;
  CHECK(town.take_notes() == notes{"11 listed 400 at 0"});
  auto end = town.info(ann).seq();
  auto again = town.node.must(key_of(plans), channel_town::creation(plans));
  CHECK(again.is_member());
  CHECK(town.info(ann).seq() == end);
  auto other = channel_town::creation(plans);
  *other.mutable_caller() = person(bob);
  CHECK(town.refusal(other) == errc::channel_not_found);
}

TEST_CASE("channel: what was never made is not found, by any request") {
  channel_town town;
  CHECK(town.refusal(channel_town::text(ann, "x"), secret) == errc::channel_not_found);
  CHECK(town.refusal(joining(admin(ann)), secret) == errc::channel_not_found);
  CHECK(town.refusal(leaving(ann), secret) == errc::channel_not_found);
  CHECK(town.refusal(town.missed(ann, 0), secret) == errc::channel_not_found);
  CHECK(town.refusal(town.reaction(ann, 1, "+1"), secret) == errc::channel_not_found);
}

TEST_CASE("channel: a failed creation leaves nothing, and can be repeated") {
  channel_town town;
  CHECK(town.refusal(channel_town::text(ann, "x"), secret) == errc::channel_not_found);  // active by now
  town.node.faults().commits.fail(1);
  CHECK(town.refusal(channel_town::creation(secret), secret) == errc::service_unavailable);
  CHECK(town.refusal(channel_town::text(ann, "x"), secret) == errc::channel_not_found);
  town.create(secret);
  CHECK(town.refusal(channel_town::text(ann, "x"), secret) == errc{});
}

TEST_CASE("channel: to people of another workspace and outsiders it doesn't exist") {
  channel_town town;
  town.create(secret, true);
  auto stranger = person(eve, team_id{2});
  for (auto [caller, channel] : {std::pair{stranger, plans}, {person(eve), secret}, {admin(eve), secret}}) {
    auto ask = [&](auto request) {
      *request.mutable_caller() = caller;
      return town.refusal(request, channel);
    };
    CHECK(ask(channel_town::text(eve, "x")) == errc::channel_not_found);
    CHECK(ask(HistoryRequest()) == errc::channel_not_found);
    CHECK(ask(RepliesRequest()) == errc::channel_not_found);
    CHECK(ask(GetMessageRequest()) == errc::channel_not_found);
    CHECK(ask(ChannelInfoRequest()) == errc::channel_not_found);
    CHECK(ask(MembersRequest()) == errc::channel_not_found);
    CHECK(ask(PinsRequest()) == errc::channel_not_found);
    CHECK(ask(JoinRequest()) == errc::channel_not_found);
    CHECK(ask(LeaveRequest()) == errc::channel_not_found);
    CHECK(ask(town.reaction(eve, 1, "+1")) == errc::channel_not_found);
    CHECK(ask(town.pin(eve, 1)) == errc::channel_not_found);
    CHECK(ask(town.edit(eve, 1, "x")) == errc::channel_not_found);
    CHECK(ask(town.removal(eve, 1)) == errc::channel_not_found);
    CHECK(ask(inviting(eve, {bob})) == errc::channel_not_found);
    CHECK(ask(kicking(person(eve), ann)) == errc::channel_not_found);
    CHECK(ask(topic(eve, "x")) == errc::channel_not_found);
    CHECK(ask(archiving(eve, true)) == errc::channel_not_found);
    CHECK(ask(renaming(eve, "x")) == errc::channel_not_found);
    CHECK(ask(EphemeralRequest()) == errc::channel_not_found);
  }
}

TEST_CASE("channel: who joins is on the list before the answer, from a position that shows her own joining") {
  channel_town town;
  auto end = town.info(ann).seq();
  town.take_notes();
  auto reply = town.node.must(key_of(plans), joining(person(bob)));
  CHECK_FALSE(reply.was_member());
  CHECK(reply.is_member());
  CHECK(reply.channel().member_count() == 2);
  CHECK(town.take_notes() == notes{"12 listed 400 at " + std::to_string(end)});
  auto missed = town.node.must(key_of(plans), town.missed(bob, end));
  REQUIRE(missed.events_size() == 2);
  CHECK(missed.events(0).event().member().is_joined());
  CHECK(missed.events(0).event().member().user() == bob.value);
  CHECK(missed.events(1).event().message().data().subtype() == "channel_join");
  town.node.crash_and_restart();
  CHECK(is_member(town, bob));
}

TEST_CASE("channel: who joins again was a member, and nothing is announced") {
  channel_town town;
  town.join(bob);
  auto end = town.info(ann).seq();
  CHECK(town.node.must(key_of(plans), joining(person(bob))).was_member());
  CHECK(town.info(ann).seq() == end);
}

TEST_CASE("channel: joining twice at the same time is joining once, and both answers wait for the commit") {
  channel_town town;
  auto end = town.info(ann).seq();
  town.node.hold_commits(true);
  std::vector<result<std::shared_ptr<const ChannelReply>>> answers(2, errc::internal_error);
  for (auto& each : answers) town.node.ask_later(key_of(plans), joining(person(bob)), &each);
  town.node.settle();
  for (const auto& each : answers) CHECK_FALSE(each.ok());
  town.node.hold_commits(false);
  town.node.settle();
  for (const auto& each : answers) CHECK(each.ok());
  CHECK(town.info(ann).seq() == end + 2);
}

TEST_CASE("channel: a join that its USER didn't hear of is an error, and the next one heals it") {
  channel_town town;
  town.take_notes();
  SUBCASE("refused") {
    town.notes->deaf[bob.value] = 1;
    CHECK(town.refusal(joining(person(bob))) == errc::overloaded);
  }
  SUBCASE("crashed between the commit and the list") {
    // As a crash right after the commit leaves it: the rows are there, and no USER has heard.
    std::vector<commit_unit> units(1);
    units[0].ops.push_back(put_member{{plans, bob, town.node.clock().wall()}});
    REQUIRE(town.node.rows().commit(units).ok());
    town.node.crash_and_restart();
  }
  CHECK(is_member(town, bob));
  CHECK(town.take_notes().empty());
  CHECK(town.node.must(key_of(plans), joining(person(bob))).was_member());
  REQUIRE(town.notes->lines.size() == 1);
  CHECK(town.notes->lines[0].starts_with("12 listed 400"));
}

/// What bob's USER was told.
notes told_bob(channel_town& town) {
  auto all = town.take_notes();
  std::erase_if(all, [](const auto& line) { return !line.starts_with("12 "); });
  return all;
}

TEST_CASE("channel: whose USER didn't hear of a joining or leaving is told until it has") {
  channel_town town;
  const auto end = std::to_string(town.info(ann).seq());
  SUBCASE("joining") {
    town.notes->deaf[bob.value] = 3;
    CHECK(town.refusal(joining(person(bob))) == errc::overloaded);
    town.post(ann, "she missed this");
    town.node.advance(std::chrono::seconds(12));
    CHECK(told_bob(town) == notes{"12 listed 400 at " + end});  // and sees it all
  }
  SUBCASE("leaving") {
    town.join(bob);
    town.take_notes();
    town.notes->deaf[bob.value] = 3;
    CHECK(town.refusal(leaving(bob)) == errc::overloaded);
    town.node.advance(std::chrono::seconds(12));
    CHECK(told_bob(town) == notes{"12 unlisted 400 by 12"});
  }
  SUBCASE("being removed") {
    town.join(bob);
    town.take_notes();
    town.notes->deaf[bob.value] = 3;
    CHECK(town.refusal(kicking(person(ann), bob)) == errc::overloaded);
    town.post(ann, "and don't come back");
    town.node.advance(std::chrono::seconds(12));
    CHECK(told_bob(town) == notes{"12 unlisted 400 by 11"});
  }
  SUBCASE("being removed, and the node crashes before the list knows") {
    town.join(bob);
    town.take_notes();
    town.notes->deaf[bob.value] = 100;
    CHECK(town.refusal(kicking(person(ann), bob)) == errc::overloaded);
    town.node.crash_and_restart();
    town.notes->deaf.clear();
    town.info(ann);
    town.node.advance(std::chrono::seconds(3));
    CHECK(told_bob(town) == notes{"12 unlisted 400 by 11"});
  }
  SUBCASE("joining, and nobody talks to the channel any more") {
    town.notes->deaf[bob.value] = 1'000;
    CHECK(town.refusal(joining(person(bob))) == errc::overloaded);
    town.node.advance(std::chrono::minutes(30));
    town.notes->deaf.clear();
    town.node.advance(std::chrono::minutes(1));
    CHECK(told_bob(town) == notes{"12 listed 400 at " + end});
  }
  SUBCASE("joining, and the node crashes before the list has it") {
    town.notes->deaf[bob.value] = 100;
    CHECK(town.refusal(joining(person(bob))) == errc::overloaded);
    town.node.crash_and_restart();
    town.notes->deaf.clear();
    town.info(ann);
    town.node.advance(std::chrono::seconds(3));
    CHECK(told_bob(town) == notes{"12 listed 400 at " + end});
  }
  SUBCASE("leaving, and the node crashes before the list knows") {
    town.join(bob);
    town.take_notes();
    town.notes->deaf[bob.value] = 100;
    CHECK(town.refusal(leaving(bob)) == errc::overloaded);
    town.node.crash_and_restart();
    town.notes->deaf.clear();
    town.info(ann);
    town.node.advance(std::chrono::seconds(3));
    CHECK(told_bob(town) == notes{"12 unlisted 400 by 12"});
  }
  town.node.advance(std::chrono::minutes(2));
  CHECK(told_bob(town).empty());
}

TEST_CASE("channel: whose USER is silent doesn't keep the others from being told again") {
  constexpr std::size_t at_once = 4;
  channel_options options;
  options.asks_at_once = at_once;
  channel_town town(options);
  constexpr user_id last{30};
  std::vector<user_id> guests{last};
  for (std::uint64_t each = 0; each < at_once - 1; ++each) {
    guests.push_back({20 + each});
    town.notes->silent.insert(20 + each);
  }
  town.notes->deaf[last.value] = 1;
  result<std::shared_ptr<const InviteReply>> answer = errc::internal_error;
  town.node.ask_later(key_of(plans), inviting(ann, guests), &answer);
  town.node.advance(std::chrono::milliseconds(2'100));
  REQUIRE(answer);
  CHECK((*answer)->failures_size() == static_cast<int>(at_once));
  town.take_notes();
  town.notes->unanswered.clear();
  const auto waits_for_all = [&] { return town.notes->unanswered.size() == at_once - 1; };
  for (int i = 0; i < 300 && !waits_for_all(); ++i) town.node.advance(std::chrono::milliseconds(10));
  CHECK(waits_for_all());
  REQUIRE(town.notes->lines.size() == 1);
  CHECK(town.notes->lines[0].starts_with("30 listed 400"));

  town.notes->silent.clear();
  town.node.advance(std::chrono::seconds(10));
  for (std::uint64_t each = 0; each < at_once - 1; ++each)
    CHECK(std::ranges::count_if(town.notes->lines, [&](const auto& line) {
            return line.starts_with(std::to_string(20 + each) + " listed");
          }) == 1);
}

TEST_CASE("channel: a joining of long ago isn't told again") {
  channel_town town;
  town.notes->deaf[bob.value] = 1'000;
  CHECK(town.refusal(joining(person(bob))) == errc::overloaded);
  town.node.advance(std::chrono::minutes(11));
  town.node.crash_and_restart();
  town.notes->deaf.clear();
  town.take_notes();
  town.info(ann);
  town.node.advance(std::chrono::seconds(10));
  CHECK(told_bob(town).empty());
}

TEST_CASE("channel: whose list can't take the channel is no member when she hears of it") {
  channel_town town;
  town.notes->refusals[bob.value] = errc::restricted_action;
  SUBCASE("by joining") { CHECK(town.refusal(joining(person(bob))) == errc::restricted_action); }
  SUBCASE("by an invitation, which the others are not refused for") {
    auto reply = town.node.must(key_of(plans), inviting(ann, {bob, eve}));
    REQUIRE(reply.failures_size() == 1);
    CHECK(reply.failures(0).user() == bob.value);
    CHECK(static_cast<errc>(reply.failures(0).code()) == errc::restricted_action);
    CHECK(reply.channel().member_count() == 2);
    CHECK(is_member(town, eve));
  }
  SUBCASE("by being there when it was made") {
    constexpr auto other = make_channel_id(900, channel_kind::channel);
    CHECK(town.refusal(town.creation(other, false, {ann, bob}), other) == errc::restricted_action);
    CHECK(town.node.must(key_of(other), town.creation(other)).channel().member_count() == 1);
  }
  CHECK_FALSE(is_member(town, bob));
  town.node.crash_and_restart();
  CHECK_FALSE(is_member(town, bob));
  town.notes->refusals.clear();
  town.join(bob);
  CHECK(is_member(town, bob));
}

TEST_CASE("channel: who leaves is off the list before the answer, and leaving again is fine") {
  channel_town town;
  town.join(bob);
  town.take_notes();
  auto first = town.node.must(key_of(plans), leaving(bob));
  CHECK(first.was_member());
  CHECK_FALSE(first.is_member());
  auto end = town.info(ann).seq();
  CHECK_FALSE(town.node.must(key_of(plans), leaving(bob)).was_member());
  CHECK(town.take_notes() == notes{"12 unlisted 400 by 12", "12 unlisted 400 by 12"});
  CHECK(town.info(ann).seq() == end);
  town.node.crash_and_restart();
  CHECK_FALSE(is_member(town, bob));
  CHECK(town.history(ann).messages(0).data().subtype() == "channel_leave");
}

TEST_CASE("channel: leaving a private channel again also clears the list, though it isn't seen any more") {
  channel_town town;
  town.create(secret, true, {ann, bob});
  town.notes->deaf[bob.value] = 1;
  CHECK(town.refusal(leaving(bob), secret) == errc::overloaded);
  town.take_notes();
  CHECK(town.refusal(leaving(bob), secret) == errc::channel_not_found);
  CHECK(town.take_notes() == notes{"12 unlisted 800 by 12"});
}

TEST_CASE("channel: an invitation takes in whoever can come, and says why the others can't") {
  channel_town town;
  town.join(bob);
  town.take_notes();
  auto end = town.info(ann).seq();
  town.notes->deaf[15] = 1;
  auto reply = town.node.must(key_of(plans), inviting(ann, {ann, bob, eve, {14}, {15}, eve}));
  std::map<std::uint64_t, errc> failures;
  for (const auto& each : reply.failures()) failures[each.user()] = static_cast<errc>(each.code());
  CHECK(failures == std::map<std::uint64_t, errc>{{ann.value, errc::cant_invite_self},
                                                  {bob.value, errc::already_in_channel},
                                                  {15, errc::overloaded}});
  CHECK(reply.channel().member_count() == 5);
  CHECK(town.info(ann).seq() == end + 6);
  auto told = town.take_notes();
  std::ranges::sort(told);
  auto at = std::to_string(end);
  CHECK(told == notes{"12 listed 400 at " + at, "13 listed 400 at " + at, "14 listed 400 at " + at});
  CHECK(town.history(ann).messages(0).data().inviter() == ann.value);
}

TEST_CASE("channel: a thousand people are invited in one commit") {
  channel_town town;
  std::vector<user_id> guests;
  for (std::uint64_t each = 0; each < 1'000; ++each) guests.push_back({1'000 + each});
  auto commits = town.node.faults().commits.calls();
  auto reply = town.node.must(key_of(plans), inviting(ann, guests));
  CHECK(reply.failures_size() == 0);
  CHECK(reply.channel().member_count() == 1'001);
  CHECK(town.node.faults().commits.calls() == commits + 1);
  guests.push_back({2'000});
  CHECK(town.refusal(inviting(ann, guests)) == errc::too_many_users);
  CHECK(town.refusal(inviting(ann, {})) == errc::no_user);
  CHECK(town.refusal(inviting(eve, {bob})) == errc::not_in_channel);

  MembersRequest request;
  *request.mutable_caller() = person(ann);
  request.set_limit(600);
  auto first = town.node.must(key_of(plans), request);
  CHECK(first.users_size() == 600);
  CHECK(first.has_more());
  request.set_after(first.users(599));
  auto second = town.node.must(key_of(plans), request);
  CHECK(second.users_size() == 401);
  CHECK_FALSE(second.has_more());
}

TEST_CASE("channel: who is kicked is out, and kicking again clears the list once more") {
  channel_town town;
  town.join(bob);
  town.take_notes();
  CHECK(town.refusal(kicking(person(bob), ann)) == errc::restricted_action);
  town.node.must(key_of(plans), kicking(person(ann), bob));
  CHECK_FALSE(is_member(town, bob));
  CHECK(town.refusal(channel_town::text(bob, "x")) == errc::not_in_channel);
  CHECK(town.refusal(kicking(person(ann), bob)) == errc::not_in_channel);
  CHECK(town.take_notes() == notes{"12 unlisted 400 by 11", "12 unlisted 400 by 11"});
}

TEST_CASE("channel: joins and leaves reach the directory together, a moment later, also when it was busy") {
  channel_town town;
  town.take_notes();
  town.notes->deaf[home.value] = 1;
  for (std::uint64_t each = 20; each < 30; ++each) town.join({each});
  town.take_notes();
  CHECK(town.notes->counts[plans.value] == 11);  // that much is told at once, and stored by nobody
  town.node.advance(std::chrono::seconds(10));
  CHECK(town.take_notes() == notes{"directory: plans with 11"});
}

TEST_CASE("channel: a rename is a post in it, and reaches the directory before the answer") {
  channel_town town;
  town.take_notes();
  auto reply = town.node.must(key_of(plans), renaming(ann, "ideas"));
  CHECK(reply.channel().name() == "ideas");
  CHECK(town.take_notes() == notes{"directory: ideas with 1"});
  auto post = town.history(ann).messages(0);
  CHECK(post.data().subtype() == "channel_name");
  CHECK(post.data().old_name() == "plans");
  CHECK(post.data().name() == "ideas");
  auto end = town.info(ann).seq();
  town.node.must(key_of(plans), renaming(ann, "ideas"));
  CHECK(town.info(ann).seq() == end);
  CHECK(town.take_notes() == notes{"directory: ideas with 1"});
  town.node.crash_and_restart();
  CHECK(town.info(ann).channel().name() == "ideas");
  CHECK(town.info(ann).channel().previous_names(0) == "plans");
}

TEST_CASE("channel: topic and purpose are posts in it, once") {
  channel_town town;
  town.node.must(key_of(plans), topic(ann, "now"));
  town.node.must(key_of(plans), topic(ann, "why", true));
  auto end = town.info(ann).seq();
  town.node.must(key_of(plans), topic(ann, "now"));
  CHECK(town.info(ann).seq() == end);
  auto history = town.history(ann);
  CHECK(history.messages(0).data().subtype() == "channel_purpose");
  CHECK(history.messages(0).data().purpose() == "why");
  CHECK(history.messages(1).data().subtype() == "channel_topic");
  CHECK(history.messages(1).data().topic() == "now");
  town.node.crash_and_restart();
  CHECK(town.info(ann).channel().topic().value() == "now");
  CHECK(town.info(ann).channel().purpose().value() == "why");
}

TEST_CASE("channel: an archived channel takes no posts until it is opened again") {
  channel_town town;
  town.post(ann, "x");
  town.take_notes();
  town.node.must(key_of(plans), archiving(ann, true));
  CHECK(town.take_notes() == notes{"directory: plans with 1 archived"});
  CHECK(town.refusal(channel_town::text(ann, "y")) == errc::is_archived);
  CHECK(town.refusal(joining(person(bob))) == errc::is_archived);
  CHECK(town.refusal(archiving(ann, true)) == errc::already_archived);
  CHECK(town.history(ann).messages(0).data().subtype() == "channel_archive");
  town.node.crash_and_restart();
  CHECK(town.refusal(channel_town::text(ann, "y")) == errc::is_archived);
  town.node.must(key_of(plans), archiving(ann, false));
  CHECK(town.refusal(channel_town::text(ann, "y")) == errc{});
}

TEST_CASE("channel: members of a private channel hear of its changes in it, of a public one they don't") {
  channel_town town;
  town.create(secret, true);
  town.listen(secret);
  for (auto channel : {plans, secret}) {
    town.node.published().clear();
    town.node.must(key_of(channel), renaming(ann, "other"));
    int changes = 0;
    for (const auto& each : town.node.published())
      if (channel_town::event_of(each).channel_changed().kind() == ChannelChanged::RENAMED) ++changes;
    CHECK(changes == (channel == secret ? 1 : 0));
  }
}

TEST_CASE("channel: a direct channel is seen by its maker at once, and by the other with the first post") {
  channel_town town;
  town.take_notes();
  town.create(direct, true, {ann, bob});
  CHECK(town.take_notes() == notes{"12 quietly listed 1202 at 0", "11 listed 1202 at 0"});
  CHECK(town.history(ann, direct).messages_size() == 0);
  town.node.must(key_of(direct), channel_town::text(ann, "hi"));
  auto told = town.take_notes();
  std::ranges::sort(told);
  CHECK(told == notes{"11 listed 1202 at 0", "12 listed 1202 at 0"});
  CHECK(town.refusal(leaving(bob), direct) == errc::method_not_supported_for_channel_type);
  CHECK(town.refusal(inviting(bob, {eve}), direct) == errc::method_not_supported_for_channel_type);
  CHECK(town.refusal(channel_town::text(eve, "x"), direct) == errc::channel_not_found);
}

TEST_CASE("channel: the other one opens a direct channel that is there already") {
  channel_town town;
  town.create(direct, true, {ann, bob});
  town.take_notes();
  town.create(direct, true, {bob, ann});
  CHECK(town.take_notes() == notes{"11 quietly listed 1202 at 0", "12 listed 1202 at 0"});
  auto request = channel_town::creation(direct, true, {ann, bob});
  *request.mutable_caller() = person(eve);
  CHECK(town.refusal(request, direct) == errc::channel_not_found);
}

TEST_CASE("channel: a direct post that the other's USER didn't hear of is shown together with the next") {
  channel_town town;
  town.create(direct, true, {ann, bob});
  town.notes->deaf[bob.value] = 1;
  town.node.must(key_of(direct), channel_town::text(ann, "one"));
  town.take_notes();
  town.node.must(key_of(direct), channel_town::text(ann, "two"));
  auto told = town.take_notes();
  CHECK(std::ranges::find(told, "12 listed 1202 at 0") != told.end());
}

TEST_CASE("channel: the built-in helper has no USER to ask") {
  channel_town town;
  town.take_notes();
  town.create(direct, true, {ann, slackbot});
  town.node.must(key_of(direct), channel_town::text(ann, "help"));
  CHECK(town.take_notes() == notes{"11 listed 1202 at 0", "11 listed 1202 at 0"});
}

}  // namespace throng::test
