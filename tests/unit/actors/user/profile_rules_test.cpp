// SPDX-License-Identifier: Apache-2.0
#include "actors/user/profile_rules.hpp"

#include <initializer_list>

#include <doctest/doctest.h>

using namespace throng;

namespace {

constexpr std::int64_t now_s = 1'700'000'000;

google::protobuf::RepeatedPtrField<std::string> names(std::initializer_list<const char*> list) {
  google::protobuf::RepeatedPtrField<std::string> fields;
  for (auto name : list) *fields.Add() = name;
  return fields;
}

Profile ada() {
  Profile profile;
  profile.set_real_name("Ada Lovelace");
  profile.set_first_name("Ada");
  profile.set_last_name("Lovelace");
  profile.set_email("ada@example.com");
  return profile;
}

/// Sets one text field; the code of the refusal, or none.
errc set(Profile& profile, const char* field, std::string text) {
  Profile wanted;
  wanted.GetReflection()->SetString(&wanted, Profile::descriptor()->FindFieldByName(field), std::move(text));
  auto outcome = apply_profile(profile, wanted, names({field}), now_s);
  return outcome ? errc{} : outcome.code();
}

}  // namespace

TEST_CASE("profile: only the named fields change") {
  auto profile = ada();
  Profile wanted;
  wanted.set_title("Countess");
  wanted.set_phone("1");
  auto outcome = apply_profile(profile, wanted, names({"title"}), now_s);
  REQUIRE(outcome);
  CHECK(*outcome);
  CHECK(profile.title() == "Countess");
  CHECK(profile.phone().empty());
  CHECK_FALSE(*apply_profile(profile, wanted, names({"title"}), now_s));
}

TEST_CASE("profile: the parts of a name stay in step with the whole") {
  auto profile = ada();
  REQUIRE(set(profile, "real_name", " Ada King  Lovelace ") == errc{});
  CHECK(profile.real_name() == "Ada King  Lovelace");
  CHECK(profile.first_name() == "Ada King");
  CHECK(profile.last_name() == "Lovelace");
  REQUIRE(set(profile, "last_name", "Byron") == errc{});
  CHECK(profile.real_name() == "Ada King Byron");
  REQUIRE(set(profile, "real_name", "Ada") == errc{});
  CHECK(profile.first_name() == "Ada");
  CHECK(profile.last_name().empty());
}

TEST_CASE("profile: a refusal changes nothing") {
  auto profile = ada();
  Profile wanted;
  wanted.set_title("Countess");
  wanted.set_status_text(std::string(101, 'x'));
  auto outcome = apply_profile(profile, wanted, names({"title", "status_text"}), now_s);
  CHECK(outcome.code() == errc::profile_status_set_failed_too_long);
  CHECK(profile.SerializeAsString() == ada().SerializeAsString());
}

TEST_CASE("profile: each bad value has its code") {
  auto profile = ada();
  CHECK(set(profile, "status_emoji", "tada") == errc::profile_status_set_failed_not_valid_emoji);
  CHECK(set(profile, "display_name", std::string(81, 'x')) == errc::profile_set_failed);
  CHECK(set(profile, "display_name", "Everyone") == errc::reserved_name);
  CHECK(set(profile, "real_name", "  ") == errc::profile_set_failed);
  CHECK(set(profile, "title", "two\nlines") == errc::profile_set_failed);
  CHECK(set(profile, "title", "\xFF") == errc::profile_set_failed);
  CHECK(set(profile, "email", "eve@example.com") == errc::profile_set_failed);
  CHECK(set(profile, "start_date", "tomorrow") == errc::profile_set_failed);
  CHECK(apply_profile(profile, {}, names({"nickname"}), now_s).code() == errc::invalid_profile);
  CHECK(profile.SerializeAsString() == ada().SerializeAsString());
}

TEST_CASE("profile: lengths count characters") {
  auto profile = ada();
  std::string text;
  for (int i = 0; i < 100; ++i) text += "é";
  CHECK(set(profile, "status_text", text) == errc{});
  CHECK(set(profile, "status_text", text + "é") == errc::profile_status_set_failed_too_long);
}

