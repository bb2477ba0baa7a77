// SPDX-License-Identifier: Apache-2.0
// The parts of throngbench whose mistakes would make its figures wrong without being seen.
#include <doctest/doctest.h>

#include "tools/throngbench/delivery_check.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/report.hpp"
#include "tools/common/websocket_frames.hpp"

using namespace throng;

namespace {

std::string event(std::uint32_t channel, std::uint32_t number) {
  return R"({"type":"message","channel":"C1","text":")" + delivery_check::to_text({channel, number}) + R"(xxx"})";
}

}  // namespace

TEST_CASE("throngbench: medians of rounds, also of figures that not all of them have") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({4, 1, 2, 3}) == 2);
  rounds all;
  for (double value : {30.0, 10.0, 20.0}) {
    figures one;
    one.set("b_ms", value);
    one.set("a_ms", value * 2);
    if (value == 10) one.set("rare", 1);
    all.add(one);
  }
  const auto medians = all.medians();
  REQUIRE(medians.all().size() == 3);
  CHECK(medians.all()[0].first == "b_ms");
  CHECK(*medians.find("b_ms") == 20);
  CHECK(*medians.find("a_ms") == 40);
  CHECK(*medians.find("rare") == 1);
  CHECK(medians.find("none") == nullptr);
}

TEST_CASE("throngbench: the JSON form is one object with all of it") {
  bench_report report;
  report.bench = "post";
  report.params.set("seconds", 5);
  report.measured.set("posts_per_s", 21000.4);
  report.measured.set("p99_ms", 3.14159);
  report.yardstick.set("posts_per_s", 30000);
  report.ratio = 0.70001;
  CHECK(to_json(report) == R"({"bench":"post","params":{"seconds":5},"figures":{"posts_per_s":21000,"p99_ms":3.142},)"
                           R"("yardstick":{"posts_per_s":30000},"ratio":0.7000})");
  const auto text = to_text(report);
  CHECK(text.find("posts_per_s") != std::string::npos);
  CHECK(text.find("21000") < text.find("30000"));
}

TEST_CASE("throngbench: percentiles of latencies") {
  latency_histogram latencies;
  CHECK(latencies.percentile_ms(0.5) == 0);
  for (int i = 1; i <= 100; ++i) latencies.add(i * 1'000'000 - 1);  // just below 1, 2, … 100 ms
  CHECK(latencies.percentile_ms(0.50) == doctest::Approx(51));
  CHECK(latencies.percentile_ms(0.99) == doctest::Approx(100));
  latencies.add(3'600'000'000'000);  // an hour counts as the largest there is
  CHECK(latencies.percentile_ms(1.0 - 1e-9) == doctest::Approx(10'000));
}

TEST_CASE("throngbench: frames come out of any cut of the stream") {
  std::string stream;
  const std::string medium(300, 'm'), large(70'000, 'l');
  append_server_frame(stream, ws_opcode::text, "small");
  append_server_frame(stream, ws_opcode::ping, "");
  append_server_frame(stream, ws_opcode::text, medium);
  append_server_frame(stream, ws_opcode::binary, large);
  for (std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}, stream.size()}) {
    CAPTURE(step);
    frame_reader frames;
    std::vector<std::pair<ws_opcode, std::string>> seen;
    for (std::size_t at = 0; at < stream.size(); at += step)
      REQUIRE(frames.read(std::string_view(stream).substr(at, step),
                          [&](ws_opcode opcode, std::string_view payload) { seen.emplace_back(opcode, payload); }));
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == std::pair(ws_opcode::text, std::string("small")));
    CHECK(seen[1].first == ws_opcode::ping);
    CHECK(seen[2].second == medium);
    CHECK(seen[3].second == large);
  }
}

TEST_CASE("throngbench: what is no server's frame is refused") {
  auto none = [](ws_opcode, std::string_view) { FAIL_CHECK("a frame"); };
  CHECK_FALSE(frame_reader().read(std::string_view("\x81\x85zzzz", 6), none));  // masked
  CHECK_FALSE(frame_reader().read(std::string_view("\xC1\x01x", 3), none));     // compressed
  CHECK_FALSE(frame_reader().read(std::string_view("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10), none));
}

TEST_CASE("throngbench: a client's frame is masked") {
  std::string frame;
  append_client_frame(frame, ws_opcode::text, "hello", 0x01010101);
  CHECK(frame == std::string("\x81\x85\x01\x01\x01\x01", 6) + "idmmn");
  frame.clear();
  append_client_frame(frame, ws_opcode::text, std::string(200, 'a'), 0);
  CHECK(frame.substr(0, 4) == std::string("\x81\xfe\x00\xc8", 4));
}

TEST_CASE("throngbench: memberships are spread evenly and consistently") {
  for (const town_plan plan :
       {town_plan{1000, 1, 1000}, town_plan{20, 10, 10}, town_plan{7, 5, 3}, town_plan{3, 9, 2}}) {
    std::vector<std::size_t> channels_of(plan.people);
    for (std::size_t c = 0; c < plan.channels; ++c)
      for (std::size_t place = 0; place < plan.members_each; ++place) {
        const auto person = plan.person_at(c, place);
        ++channels_of[person];
        CHECK(plan.place_of(person, c) == place);
      }
    const auto [fewest, most] = std::minmax_element(channels_of.begin(), channels_of.end());
    CHECK(*most - *fewest <= 1);
  }
  CHECK_FALSE(town_plan{4, 1, 2}.place_of(3, 0).has_value());
}

TEST_CASE("throngbench: the check sees what is lost, repeated, out of order, or for a stranger") {
  const town_plan plan{4, 2, 2};  // channel 0: people 0 and 1; channel 1: people 2 and 3
  const auto outcome = [&](auto deliver, std::uint64_t expected) {
    delivery_check check(plan);
    check.begin();
    for (int i = 0; i < 2; ++i) check.next_post(0, 1'000);
    deliver(check);
    return check.verdict(expected).ok();
  };
  CHECK(outcome(
      [](delivery_check& check) {
        for (std::size_t person : {0, 1})
          for (std::uint32_t number : {1, 2}) check.deliver(person, event(0, number), 2'000);
        check.deliver(0, R"({"type":"hello"})", 2'000);
        check.deliver(0, R"({"type":"message","text":"other"})", 2'000);
      },
      4));
  CHECK_FALSE(outcome([](delivery_check& check) { check.deliver(0, event(0, 1), 2'000); }, 4));
  CHECK_FALSE(outcome([](delivery_check& check) { check.deliver(0, event(0, 2), 2'000); }, 1));
  CHECK_FALSE(outcome(
      [](delivery_check& check) {
        check.deliver(0, event(0, 1), 2'000);
        check.deliver(0, event(0, 1), 2'000);
      },
      2));
  CHECK_FALSE(outcome([](delivery_check& check) { check.deliver(2, event(0, 1), 2'000); }, 0));
}

TEST_CASE("throngbench: marks are found in events and nowhere else") {
  const auto text = delivery_check::to_text({12, 345});
  CHECK(text == "#c000012 m00000345 ");
  CHECK(text.size() == delivery_check::mark_bytes);
  const auto found = delivery_check::find_mark(event(12, 345));
  REQUIRE(found);
  CHECK(found->channel == 12);
  CHECK(found->number == 345);
  CHECK_FALSE(delivery_check::find_mark(R"({"text":"#c12"})").has_value());
  CHECK_FALSE(delivery_check::find_mark(R"({"text":"#c0000xx m00000345 "})").has_value());
  CHECK_FALSE(delivery_check::find_mark("").has_value());
}
