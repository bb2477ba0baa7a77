// SPDX-License-Identifier: Apache-2.0
#include "net/transport/outbox.hpp"

#include <array>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace throng {
namespace {

shared_frame bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

std::string queued(const outbox& box) {
  std::array<iovec, 64> pieces{};
  const auto count = box.gather(pieces.data(), pieces.size());
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return out;
}

TEST_CASE("frame: text frames carry their length in the shortest form") {
  CHECK(*encode_text_frame("hi") == std::string("\x81\x02hi"));
  CHECK(encode_text_frame(std::string(125, 'x'))->size() == 127);
  CHECK(encode_text_frame(std::string(126, 'x'))->substr(0, 4) == std::string("\x81\x7e\x00\x7e", 4));
  CHECK(encode_text_frame(std::string(65535, 'x'))->size() == 65539);
  CHECK(encode_text_frame(std::string(65536, 'x'))->substr(0, 10) ==
        std::string("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
  const std::array frames{encode_text_frame("a"), encode_binary_frame("b")};
  CHECK(*join_frames(frames) == std::string("\x81\x01"
                                            "a\x82\x01"
                                            "b"));
}

TEST_CASE("outbox: bytes leave in the order they came, however the socket cuts them") {
  std::mt19937 random(7);
  outbox box(1 << 20);
  std::string sent, received;
  for (int round = 0; round < 2000; ++round) {
    for (int i = 0; i < static_cast<int>(random() % 6); ++i) {
      auto frame = bytes(std::string(1 + random() % 40, static_cast<char>('a' + random() % 26)));
      sent += *frame;
      if (random() % 4 == 0)
        CHECK(box.push_own(frame, true));
      else
        CHECK(box.push(frame, delivery::message));
    }
    const std::string now = queued(box);
    const auto taken = now.empty() ? 0 : random() % (now.size() + 1);
    received += now.substr(0, taken);
    box.consume(taken);
  }
  while (!box.empty()) {
    const std::string now = queued(box);
    received += now;
    box.consume(now.size());
  }
  CHECK(received == sent);
  CHECK(box.bytes() == 0);
}

TEST_CASE("outbox: refuses beyond its bound, but takes one frame of any size when empty") {
  outbox box(10);
  CHECK(box.push(bytes("123456"), delivery::message));
  CHECK_FALSE(box.push(bytes("12345"), delivery::message));
  CHECK(box.push(bytes("1234"), delivery::message));
  CHECK(box.push_own(bytes("pong, whatever the bound"), true));
  box.consume(box.bytes());
  CHECK(box.push(bytes(std::string(1000, 'x')), delivery::message));
}

TEST_CASE("outbox: gathers at most what it is given room for") {
  outbox box(1 << 20);
  for (int i = 0; i < 100; ++i) box.push(bytes("x"), delivery::message);
  std::array<iovec, 64> pieces{};
  CHECK(box.gather(pieces.data(), pieces.size()) == 64);
}

TEST_CASE("outbox: drops one kind, and only what nobody has seen a byte of") {
  outbox box(100);
  box.push(bytes("typing1"), delivery::typing);
  box.push(bytes("message"), delivery::message);
  box.push(bytes("typing2"), delivery::typing);
  box.push(bytes("presence"), delivery::presence);
  box.consume(1);
  CHECK(box.drop(delivery::typing) == 1);
  CHECK(queued(box) == "yping1messagepresence");
  CHECK(box.drop(delivery::presence) == 1);
  CHECK(box.bytes() == 13);
}

TEST_CASE("outbox: discard keeps a half-sent head and control frames") {
  outbox box(100);
  box.push(bytes("head"), delivery::message);
  box.push(bytes("gone"), delivery::message);
  box.push_own(bytes("pong"), true);
  box.push(bytes("gone too"), delivery::message);
  box.consume(2);
  CHECK(box.discard() == 2);
  CHECK(queued(box) == "adpong");
  CHECK(box.bytes() == 6);
}

TEST_CASE("outbox: discard keeps what is pinned, because it is encrypted already") {
  outbox box(100);
  box.push(bytes("aaaa"), delivery::message);
  box.push(bytes("bbbb"), delivery::message);
  box.push(bytes("cccc"), delivery::message);
  box.pin(6);
  CHECK(box.discard() == 1);
  CHECK(queued(box) == "aaaabbbb");
  box.consume(6);
  CHECK(box.discard() == 0);  // half sent
  CHECK(queued(box) == "bb");
}

TEST_CASE("outbox: refuses everything after a close frame") {
  outbox box(100);
  box.push_own(bytes("close"), true);
  box.close();
  CHECK_FALSE(box.push(bytes("x"), delivery::message));
  CHECK_FALSE(box.push_own(bytes("x"), true));
  CHECK(queued(box) == "close");
}

TEST_CASE("outbox: tells when a control frame has left to its end") {
  outbox box(100);
  box.push(bytes("aa"), delivery::message);
  box.push_own(bytes("pong"), true);
  box.push(bytes("bb"), delivery::message);
  CHECK_FALSE(box.consume(3));
  CHECK_FALSE(box.consume(2));
  CHECK(box.consume(2));
  CHECK_FALSE(box.consume(1));
}

}  // namespace
}  // namespace throng
