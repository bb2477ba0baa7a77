// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/rtm_event.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace throng::verify;

TEST_CASE("rtm event: a post, an edit and a deletion are about the message's ts") {
  const auto post = parse_rtm_event(
      R"({"type":"message","channel":"C8","user":"U1","text":"op-17. said","ts":"12.000034","stream":"C8","epoch":2,"seq":9})");
  REQUIRE(post);
  CHECK(post->channel == parse_id<channel_id>("C8"));
  CHECK(post->ts.micros == 12'000'034);
  CHECK(post->op.value == 17);
  CHECK(post->stream == "C8");
  CHECK(post->epoch == 2);
  CHECK(post->seq == 9);
  CHECK_FALSE(post->is_edited);

  const auto edit = parse_rtm_event(
      R"({"type":"message","subtype":"message_changed","channel":"C8","ts":"13.000000","message":{"ts":"12.000034",)"
      R"("text":"op-18. better","edited":{"user":"U1","ts":"13.000000"}},"previous_message":{"text":"op-17. said"}})");
  REQUIRE(edit);
  CHECK(edit->ts.micros == 12'000'034);
  CHECK(edit->op.value == 18);
  CHECK(edit->is_edited);

  const auto gone = parse_rtm_event(
      R"({"type":"message","subtype":"message_deleted","channel":"C8","ts":"14.000000","deleted_ts":"12.000034"})");
  REQUIRE(gone);
  CHECK(gone->ts.micros == 12'000'034);
}

TEST_CASE("rtm event: hello, answers, presence, and channels that are objects") {
  const auto hello = parse_rtm_event(R"({"type":"hello","session":"S5","is_resumed":true})");
  REQUIRE(hello);
  CHECK(hello->session == "S5");
  CHECK(hello->is_resumed);

  const auto fine = parse_rtm_event(R"({"ok":true,"reply_to":4,"ts":"12.000034","text":"x"})");
  REQUIRE(fine);
  CHECK(fine->reply_to == 4);
  CHECK(fine->is_ok);
  CHECK(fine->ts.micros == 12'000'034);
  const auto refused = parse_rtm_event(R"({"ok":false,"reply_to":5,"error":{"code":1,"msg":"not_in_channel"}})");
  REQUIRE(refused);
  CHECK_FALSE(refused->is_ok);
  CHECK(refused->error == "not_in_channel");

  const auto one = parse_rtm_event(R"({"type":"presence_change","presence":"active","user":"U7"})");
  REQUIRE(one);
  CHECK(one->users.size() == 1);
  CHECK(one->is_active);
  const auto many = parse_rtm_event(R"({"type":"presence_change","presence":"away","users":["U7","U8"]})");
  REQUIRE(many);
  CHECK(many->users.size() == 2);
  CHECK_FALSE(many->is_active);

  const auto joined = parse_rtm_event(R"({"type":"channel_joined","channel":{"id":"C8","name":"x"}})");
  REQUIRE(joined);
  CHECK(joined->channel == parse_id<channel_id>("C8"));
  CHECK_FALSE(parse_rtm_event("[]"));
  CHECK_FALSE(parse_rtm_event("nonsense"));
}
