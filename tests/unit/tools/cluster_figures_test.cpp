// SPDX-License-Identifier: Apache-2.0
// What throngbench's failover and migrate make of a record.
#include <doctest/doctest.h>

#include "tools/throngbench/failover_figures.hpp"
#include "tools/throngbench/migrate_figures.hpp"

namespace throng {

namespace {

using namespace std::chrono_literals;

/// A record whose clock is set by hand.
struct tape {
  std::chrono::steady_clock::time_point now{};
  verify::recorder record{{.now = [this] { return now; }}};
  verify::client_index client = record.add_client({11}, "ann");

  void at(std::chrono::milliseconds time) { now = std::chrono::steady_clock::time_point(time); }
  verify::call invoke(channel_id channel) {
    verify::call what{verify::happening::post, client, channel, record.new_op()};
    record.invoked(what);
    return what;
  }
  void post(channel_id channel) { record.acknowledged(invoke(channel), {1}); }
  verify::socket_index listen(std::string_view node) {
    const auto socket = record.socket_opened(client, node);
    record.socket_hello(socket, "S1", false);
    return socket;
  }
  void hear(verify::socket_index socket, const verify::call& what) {
    record.received({.socket = socket, .type = "message", .channel = what.channel, .op = what.op});
  }
};

constexpr channel_id hit{400}, other{401};

}  // namespace

TEST_CASE("failover figures: only posts made after the fault count, and listeners elsewhere") {
  tape run;
  const auto there = run.listen("n1"), here = run.listen("n2");
  const auto before = run.invoke(hit);
  run.at(100ms);
  const auto fault = run.record.fault_begun("kill", "n1");
  run.record.socket_closed(there, "reset");
  run.at(110ms);
  run.record.acknowledged(before, {1});  // was on its way
  run.hear(here, before);
  const auto bystander = run.invoke(other);
  run.at(120ms);
  run.record.acknowledged(bystander, {2});
  run.at(125ms);
  run.hear(here, bystander);
  const auto after = run.invoke(hit);
  run.at(300ms);
  run.record.acknowledged(after, {3});
  run.at(350ms);
  run.hear(here, after);
  run.at(400ms);
  run.hear(here, after);
  const auto seen = run.record.take();
  const auto samples = failover_samples_of(seen, {{fault, "n1", {hit}}});
  CHECK(samples.ack_ms == std::vector{200.0});
  CHECK(samples.delivery_ms == std::vector{250.0});
  CHECK(samples.other_ack_ms == std::vector{20.0});
  CHECK(samples.other_delivery_ms == std::vector{25.0});
  CHECK(samples.never == 0);
  CHECK(samples.dropped == 0);
}

TEST_CASE("failover figures: a channel that isn't heard of again, and a listener who was dropped") {
  tape run;
  const auto first = run.listen("n2"), second = run.listen("n3");
  run.post(hit);
  const auto fault = run.record.fault_begun("kill", "n1");
  run.record.socket_closed(second, "resync");
  auto seen_by_one = run.invoke(other);
  run.record.acknowledged(seen_by_one, {2});
  run.hear(first, seen_by_one);
  const auto samples = failover_samples_of(run.record.take(), {{fault, "n1", {hit}}});
  CHECK(samples.ack_ms.empty());
  CHECK(samples.never == 1);
  CHECK(samples.dropped == 1);
  CHECK(samples.other_delivery_ms.size() == 1);
}

TEST_CASE("migrate figures: the longest time between two acknowledgements that touches the move") {
  tape run;
  for (int ms = 0; ms <= 1000; ms += 10) {
    run.at(std::chrono::milliseconds(ms));
    run.post(other);
    if (ms < 100 || ms > 130) run.post(hit);  // 90, then 140
    if (ms == 100) CHECK(run.record.fault_begun("migrate", "slot:1").value == 1);
    if (ms == 120) run.record.fault_ended({1});
  }
  const auto samples = move_samples_of(run.record.take(), {{{1}, hit, other}});
  CHECK(samples.pause_ms == std::vector{50.0});
  CHECK(samples.bystander_ms == std::vector{10.0});
}

TEST_CASE("percentiles of few") {
  CHECK(percentile({}, 0.99) == 0);
  CHECK(percentile({3}, 0.5) == 3);
  CHECK(percentile({3, 1, 2}, 0.5) == 2);
  CHECK(percentile({3, 1, 2}, 1) == 3);
}

}  // namespace throng
