// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_window.hpp"

#include <deque>
#include <random>
#include <string>

#include <doctest/doctest.h>

namespace throng {
namespace {

using verdict = link_window::verdict;

std::vector<std::string> parcels_of(const link_frame& frame) { return frame.parcels; }

TEST_CASE("parcels go in frames of as many as fit, numbered from 1") {
  link_window window({.frame_parcels_max = 3, .frame_bytes_max = 10});
  for (const char* each : {"a", "b", "c", "d", "eeeeeeeee", "ff", "gggggggggggggggg"}) REQUIRE(window.post(each));
  auto frame = window.next_frame();
  CHECK(frame->number == 1);
  CHECK(parcels_of(*frame) == std::vector<std::string>{"a", "b", "c"});
  CHECK(parcels_of(*window.next_frame()) == std::vector<std::string>{"d", "eeeeeeeee"});
  CHECK(parcels_of(*window.next_frame()) == std::vector<std::string>{"ff"});
  CHECK(parcels_of(*window.next_frame()) == std::vector<std::string>{"gggggggggggggggg"});
  CHECK_FALSE(window.next_frame());
}

TEST_CASE("no more than the window is in flight, and an acknowledgement makes room") {
  link_window window({.frame_parcels_max = 1, .window_frames_max = 2});
  for (int i = 0; i < 4; ++i) window.post("x");
  CHECK(window.next_frame());
  CHECK(window.next_frame());
  CHECK_FALSE(window.wants_to_send());
  CHECK_FALSE(window.next_frame());
  CHECK(window.receive({0, 1, {}}) == verdict::duplicate);
  CHECK(window.wants_to_send());
  CHECK(window.next_frame()->number == 3);
  CHECK_FALSE(window.next_frame());
}

TEST_CASE("past its bounds a window takes no more, and keeps what it has") {
  link_window window({.waiting_bytes_max = 10, .waiting_parcels_max = 3});
  CHECK(window.post("12345678"));
  CHECK_FALSE(window.post("123"));
  CHECK(window.post("1"));
  CHECK(window.post("1"));
  CHECK_FALSE(window.post(""));
  CHECK(window.read_figures().refused == 2);
  CHECK(window.read_figures().waiting_parcels == 3);
}

TEST_CASE("a frame that came before is dropped; one that skips a number breaks the connection and counts for nothing") {
  link_window window({});
  CHECK(window.receive({1, 0, {"a"}}) == verdict::deliver);
  CHECK(window.receive({1, 0, {"a"}}) == verdict::duplicate);
  CHECK(window.receive({3, 0, {"c"}}) == verdict::broken);
  CHECK(window.received() == 1);
  CHECK(window.receive({2, 7, {"b"}}) == verdict::broken);  // nothing was sent that it could acknowledge
  CHECK(window.received() == 1);
  CHECK(window.acknowledgement()->acknowledged == 1);
  CHECK_FALSE(window.acknowledgement());
}

TEST_CASE("few large frames are acknowledged before they fill the window, and many small ones too") {
  link_window window({.window_bytes_max = 1000, .acknowledge_every = 3});
  CHECK(window.receive(1, 0, 1, 200) == verdict::deliver);
  CHECK_FALSE(window.should_acknowledge());
  CHECK(window.receive(2, 0, 1, 50) == verdict::deliver);
  CHECK(window.should_acknowledge());
  CHECK(window.acknowledgement()->acknowledged == 2);
  for (frame_number number = 3; number <= 5; ++number) {
    CHECK_FALSE(window.should_acknowledge());
    window.receive(number, 0, 1, 1);
  }
  CHECK(window.should_acknowledge());
}

TEST_CASE("a frame is full by parcels, by bytes, or because it was sent before") {
  link_window window({.frame_parcels_max = 2, .frame_bytes_max = 10});
  window.post("a");
  CHECK_FALSE(window.has_full_frame());
  window.post("b");
  CHECK(window.has_full_frame());
  CHECK(window.send_next([](frame_number number, frame_number, const auto& parcels, std::size_t bytes) {
    CHECK(number == 1);
    CHECK(parcels == std::vector<std::string>{"a", "b"});
    CHECK(bytes == 2);
  }));
  CHECK_FALSE(window.has_full_frame());
  window.post("0123456789");
  CHECK(window.has_full_frame());
  window.next_frame();
  CHECK(window.resume(1));
  CHECK(window.has_full_frame());
}

TEST_CASE("ends that don't remember the same link don't resume it") {
  link_window window({.frame_parcels_max = 1});
  for (int i = 0; i < 3; ++i) window.post("x");
  while (window.next_frame()) {
  }
  CHECK_FALSE(window.resume(4));
  window.receive({0, 2, {}});
  CHECK_FALSE(window.resume(1));
  CHECK(window.resume(2));
  CHECK(window.next_frame()->number == 3);
}

TEST_CASE("what the other incarnation took with it comes back in order, and the link starts anew") {
  link_window window({.frame_parcels_max = 2});
  for (const char* each : {"a", "b", "c", "d", "e"}) window.post(each);
  window.next_frame();
  window.next_frame();
  window.receive({1, 1, {"z"}});
  CHECK(window.give_up() == std::vector<std::string>{"c", "d", "e"});
  CHECK(window.received() == 0);
  window.post("f");
  CHECK(window.next_frame()->number == 1);
}

/// One direction of a connection: frames in order, lost from some point on when it is cut.
struct wire {
  std::deque<link_frame> frames;
};

TEST_CASE("over cuts at any moment, parcels arrive once and in order, and memory stays bounded") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const link_window::limits bounds{.frame_parcels_max = 1 + random() % 5,
                                     .window_frames_max = 1 + random() % 4,
                                     .waiting_parcels_max = 50,
                                     .acknowledge_every = 1 + random() % 3};
    link_window ends[2]{link_window(bounds), link_window(bounds)};
    wire to[2];  // frames on their way to each end
    int posted[2] = {0, 0}, delivered[2] = {0, 0};
    auto deliver_one = [&](int end) {
      if (to[end].frames.empty()) return;
      auto frame = std::move(to[end].frames.front());
      to[end].frames.pop_front();
      auto said = ends[end].receive(frame);
      REQUIRE(said != verdict::broken);
      if (said == verdict::deliver)
        for (const auto& each : frame.parcels) REQUIRE(each == std::to_string(delivered[end]++));
      if (ends[end].should_acknowledge())
        if (auto answer = ends[end].acknowledgement()) to[1 - end].frames.push_back(*answer);
    };
    for (int step = 0; step < 600; ++step) {
      const int end = static_cast<int>(random() % 2);
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          if (ends[end].post(std::to_string(posted[end]))) ++posted[end];
          break;
        case 3:
        case 4:
          if (auto frame = ends[end].next_frame()) to[1 - end].frames.push_back(*frame);
          break;
        case 5:
        case 6:
          deliver_one(end);
          break;
        case 7:
          if (random() % 4) break;
          for (auto& each : to) each.frames.clear();
          REQUIRE(ends[0].resume(ends[1].received()));
          REQUIRE(ends[1].resume(ends[0].received()));
      }
      for (const auto& each : ends) {
        REQUIRE(each.read_figures().in_flight_frames <= bounds.window_frames_max);
        REQUIRE(each.read_figures().waiting_parcels <= bounds.waiting_parcels_max);
      }
    }
    for (int round = 0; round < 1000; ++round)
      for (int end : {0, 1}) {
        while (auto frame = ends[end].next_frame()) to[1 - end].frames.push_back(*frame);
        if (auto answer = ends[end].acknowledgement()) to[1 - end].frames.push_back(*answer);
        deliver_one(end);
      }
    CHECK(delivered[1] == posted[0]);
    CHECK(delivered[0] == posted[1]);
  }
}

}  // namespace
}  // namespace throng
