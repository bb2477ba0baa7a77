// SPDX-License-Identifier: Apache-2.0
#include "cluster/failure_detector.hpp"

#include <random>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

/// A peer that sends every `interval`, as its heartbeats arrive here.
struct simulated_peer {
  failure_detector detector;
  microseconds interval{200ms};
  steady_time now{1h};
  int suspicions = 0;

  void arrives_after(microseconds silence) {
    now += silence;
    if (detector.is_suspect(now)) ++suspicions;
    detector.heartbeat(now);
  }
  void runs(int heartbeats) {
    for (int i = 0; i < heartbeats; ++i) arrives_after(interval);
  }
  /// From the last heartbeat until it is suspect.
  microseconds patience() const {
    return std::chrono::duration_cast<microseconds>(detector.suspect_at().value() - now);
  }
};

TEST_CASE("failure detector: before the first heartbeat nobody is suspect") {
  failure_detector detector;
  CHECK(detector.phi(steady_time(1h)) == 0);
  CHECK_FALSE(detector.suspect_at());
  CHECK_FALSE(detector.is_suspect(steady_time(1h)));
  detector.heartbeat(steady_time(1h));
  CHECK(detector.suspect_at().value() > steady_time(1h) + 500ms);
  CHECK(detector.suspect_at().value() < steady_time(1h) + 1s);
}

TEST_CASE("failure detector: a steady peer that stops is suspect within 0.8 s, and not before 0.7 s") {
  simulated_peer peer;
  peer.runs(300);
  CHECK(peer.suspicions == 0);
  CHECK(peer.patience() > 700ms);
  CHECK(peer.patience() < 800ms);
  CHECK_FALSE(peer.detector.is_suspect(peer.now + 700ms));
  CHECK(peer.detector.is_suspect(peer.now + 800ms));
}

TEST_CASE("failure detector: phi rises with the silence, and reaches the threshold when it says") {
  simulated_peer peer;
  peer.runs(50);
  double last = -1;
  for (auto silence = 0us; silence < 10s; silence += 10ms) {
    auto phi = peer.detector.phi(peer.now + silence);
    REQUIRE(phi > last);
    last = phi;
  }
  auto at = peer.detector.suspect_at().value();
  CHECK(peer.detector.phi(at - 10us) < 8);
  CHECK(peer.detector.phi(at) >= doctest::Approx(8).epsilon(1e-4));
  // On time is as likely late as early.
  CHECK(peer.detector.phi(peer.now + peer.detector.mean()) == doctest::Approx(0.301).epsilon(0.01));
  CHECK(std::isfinite(peer.detector.phi(peer.now + 24h * 365)));
}

TEST_CASE("failure detector: normal jitter never makes a peer suspect, and stopping always does") {
  for (unsigned seed : {1u, 2u, 3u, 4u, 5u}) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<double> jitter(0, 150'000);
    simulated_peer peer;
    for (int i = 0; i < 20'000; ++i)
      peer.arrives_after(microseconds(std::max(1'000L, 200'000 + std::lround(jitter(random)))));
    CHECK(peer.suspicions == 0);
    CHECK(peer.patience() < 1500ms);
  }
}

TEST_CASE("failure detector: a jittery peer is given more time than a steady one, and a slower one than a fast one") {
  simulated_peer steady, jittery, slow;
  steady.runs(300);
  for (int i = 0; i < 200; ++i) jittery.arrives_after(i % 2 ? 60ms : 500ms);
  for (int i = 0; i < 400; ++i) slow.arrives_after(400ms);
  CHECK(jittery.suspicions == 0);
  CHECK(jittery.patience() > steady.patience() + 500ms);
  CHECK(slow.suspicions == 0);
  CHECK(slow.detector.mean() == 400ms);
  CHECK(slow.patience() == steady.patience() + 200ms);
}

TEST_CASE(
    "failure detector: a peer that stood still is suspect, comes back with one heartbeat, and isn't trusted longer") {
  simulated_peer peer;
  peer.runs(100);
  auto before = peer.patience();
  peer.arrives_after(5s);
  CHECK(peer.suspicions == 1);
  CHECK_FALSE(peer.detector.is_suspect(peer.now + 1ms));
  CHECK(peer.patience() == before);
  for (int i = 0; i < 20; ++i) {
    peer.runs(3);
    peer.arrives_after(5s);
  }
  CHECK(peer.suspicions == 21);
  CHECK(peer.patience() == before);
}

TEST_CASE("failure detector: heartbeats that were held up and arrive together don't make it nervous") {
  simulated_peer peer;
  peer.runs(100);
  auto before = peer.patience();
  for (int i = 0; i < 100; ++i) {
    peer.arrives_after(600ms);
    peer.arrives_after(100us);
    peer.arrives_after(100us);
  }
  CHECK(peer.suspicions == 0);
  CHECK(peer.patience() >= before);
}

TEST_CASE("failure detector: what this process missed while it stood still itself isn't held against the peers") {
  simulated_peer peer;
  peer.runs(100);
  auto before = peer.patience();
  peer.now += 10s;
  CHECK(peer.detector.is_suspect(peer.now));
  peer.detector.forgive(10s);
  CHECK_FALSE(peer.detector.is_suspect(peer.now));
  CHECK(peer.patience() == before);
  failure_detector untouched;
  untouched.forgive(10s);
  CHECK_FALSE(untouched.suspect_at());
}

TEST_CASE("failure detector: only the newest intervals count") {
  failure_detector_options options;
  options.samples_max = 10;
  simulated_peer peer{failure_detector(options)};
  for (int i = 0; i < 30; ++i) peer.arrives_after(500ms);
  CHECK(peer.detector.mean() == 500ms);
  peer.runs(10);
  CHECK(peer.detector.mean() == 200ms);
  CHECK(peer.detector.deviation() == 100ms);
}

TEST_CASE("failure detector: a heartbeat from the past changes nothing") {
  simulated_peer peer;
  peer.runs(10);
  auto at = peer.detector.suspect_at();
  peer.detector.heartbeat(peer.now);
  peer.detector.heartbeat(peer.now - 1s);
  CHECK(peer.detector.suspect_at() == at);
}

TEST_CASE("failure detector: a pause that is allowed is added, and a lower threshold is less patient") {
  failure_detector_options options;
  simulated_peer usual{failure_detector(options)};
  options.pause = 3s;
  simulated_peer patient{failure_detector(options)};
  options.pause = 0s;
  options.threshold = 1;
  simulated_peer nervous{failure_detector(options)};
  for (auto* one : {&usual, &patient, &nervous}) one->runs(50);
  CHECK(patient.patience() == usual.patience() + 3s);
  CHECK(nervous.patience() < usual.patience() - 300ms);
}

}  // namespace
}  // namespace throng