TEST_CASE("profile: a status text without an emoji gets the balloon, and expires with it") {
  auto profile = ada();
  Profile wanted;
  wanted.set_status_text("at lunch");
  wanted.set_status_expiration(now_s + 60);
  REQUIRE(apply_profile(profile, wanted, names({"status_text", "status_expiration"}), now_s));
  CHECK(profile.status_emoji() == ":speech_balloon:");
  CHECK_FALSE(expire_status(profile, now_s + 59));
  CHECK(expire_status(profile, now_s + 60));
  CHECK(profile.SerializeAsString() == ada().SerializeAsString());
}

TEST_CASE("profile: a new status doesn't inherit the old one's end") {
  auto profile = ada();
  Profile wanted;
  wanted.set_status_text("at lunch");
  wanted.set_status_expiration(now_s + 60);
  REQUIRE(apply_profile(profile, wanted, names({"status_text", "status_expiration"}), now_s));
  REQUIRE(set(profile, "status_text", "away") == errc{});
  CHECK(profile.status_expiration() == 0);
}

TEST_CASE("emoji: names between colons, with a skin tone at most") {
  for (auto good : {"", ":tada:", ":+1:", ":+1::skin-tone-2:", ":flag-de:", ":été:"})
    CHECK_MESSAGE(is_emoji_reference(good), good);
  for (auto bad : {":", "::", "tada", ":Tada:", ":a b:", ":a::b:", ":+1::skin-tone-9:", ":tada", ":\xFF:"})
    CHECK_MESSAGE(!is_emoji_reference(bad), bad);
}

TEST_CASE("dnd: a snooze has a length with a limit, and ends") {
  DoNotDisturb dnd;
  CHECK(snooze(dnd, 0, 1440, now_s).code() == errc::missing_duration);
  CHECK(snooze(dnd, 1441, 1440, now_s).code() == errc::too_long);
  CHECK(end_snooze(dnd, now_s).code() == errc::snooze_not_active);
  REQUIRE(snooze(dnd, 10, 1440, now_s));
  CHECK(dnd.snooze_until() == now_s + 600);
  CHECK_FALSE(expire_dnd(dnd, now_s + 599));
  CHECK(end_snooze(dnd, now_s + 600).code() == errc::snooze_not_active);
  CHECK(expire_dnd(dnd, now_s + 600));
  CHECK(dnd.snooze_until() == 0);
}

TEST_CASE("dnd: ending it skips this night's window and keeps the next") {
  DoNotDisturb dnd;
  dnd.set_is_enabled(true);
  dnd.set_next_start(now_s - 100);
  dnd.set_next_end(now_s + 100);
  dnd.set_snooze_until(now_s + 50);
  end_dnd(dnd, now_s);
  CHECK(dnd.snooze_until() == 0);
  CHECK(dnd.next_start() == now_s - 100 + 86'400);
  CHECK(dnd.next_end() == now_s + 100 + 86'400);
  end_dnd(dnd, now_s);
  CHECK(dnd.next_end() == now_s + 100 + 86'400);
}

TEST_CASE("dnd: a nightly window that was missed for days moves to the next night") {
  DoNotDisturb dnd;
  dnd.set_is_enabled(true);
  dnd.set_next_start(now_s - 3 * 86'400 - 100);
  dnd.set_next_end(now_s - 3 * 86'400);
  CHECK(expire_dnd(dnd, now_s));
  CHECK(dnd.next_end() == now_s + 86'400);
  CHECK_FALSE(expire_dnd(dnd, now_s));
}

TEST_CASE("user: the next expiry is the earliest") {
  UserData user;
  CHECK(next_expiry(user) == 0);
  user.mutable_dnd()->set_snooze_until(20);
  CHECK(next_expiry(user) == 20);
  user.mutable_profile()->set_status_expiration(10);
  CHECK(next_expiry(user) == 10);
}
