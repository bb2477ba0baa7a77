// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/rtm_frame.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;

namespace {

struct decoded {
  std::vector<rtm_command> commands;
  std::vector<rtm_problem> problems;
};

decoded decode(std::string_view text) {
  decoded all;
  decode_rtm_frame(
      text, [&](rtm_command c) { all.commands.push_back(std::move(c)); },
      [&](rtm_problem p) { all.problems.push_back(std::move(p)); });
  return all;
}

const std::string channel = to_text(channel_id{400});

}  // namespace

TEST_CASE("rtm_frame: a message is read with its thread") {
  const auto got = decode(R"({"id":7,"type":"message","channel":")" + channel +
                          R"(","text":"a \"b\" \u00e9","thread_ts":"1700000000.000100","reply_broadcast":true})");
  REQUIRE(got.commands.size() == 1);
  const auto& m = got.commands[0];
  CHECK(m.kind == rtm_kind::message);
  CHECK(m.id == "7");
  CHECK(m.channel == channel_id{400});
  CHECK(m.text == "a \"b\" é");
  CHECK(to_text(m.thread_ts) == "1700000000.000100");
  CHECK(m.is_broadcast);
}

TEST_CASE("rtm_frame: a pong echoes all of the ping's other members as they were") {
  const auto got = decode(R"({"id":"a","type":"ping","time":1.50e3,"x":{"y":[1, 2]},"reply_to":9})");
  REQUIRE(got.commands.size() == 1);
  CHECK(got.commands[0].pong == R"({"type":"pong","reply_to":"a","time":1.50e3,"x":{"y":[1, 2]}})");
}

TEST_CASE("rtm_frame: a ping without an id gets a pong without reply_to") {
  CHECK(decode(R"({"type":"ping"})").commands.at(0).pong == R"({"type":"pong"})");
}

TEST_CASE("rtm_frame: an object may span lines, and lines may hold an object each") {
  CHECK(decode("{\"type\":\n\"ping\",\r\n\"id\":1}").commands.size() == 1);
  const auto got = decode("{\"type\":\"ping\",\"id\":1}\n\n {\"type\":\"tickle\",\"id\":2}\r\n");
  REQUIRE(got.commands.size() == 2);
  CHECK(got.commands[1].kind == rtm_kind::tickle);
  CHECK(got.commands[1].id == "2");
}

TEST_CASE("rtm_frame: a bad object doesn't spoil the ones beside it") {
  const auto got = decode("{\"type\":\"dance\",\"id\":1}\n{\"type\":\"ping\",\"id\":2}");
  CHECK(got.commands.size() == 1);
  REQUIRE(got.problems.size() == 1);
  CHECK(got.problems[0].id == "1");
  CHECK(got.problems[0].what.code == errc::unknown_method);
}

TEST_CASE("rtm_frame: presence ids are sorted, once each, and what is no user's is left out") {
  const auto a = to_text(user_id{300});
  const auto b = to_text(user_id{200});
  const auto got = decode(R"({"type":"presence_sub","ids":[")" + a + "\",\"" + b + "\",\"" + a + R"(","?",3]})");
  REQUIRE(got.commands.size() == 1);
  CHECK(got.commands[0].users == std::vector<user_id>{{200}, {300}});
}

TEST_CASE("rtm_frame: wrong arguments are answered with their code and the id") {
  struct sample {
    std::string text;
    errc code;
  };
  const std::vector<sample> samples{
      {R"({"id":5,"type":"message","channel":"nope","text":"x"})", errc::channel_not_found},
      {R"({"id":5,"type":"message","channel":7,"text":"x"})", errc::channel_not_found},
      {R"({"id":5,"type":"message","channel":")" + channel + R"("})", errc::no_text},
      {R"({"id":5,"type":"message","channel":")" + channel + R"(","text":""})", errc::no_text},
      {R"({"id":5,"type":"message","channel":")" + channel + R"(","text":["x"]})", errc::no_text},
      {R"({"id":5,"type":"message","channel":")" + channel + R"(","text":"x","thread_ts":12})",
       errc::invalid_timestamp},
      {R"({"id":5,"type":"presence_sub","ids":"U1"})", errc::invalid_array_arg},
      {R"({"id":5,"type":5})", errc::invalid_arguments},
      {R"({"id":5})", errc::invalid_arguments},
  };
  for (const auto& each : samples) {
    const auto got = decode(each.text);
    CAPTURE(each.text);
    CHECK(got.commands.empty());
    REQUIRE(got.problems.size() == 1);
    CHECK(got.problems[0].what.code == each.code);
    CHECK(got.problems[0].id == "5");
  }
}

TEST_CASE("rtm_frame: what is not a JSON object is one problem, however long it goes on") {
  CHECK(decode("hello\nworld\nagain").problems.at(0).what.code == errc::invalid_json);
  CHECK(decode("hello\nworld\nagain").problems.size() == 1);
  CHECK(decode("").problems.at(0).what.code == errc::invalid_json);
  CHECK(decode("[]").problems.at(0).what.code == errc::json_not_object);
}

TEST_CASE("rtm_frame: size, depth and number of objects are bounded") {
  CHECK(decode(std::string(rtm_frame_bytes_max + 1, ' ')).problems.at(0).what.code == errc::msg_too_long);
  const auto deep = R"({"type":"ping","x":)" + std::string(40, '[') + std::string(40, ']') + "}";
  CHECK(decode(deep).problems.at(0).what.code == errc::request_too_large);
  std::string many;
  for (std::size_t i = 0; i < rtm_objects_max + 10; ++i) many += "{\"type\":\"tickle\"}\n";
  const auto got = decode(many);
  CHECK(got.commands.size() == rtm_objects_max);
  CHECK(got.problems.size() == 1);
  CHECK(decode(R"({"type":"ping","id":")" + std::string(1'000, 'x') + "\"}").commands.at(0).id.empty());
}

TEST_CASE("rtm_frame: answers carry the id, and errors without one are events") {
  CHECK(render_rtm_ack("7", "1.000002", "a\"b") == R"({"ok":true,"reply_to":7,"ts":"1.000002","text":"a\"b"})");
  CHECK(render_rtm_error("7", {errc::no_text, {}}) ==
        R"({"ok":false,"reply_to":7,"error":{"code":400,"msg":"no_text"}})");
  CHECK(render_rtm_error("", {errc::no_text, {}}) == R"({"type":"error","error":{"code":400,"msg":"no_text"}})");
}
