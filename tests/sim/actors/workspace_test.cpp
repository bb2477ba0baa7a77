// SPDX-License-Identifier: Apache-2.0
// A workspace with its people and channels: what all of them together make of requests, faults and crashes.
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include "tests/sim/actors/people_town.hpp"

namespace throng::test {

namespace {

using names = std::vector<std::string>;
using ids = std::vector<std::uint64_t>;

UserChangedRequest changed(UserData user) {
  UserChangedRequest request;
  *request.mutable_user() = std::move(user);
  return request;
}

/// What must be true of the workspace and of `user` in it, whatever went wrong on the way.
void check_is_member_once(people_town& town, user_id user, std::string handle, std::vector<channel_id> channels) {
  CHECK(std::ranges::count(town.handles(), handle) == 1);
  CHECK(town.user_of(user).name() == handle);
  CHECK(town.count(key_of(acme), Event::kTeamJoin) == 1);
  channels.push_back(town.general());
  ids expected;
  for (auto channel : channels) expected.push_back(channel.value);
  std::ranges::sort(expected);
  CHECK(town.list_of(user) == expected);
  for (auto channel : channels) CHECK(town.members_of(channel, user) == ids{user.value});
}

}  // namespace

TEST_CASE("workspace: a new one has #general, and making it again changes nothing") {
  people_town town;
  CHECK(town.refusal(key_of(acme), WorkspaceInfoRequest{}) == errc::team_not_found);
  CHECK(town.refusal(key_of(acme), people_town::invitation("ada")) == errc::team_not_found);
  auto first = town.found();
  CHECK(first.workspace().domain() == "acme");
  CHECK(first.channel_count() == 1);
  CHECK(town.names_of_channels() == names{"general"});
  auto again = town.found();
  CHECK(again.workspace().general_channel() == first.workspace().general_channel());
  CHECK(town.count(key_of(acme), Event::kChannelCreated) == 1);
  CHECK(town.refusal(key_of(acme), people_town::founding("other")) == errc::conflict);
  CHECK(town.refusal(key_of(team_id{8}), people_town::founding("acme")) == errc::domain_taken);
  CHECK(town.refusal(key_of(team_id{8}), people_town::founding("Acme")) == errc::invalid_team_domain);
  CHECK(town.refusal(key_of(team_id{8}), WorkspaceInfoRequest{}) == errc::team_not_found);
}

TEST_CASE("workspace: the first member owns it, and everyone is in #general") {
  people_town town;
  town.found();
  auto ada = town.add("ada"), bob = town.add("bob");
  CHECK(town.user_of(ada).is_primary_owner());
  CHECK(town.user_of(ada).is_admin());
  CHECK_FALSE(town.user_of(bob).is_admin());
  CHECK(town.info().workspace().primary_owner() == ada.value);
  CHECK(town.handles() == names{"ada", "bob"});
  CHECK(town.list_of(bob) == ids{town.general().value});
  CHECK(town.members_of(town.general(), ada) == ids{ada.value, bob.value});
  CHECK(town.count(key_of(acme), Event::kTeamJoin) == 2);
  CHECK(town.count(key_of(bob), Event::kChannelListed) == 1);
}

TEST_CASE("workspace: counts the members of a channel as soon as they are in it, and for good") {
  people_town town;
  town.found();
  auto count = [&] {
    FindChannelsRequest which;
    which.add_ids(town.general().value);
    return town.node.must(key_of(acme), which).channels(0).member_count();
  };
  town.add("ada");
  CHECK(count() == 1);
  town.add("bob");
  CHECK(count() == 2);
  town.node.advance(std::chrono::seconds(5));
  town.node.crash_and_restart();
  CHECK(count() == 2);
}

TEST_CASE("workspace: tells who of many is in it, without telling what they are like") {
  people_town town;
  town.found();
  auto ada = town.add("ada");
  FindUsersRequest which;
  which.add_ids(ada.value);
  which.add_ids(404);
  which.set_ids_only(true);
  auto known = town.node.must(key_of(acme), which);
  REQUIRE(known.users_size() == 1);
  CHECK(known.users(0).id() == ada.value);
  CHECK(known.users(0).name().empty());
}

TEST_CASE("workspace: an e-mail makes one person, a handle belongs to one") {
  people_town town;
  town.found();
  town.add("ada");
  auto again = people_town::invitation("ada");
  CHECK(town.refusal(key_of(acme), again) == errc::already_in_team);
  again.set_email("ADA@Example.com");
  CHECK(town.refusal(key_of(acme), again) == errc::already_in_team);
  again.set_email("ada@example.org");
  CHECK(town.node.must(key_of(acme), again).user().name() == "ada2");
  again.set_email("third@example.org");
  again.set_name("ada");
  CHECK(town.refusal(key_of(acme), again) == errc::name_taken);
  CHECK(town.refusal(key_of(acme), people_town::invitation("no one")) == errc::invalid_email);
  CHECK(town.refusal(key_of(acme), people_town::invitation("eve", {{404}})) == errc::channel_not_found);
  CHECK(town.handles() == names{"ada", "ada2"});
}

TEST_CASE("workspace: new members join the channels they are invited to, private ones too") {
  people_town town;
  town.found();
  auto ada = town.add("ada");
  auto open = town.make(ada, "open"), secret = town.make(ada, "secret", true);
  auto bob = town.add("bob", {open, secret});
  CHECK(town.members_of(secret, bob) == ids{ada.value, bob.value});
  CHECK(town.list_of(bob) == ids{town.general().value, open.value, secret.value});

  auto guest = people_town::invitation("guest", {open});
  guest.set_is_restricted(true);
  user_id guest_id{town.node.must(key_of(acme), guest).user().id()};
  CHECK(town.list_of(guest_id) == ids{open.value});
  CHECK(town.refusal(key_of(acme), people_town::new_channel(guest_id, "mine")) == errc::restricted_action);
}

TEST_CASE("workspace: channel names are unique, archived and private ones included") {
  people_town town;
  town.found();
  auto ada = town.add("ada");
  auto plans = town.make(ada, "plans");
  town.make(ada, "secret", true);
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "plans")) == errc::name_taken);
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "secret")) == errc::name_taken);
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "general")) == errc::name_taken);
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "Plans")) == errc::invalid_name_specials);
  CHECK(town.refusal(key_of(acme), people_town::new_channel({404}, "new")) == errc::user_not_found);
  ArchiveRequest archive;
  *archive.mutable_caller() = people_town::person(ada);
  archive.set_is_archived(true);
  town.node.must(key_of(plans), archive);
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "plans")) == errc::name_taken);
  CHECK(town.count(key_of(acme), Event::kPublicChannelChanged) == 1);
  CHECK(town.names_of_channels() == names{"general", "plans"});
  CHECK(town.count(key_of(acme), Event::kChannelCreated) == 2);  // not the private one
}

