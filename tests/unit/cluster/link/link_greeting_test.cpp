// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_greeting.hpp"

#include <random>

#include <doctest/doctest.h>

namespace throng {
namespace {

TEST_CASE("a greeting comes out as it went in") {
  const link_greeting said{.cluster = "orange", .from = {513}, .incarnation = 0xfedcba9876543210, .to = {7}};
  const auto bytes = encode(said);
  const auto head = bytes.substr(0, greeting_head_bytes), body = bytes.substr(greeting_head_bytes);
  CHECK(greeting_body_bytes(head) == body.size());
  CHECK(decode_greeting(body) == said);
}

TEST_CASE("another version is told apart, whatever follows it") {
  auto body = encode(link_greeting{.cluster = "orange"}).substr(greeting_head_bytes);
  body[0] = 9;
  REQUIRE(decode_greeting(body));
  CHECK(decode_greeting(body)->version == 9);
  CHECK(decode_greeting(body.substr(0, 2) + "anything")->version == 9);
}

TEST_CASE("what is no greeting shows in its head") {
  CHECK_FALSE(greeting_body_bytes("GET / HTTP"));
  CHECK_FALSE(greeting_body_bytes(std::string("throngL1\xff\xff", 10)));
  CHECK_FALSE(greeting_body_bytes("throngL1"));
  CHECK(greeting_body_bytes(std::string("throngL1\0\0", 10)) == 0);
}

TEST_CASE("any bytes are a greeting or none, and only a whole one is one") {
  const auto whole = encode(link_greeting{.cluster = "orange"}).substr(greeting_head_bytes);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(decode_greeting(whole.substr(0, size)));
  CHECK_FALSE(decode_greeting(whole + "x"));
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (auto& each : bytes) each = static_cast<char>(random());
    if (auto greeting = decode_greeting(bytes)) CHECK(greeting->cluster.size() <= 255);
  }
}

TEST_CASE("a reason is cut to what fits") {
  const auto bytes = encode_reply(std::string(2000, 'x'));
  CHECK(bytes.size() == greeting_head_bytes + greeting_body_bytes_max);
  CHECK(greeting_body_bytes(bytes.substr(0, greeting_head_bytes)) == greeting_body_bytes_max);
}

}  // namespace
}  // namespace throng
