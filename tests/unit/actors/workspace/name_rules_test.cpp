// SPDX-License-Identifier: Apache-2.0
#include "actors/workspace/name_rules.hpp"

#include <string>

#include <doctest/doctest.h>

#include "actors/utf8.hpp"

using namespace throng;

namespace {

errc refusal(const result<>& outcome) { return outcome ? errc{} : outcome.code(); }

std::string repeated(std::string_view what, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += what;
  return all;
}

}  // namespace

TEST_CASE("utf8: only well-formed text has characters") {
  CHECK(code_point_count("") == 0);
  CHECK(code_point_count("aé€😀") == 4);
  for (auto bad : {"\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xFF", "a\xC3z"})
    CHECK_FALSE(code_point_count(bad));
  CHECK(decode_utf8("é€") == std::u32string{0xE9, 0x20AC});
}

TEST_CASE("channel name: letters of any script, digits, hyphens and underscores") {
  for (auto name :
       {"general", "a", "7", "team-chat_2", "équipe", "команда", "チーム", "聊天", "채팅", "हिन्दी", "ทีม", "-x-"})
    CHECK_MESSAGE(check_channel_name(name), name);
}

TEST_CASE("channel name: every refusal has its own code") {
  CHECK(refusal(check_channel_name("")) == errc::invalid_name_required);
  CHECK(refusal(check_channel_name("--_")) == errc::invalid_name_punctuation);
  for (auto name :
       {"Team", "a b", "a.b", "#a", "a,b", "a/b", "Équipe", "Команда", "a😀", "a–b", "a\u200Bb", "a\nb", "。"})
    CHECK_MESSAGE(refusal(check_channel_name(name)) == errc::invalid_name_specials, name);
  CHECK(refusal(check_channel_name("a\xFF")) == errc::invalid_name);
}

TEST_CASE("channel name: the length counts characters, not bytes") {
  CHECK(check_channel_name(repeated("a", 80)));
  CHECK(check_channel_name(repeated("é", 80)));
  CHECK(refusal(check_channel_name(repeated("a", 81))) == errc::invalid_name_maxlength);
  CHECK(refusal(check_channel_name(repeated("é", 81))) == errc::invalid_name_maxlength);
}

TEST_CASE("handle: points are fine, names with a meaning are not") {
  CHECK(check_handle("ada.lovelace"));
  CHECK(refusal(check_handle("here")) == errc::reserved_name);
  CHECK(refusal(check_handle("slackbot")) == errc::reserved_name);
  CHECK(refusal(check_handle("...")) == errc::invalid_name_punctuation);
}

TEST_CASE("handle: one is made from any e-mail") {
  CHECK(handle_from_email("Ada.Lovelace@example.com") == "ada.lovelace");
  CHECK(handle_from_email("ada+lists@example.com") == "adalists");
  CHECK(handle_from_email("...@example.com") == "member");
  CHECK(handle_from_email("here@example.com") == "here1");
  CHECK(check_handle(handle_from_email(repeated("x", 200) + "@example.com")));
  CHECK(numbered_handle("ada", 2) == "ada2");
  CHECK(numbered_handle(repeated("a", 80), 12) == repeated("a", 78) + "12");
  CHECK(code_point_count(numbered_handle(repeated("é", 80), 3)));
}

TEST_CASE("e-mail: has one person, one host") {
  for (auto good : {"ada@example.com", "a.b+c@x.example.com", "ada@localhost", "ädä@exämple.com"})
    CHECK_MESSAGE(check_email(good), good);
  for (auto bad :
       {"", "ada", "@example.com", "ada@", "ada@@example.com", "a da@example.com", "ada@exa mple.com",
        "ada@example..com", "ada@-example.com", "ada@example.com@x", "<ada@example.com>", "a\xFF@example.com"})
    CHECK_MESSAGE(refusal(check_email(bad)) == errc::invalid_email, bad);
  CHECK(refusal(check_email(repeated("x", 250) + "@example.com")) == errc::invalid_email);
  CHECK(folded_email("Ada@Example.COM") == "ada@example.com");
}

TEST_CASE("domain: a DNS label in lower case") {
  for (auto good : {"acme", "a-b", "4u"}) CHECK(check_domain(good));
  for (auto bad : {"", "Acme", "-a", "a-", "a.b", "a b", "ä"})
    CHECK(refusal(check_domain(bad)) == errc::invalid_team_domain);
  CHECK_FALSE(check_domain(repeated("a", 64)));
}