TEST_CASE("workspace: of many who want a name at the same time, one gets it") {
  people_town town;
  town.found();
  std::vector<user_id> people;
  for (int i = 0; i < 5; ++i) people.push_back(town.add("p" + std::to_string(i)));
  std::vector<result<std::shared_ptr<const ChannelReply>>> made(people.size(), errc::internal_error);
  std::vector<result<std::shared_ptr<const MemberReply>>> joined(people.size(), errc::internal_error);
  for (std::size_t i = 0; i < people.size(); ++i) {
    town.node.ask_later(key_of(acme), people_town::new_channel(people[i], "plans"), &made[i]);
    town.node.ask_later(key_of(acme), people_town::invitation("same"), &joined[i]);
  }
  town.node.settle();
  CHECK(std::ranges::count_if(made, [](const auto& each) { return each.ok(); }) == 1);
  for (const auto& each : made) CHECK((each || each.code() == errc::name_taken));
  CHECK(std::ranges::count(town.names_of_channels(), "plans") == 1);

  // The same person's request, repeated while it is being done, isn't another person.
  std::set<std::uint64_t> same;
  for (const auto& each : joined)
    if (each) same.insert((*each)->user().id());
  CHECK(same.size() == 1);
  CHECK(town.count(key_of(acme), Event::kTeamJoin) == 6);
  CHECK(std::ranges::count(town.handles(), "same") == 1);
}

TEST_CASE("workspace: a rename frees the old name and takes the new one") {
  people_town town;
  town.found();
  auto ada = town.add("ada"), bob = town.add("bob");
  auto plans = town.make(ada, "plans");
  town.make(ada, "ideas");
  CHECK(town.refusal(key_of(acme), people_town::renaming(ada, plans, "ideas")) == errc::name_taken);
  CHECK(town.refusal(key_of(acme), people_town::renaming(ada, plans, "A b")) == errc::invalid_name_specials);
  CHECK(town.refusal(key_of(acme), people_town::renaming(ada, {404}, "x")) == errc::channel_not_found);
  // Refused by the channel: the name it would have taken is free again.
  CHECK(town.refusal(key_of(acme), people_town::renaming(bob, plans, "bobs")) == errc::not_in_channel);
  town.make(bob, "bobs");

  auto renamed = town.node.must(key_of(acme), people_town::renaming(ada, plans, "goals"));
  CHECK(renamed.channel().name() == "goals");
  CHECK(town.count(key_of(acme), Event::kPublicChannelChanged) == 1);
  town.make(bob, "plans");
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "goals")) == errc::name_taken);
  auto same = town.node.must(key_of(acme), people_town::renaming(ada, plans, "goals"));
  CHECK(same.channel().name() == "goals");
  CHECK(town.count(key_of(acme), Event::kPublicChannelChanged) == 1);
}

