// SPDX-License-Identifier: Apache-2.0
#include "actors/workspace/workspace_directory.hpp"

#include <doctest/doctest.h>

#include "storage/model/assert.hpp"

using namespace throng;

namespace {

UserData person(std::uint64_t id, std::string name, std::string email = {}) {
  UserData user;
  user.set_id(id);
  user.set_name(std::move(name));
  user.mutable_profile()->set_email(std::move(email));
  return user;
}

ChannelData channel(std::uint64_t id, std::string name, bool is_private = false) {
  ChannelData data;
  data.set_id(id);
  data.set_name(std::move(name));
  data.set_is_private(is_private);
  return data;
}

template <class Row>
std::vector<std::uint64_t> ids(const workspace_directory::page<Row>& page) {
  std::vector<std::uint64_t> all;
  for (auto* row : page.rows) all.push_back(row->id());
  return all;
}

using list = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("directory: people are found by id, handle, and e-mail in any case") {
  workspace_directory directory;
  directory.put_user(person(3, "ada", "Ada@Example.com"));
  CHECK(directory.user({3})->name() == "ada");
  CHECK(directory.user_by_handle("ada")->id() == 3);
  CHECK(directory.find_user_by_email("aDA@example.COM")->id() == 3);
  CHECK(directory.user({4}) == nullptr);
  CHECK(directory.user_by_handle("bob") == nullptr);
  CHECK(directory.find_user_by_email("") == nullptr);
}

TEST_CASE("directory: a new handle or e-mail replaces the old one in the indexes") {
  workspace_directory directory;
  directory.put_user(person(3, "ada", "ada@example.com"));
  directory.put_user(person(3, "countess", "countess@example.com"));
  CHECK(directory.user_by_handle("ada") == nullptr);
  CHECK(directory.find_user_by_email("ada@example.com") == nullptr);
  CHECK(directory.user_by_handle("countess")->id() == 3);
  CHECK(directory.user_count() == 1);
}

TEST_CASE("directory: two people never share a handle") {
  workspace_directory directory;
  directory.put_user(person(3, "ada"));
  CHECK_FALSE(directory.is_handle_free("ada", {4}));
  CHECK(directory.is_handle_free("ada", {3}));
  CHECK_THROWS_AS(directory.put_user(person(4, "ada")), broken_invariant);
  CHECK(directory.free_handle("ada") == "ada2");
  directory.put_user(person(4, "ada2"));
  CHECK(directory.free_handle("ada") == "ada3");
}

TEST_CASE("directory: pages are in id order, and say whether there is more") {
  workspace_directory directory;
  for (std::uint64_t id : {5, 1, 4, 2, 3}) directory.put_user(person(id, "u" + std::to_string(id)));
  auto first = directory.users({}, 2);
  CHECK(ids(first) == list{1, 2});
  CHECK(first.has_more);
  auto last = directory.users({2}, 3);
  CHECK(ids(last) == list{3, 4, 5});
  CHECK_FALSE(last.has_more);
}

TEST_CASE("directory: a pending person holds the handle and is seen by nobody") {
  workspace_directory directory;
  auto pending = person(3, "ada", "ada@example.com");
  pending.set_is_pending(true);
  directory.put_user(pending);
  CHECK(directory.user({3}) == nullptr);
  CHECK(directory.user_by_handle("ada") == nullptr);
  CHECK(ids(directory.users({}, 10)).empty());
  CHECK(directory.user_count() == 0);
  CHECK_FALSE(directory.is_handle_free("ada", {4}));
  CHECK(directory.find_user_by_email("ada@example.com"));
  CHECK(directory.unfinished_users() == std::vector<user_id>{{3}});

  pending.set_is_pending(false);
  pending.add_joining(8);
  directory.put_user(pending);
  CHECK(directory.user({3}));
  CHECK(directory.user_count() == 1);
  CHECK(directory.unfinished_users() == std::vector<user_id>{{3}});
  pending.clear_joining();
  directory.put_user(pending);
  CHECK(directory.unfinished_users().empty());
}

TEST_CASE("directory: the first person is told from the first bot") {
  workspace_directory directory;
  auto bot = person(1, "bot");
  bot.set_is_bot(true);
  directory.put_user(bot);
  CHECK_FALSE(directory.has_people());
  directory.put_user(person(2, "ada"));
  CHECK(directory.has_people());
}

TEST_CASE("directory: users_updated is the newest stamp") {
  workspace_directory directory;
  auto ada = person(1, "ada");
  ada.set_updated(50);
  directory.put_user(ada);
  auto bob = person(2, "bob");
  bob.set_updated(20);
  directory.put_user(bob);
  CHECK(directory.users_updated() == 50);
}

TEST_CASE("directory: a rename holds both names until it is confirmed or given up") {
  workspace_directory directory;
  directory.put_channel(channel(4, "old"));
  auto renaming = channel(4, "old");
  renaming.set_reserved_name("new");
  directory.put_channel(renaming);
  CHECK_FALSE(directory.is_name_free("old", {8}));
  CHECK_FALSE(directory.is_name_free("new", {8}));
  CHECK(directory.channel_by_name("new") == nullptr);
  CHECK(directory.unfinished_channels() == std::vector<channel_id>{{4}});

  SUBCASE("confirmed") {
    directory.put_channel(channel(4, "new"));
    CHECK(directory.is_name_free("old", {8}));
    CHECK(directory.channel_by_name("new")->id() == 4);
  }
  SUBCASE("given up") {
    directory.put_channel(channel(4, "old"));
    CHECK(directory.is_name_free("new", {8}));
    CHECK(directory.channel_by_name("old")->id() == 4);
  }
  CHECK(directory.unfinished_channels().empty());
  CHECK(directory.channel_count() == 1);
}

TEST_CASE("directory: a pending channel that loses its name is gone") {
  workspace_directory directory;
  auto pending = channel(4, "plans");
  pending.set_is_pending(true);
  directory.put_channel(pending);
  CHECK(directory.channel_count() == 0);
  CHECK_FALSE(directory.is_name_free("plans", {8}));
  pending.clear_name();
  directory.put_channel(pending);
  CHECK(directory.is_name_free("plans", {8}));
  CHECK(directory.find_channel({4}) == nullptr);
  CHECK(directory.channel_rows() == 0);
}

TEST_CASE("directory: private channels are listed to those who name them") {
  workspace_directory directory;
  directory.put_channel(channel(4, "a"));
  directory.put_channel(channel(8, "b", true));
  directory.put_channel(channel(12, "c", true));
  auto archived = channel(16, "d");
  archived.set_is_archived(true);
  directory.put_channel(archived);

  workspace_directory::channel_filter filter;
  CHECK(ids(directory.channels({}, 10, filter)) == list{4, 16});
  filter.member_of = {{8}};
  CHECK(ids(directory.channels({}, 10, filter)) == list{4, 8, 16});
  filter.with_public = false;
  CHECK(ids(directory.channels({}, 10, filter)) == list{8});
  filter = {};
  filter.exclude_archived = true;
  auto page = directory.channels({}, 1, filter);
  CHECK(ids(page) == list{4});
  CHECK_FALSE(page.has_more);
}

TEST_CASE("directory: apps are found by their bot") {
  workspace_directory directory;
  InstalledApp app;
  app.set_app(1);
  app.set_bot(2);
  directory.put_app(app);
  CHECK(directory.app({1})->bot() == 2);
  CHECK(directory.app_of_bot({2})->app() == 1);
  CHECK(directory.app_of_bot({3}) == nullptr);
}

TEST_CASE("directory: what others may see of a person leaves her secrets out") {
  auto user = person(1, "ada");
  (*user.mutable_prefs())["x"] = "1";
  user.mutable_dnd()->set_snooze_until(5);
  user.add_reacted()->set_ts(4);
  user.set_is_manually_away(true);
  user.set_is_pending(true);
  user.add_joining(3);
  CHECK(public_part(user).SerializeAsString() == person(1, "ada").SerializeAsString());
}