TEST_CASE("workspace: a member is made once, at whichever commit the node dies") {
  for (bool is_asked_again : {true, false})
    for (std::uint64_t commit = 1; commit <= 9; ++commit) {
      CAPTURE(commit);
      CAPTURE(is_asked_again);
      people_town town;
      town.found();
      town.node.faults().commits.fail(commit, 1'000'000);
      (void)town.node.ask(key_of(acme), people_town::invitation("ada"));
      town.node.crash_and_restart();
      if (is_asked_again) {
        auto again = town.node.ask(key_of(acme), people_town::invitation("ada"));
        CHECK((again || again.code() == errc::already_in_team));
      } else {
        // What was begun is finished without anybody's help; if nothing was, nothing is there.
        (void)town.info();
        town.node.advance(std::chrono::seconds(5));
        if (town.handles().empty()) town.add("ada");
      }
      FindUsersRequest find;
      find.set_email("ada@example.com");
      auto found = town.node.must(key_of(acme), find);
      REQUIRE(found.users_size() == 1);
      check_is_member_once(town, {found.users(0).id()}, "ada", {});
      CHECK(found.users(0).is_primary_owner());
      CHECK(town.info().workspace().primary_owner() == found.users(0).id());
    }
}

TEST_CASE("workspace: a channel is made once, at whichever commit the node dies") {
  for (std::uint64_t commit = 1; commit <= 6; ++commit) {
    CAPTURE(commit);
    people_town town;
    town.found();
    auto ada = town.add("ada");
    town.node.faults().commits.fail(commit, 1'000'000);
    (void)town.node.ask(key_of(acme), people_town::new_channel(ada, "plans"));
    town.node.crash_and_restart();
    (void)town.info();
    town.node.advance(std::chrono::seconds(5));
    if (town.names_of_channels() == names{"general"}) town.make(ada, "plans");
    CHECK(town.names_of_channels() == names{"general", "plans"});
    CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "plans")) == errc::name_taken);
    CHECK(town.count(key_of(acme), Event::kChannelCreated) == 2);
    CHECK(town.list_of(ada).size() == 2);
  }
}

TEST_CASE("workspace: a rename is done or not, at whichever commit the node dies") {
  for (std::uint64_t commit = 1; commit <= 4; ++commit) {
    CAPTURE(commit);
    people_town town;
    town.found();
    auto ada = town.add("ada");
    auto plans = town.make(ada, "plans");
    town.node.faults().commits.fail(commit, 1'000'000);
    (void)town.node.ask(key_of(acme), people_town::renaming(ada, plans, "goals"));
    town.node.crash_and_restart();
    (void)town.info();
    town.node.advance(std::chrono::seconds(5));
    ChannelInfoRequest question;
    *question.mutable_caller() = people_town::person(ada);
    auto name = town.node.must(key_of(plans), question).channel().name();
    CHECK(town.names_of_channels() == names{"general", name});
    // The other name is free.
    town.make(ada, name == "plans" ? "goals" : "plans");
    CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, name)) == errc::name_taken);
  }
}

TEST_CASE("workspace: while one commit fails, the request can be repeated until it is done") {
  for (std::uint64_t commit = 1; commit <= 9; ++commit) {
    CAPTURE(commit);
    people_town town;
    town.found();
    town.node.faults().commits.fail(commit);
    (void)town.node.ask(key_of(acme), people_town::invitation("ada"));
    town.node.advance(std::chrono::seconds(10));
    auto again = town.node.ask(key_of(acme), people_town::invitation("ada"));
    REQUIRE((again || again.code() == errc::already_in_team));
    FindUsersRequest find;
    find.add_names("ada");
    auto found = town.node.must(key_of(acme), find);
    REQUIRE(found.users_size() == 1);
    check_is_member_once(town, {found.users(0).id()}, "ada", {});
  }
}

TEST_CASE("workspace: an app is installed once, with a bot user that is in no channel") {
  people_town town;
  town.found();
  InstallAppRequest request;
  CHECK(town.refusal(key_of(acme), request) == errc::invalid_app_id);
  request.set_app(5);
  request.set_name("Build Bot");
  auto app = town.node.must(key_of(acme), request).app();
  CHECK(app.name() == "Build Bot");
  user_id bot_user{app.bot_user()};
  CHECK(town.user_of(bot_user).is_bot());
  CHECK(town.user_of(bot_user).name() == "build_bot");
  CHECK(town.user_of(bot_user).bot() == app.bot());
  CHECK(town.list_of(bot_user).empty());
  CHECK(town.node.must(key_of(acme), request).app().bot() == app.bot());
  CHECK(town.count(key_of(acme), Event::kBotAdded) == 1);
  FindBotRequest find;
  find.set_bot(app.bot());
  CHECK(town.node.must(key_of(acme), find).app().app() == 5);
  find.set_bot(1);
  CHECK(town.refusal(key_of(acme), find) == errc::bot_not_found);
  // A bot doesn't own the place.
  CHECK(town.user_of(town.add("ada")).is_primary_owner());
}

TEST_CASE("workspace: all of it is there again after a restart") {
  people_town town;
  town.found();
  auto ada = town.add("ada");
  town.make(ada, "plans");
  InstallAppRequest install;
  install.set_app(5);
  install.set_name("bot");
  auto app = town.node.must(key_of(acme), install).app();
  auto before = town.info();
  town.node.crash_and_restart();
  auto after = town.info();
  after.set_epoch(before.epoch());
  CHECK(after.SerializeAsString() == before.SerializeAsString());
  CHECK(town.names_of_channels() == names{"general", "plans"});
  CHECK(town.handles() == names{"ada", "bot"});
  CHECK(town.node.must(key_of(acme), install).app().bot() == app.bot());
}

TEST_CASE("workspace: events are numbered without a gap, published in order, and told again from ring or store") {
  people_town town;
  town.found();
  town.listen(key_of(acme));
  auto ada = town.add("ada");
  for (auto name : {"a", "b", "c"}) town.make(ada, name);
  seq_t last = 1;  // channel_created of #general came before anybody listened
  for (const auto& each : town.node.published()) CHECK(each->seq == ++last);
  auto from_ring = town.events(key_of(acme));
  CHECK(from_ring.size() == last);
  town.node.crash_and_restart();
  auto from_store = town.events(key_of(acme));
  REQUIRE(from_store.size() == from_ring.size());
  for (std::size_t i = 0; i < from_ring.size(); ++i)
    CHECK(from_store[i].SerializeAsString() == from_ring[i].SerializeAsString());
  CHECK(town.events(key_of(acme), last).empty());

  ReplayRequest future;
  future.set_after_seq(last + 1);
  CHECK(town.refusal(key_of(acme), future) == errc::too_old);
  ReplayRequest few;
  few.set_count_max(2);
  CHECK(town.refusal(key_of(acme), few) == errc::too_old);
  ReplayRequest foreign;
  foreign.set_user(404);
  CHECK(town.refusal(key_of(acme), foreign) == errc::user_not_found);
}

TEST_CASE("workspace: what a USER says twice is told once") {
  people_town town;
  town.found();
  auto ada = town.add("ada");
  auto user = public_part(town.user_of(ada));
  town.node.must(key_of(acme), changed(user));
  CHECK(town.count(key_of(acme), Event::kUserChange) == 0);
  user.mutable_profile()->set_title("Countess");
  user.set_name("eve");  // not the USER's to change
  town.node.must(key_of(acme), changed(user));
  town.node.must(key_of(acme), changed(user));
  CHECK(town.count(key_of(acme), Event::kUserChange) == 1);
  CHECK(town.handles() == names{"ada"});
  UserData stranger;
  stranger.set_id(404);
  CHECK(town.refusal(key_of(acme), changed(stranger)) == errc::user_not_found);
}

TEST_CASE("workspace: pages and their limits") {
  people_options options;
  options.workspace.page_max = 2;
  options.workspace.users_max = 3;
  options.workspace.channels_max = 2;
  people_town town(options);
  town.found();
  auto ada = town.add("ada");
  town.add("bob");
  town.add("cat");
  CHECK(town.refusal(key_of(acme), people_town::invitation("dan")) == errc::restricted_action);
  town.make(ada, "plans");
  CHECK(town.refusal(key_of(acme), people_town::new_channel(ada, "more")) == errc::restricted_action);
  UsersRequest request;
  request.set_limit(1'000);
  auto first = town.node.must(key_of(acme), request);
  CHECK(first.users_size() == 2);
  CHECK(first.has_more());
  request.set_after(first.users(1).id());
  auto second = town.node.must(key_of(acme), request);
  CHECK(second.users_size() == 1);
  CHECK_FALSE(second.has_more());
}

}  // namespace throng::test
