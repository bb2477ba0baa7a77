// SPDX-License-Identifier: Apache-2.0
// fanout: people of one workspace with a websocket each read what one person posts to their channels, over RTM. Two
// ways, in turn: paced, so that each delivery is a send of its own; and as fast as posts are answered and delivered.
// Checks that every member of a channel got every post once and in order. The yardstick does the same deliveries, of
// frames with the same bytes, with a bare loop of send() in a process of its own.
#include <array>
#include <thread>

#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/delivery_check.hpp"
#include "tools/throngbench/fanout_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

constexpr std::array options{
    option_spec{"--channels", "N", "channels", "1"},
    option_spec{"--members", "N", "members of each", "1000"},
    option_spec{"--sockets", "N", "people, with a websocket each, over whom the memberships are spread", "1000"},
    option_spec{"--rate", "N", "posts a second in the paced phase, over all channels", "80"},
    option_spec{"--publishers", "N", "people who post, each to its share of the channels", "1"},
    option_spec{"--window", "N", "posts of each publisher that may be under way in the flood", "32"},
    option_spec{"--seconds", "N", "length of each phase", "5"},
    option_spec{"--rounds", "N", "rounds of all phases", "3"},
    option_spec{"--bytes", "N", "length of a post's text", "200"},
    option_spec{"--no-pin", "", "let servers and this program use all cores; else one for the server, one for this"},
    option_spec{"--throngd", "PATH", "the program to measure; empty: throngd beside this one"},
    option_spec{"--folder", "PATH", "where its data goes; empty: the temporary folder"},
};

constexpr std::chrono::seconds quiet_patience{10};
constexpr std::uint64_t spare_descriptors = 200;

struct plan {
  town_plan town;
  std::size_t rate, window, seconds, rounds, bytes;
};

/// Waits until all that was posted is delivered, or nothing has come for a while.
void wait_for_deliveries(const delivery_check& check, std::uint64_t expected) {
  auto last = check.delivered();
  auto moved = now_ns();
  while (check.delivered() < expected) {
    std::this_thread::sleep_for(milliseconds(2));
    if (check.delivered() != last) {
      last = check.delivered();
      moved = now_ns();
    } else if (now_ns() - moved > std::chrono::nanoseconds(quiet_patience).count()) {
      return;
    }
  }
}

struct phase_outcome {
  double cpu_us_per_delivery = 0, deliveries_per_s = 0, p50_ms = 0, p99_ms = 0;
};

/// Posts at the set rate, publishers in turn; how many.
result<std::uint64_t> post_paced(const plan& with, fanout_side& side, std::int64_t started, std::int64_t end) {
  std::uint64_t posted = 0;
  while (now_ns() < end) {
    const auto due = started + static_cast<std::int64_t>(posted * 1'000'000'000 / with.rate);
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::max<std::int64_t>(0, due - now_ns())));
    if (auto sent = side.publish(posted % with.town.publishers, 1); !sent) return sent.failure();
    ++posted;
  }
  return posted;
}

/// Keeps as many posts under way as the window says, answered and delivered; how many were posted.
result<std::uint64_t> post_flood(const plan& with, fanout_side& side, std::int64_t end) {
  std::uint64_t posted = 0;
  const auto under_way_max = with.window * with.town.publishers;
  while (now_ns() < end) {
    bool was_idle = true;
    for (std::size_t p = 0; p < with.town.publishers; ++p) {
      const auto delivered = side.check().delivered() / with.town.members_each;
      const auto under_way = posted - std::min<std::uint64_t>(posted, delivered);
      const auto room = std::min(with.window - std::min(with.window, side.unanswered(p)),
                                 under_way_max - std::min<std::size_t>(under_way_max, under_way));
      if (room < with.window / 4 + 1) continue;
      if (auto sent = side.publish(p, room); !sent) return sent.failure();
      posted += room;
      was_idle = false;
    }
    if (was_idle) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return posted;
}

result<phase_outcome> run_phase(const plan& with, fanout_side& side, bool is_flood) {
  auto& check = side.check();
  check.begin();
  const auto each = with.town.members_each;
  const auto cpu = cpu_ns(side.process()), started = now_ns();
  const auto end = started + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  const auto count = is_flood ? post_flood(with, side, end) : post_paced(with, side, started, end);
  if (!count) return count.failure();
  const auto posted = *count;
  wait_for_deliveries(check, posted * each);
  const auto seconds = static_cast<double>(now_ns() - started) / 1e9;
  const auto cpu_us = static_cast<double>(cpu_ns(side.process()) - cpu) / 1e3;
  if (auto right = check.verdict(posted * each); !right) {
    return error{right.code(), std::string(side.name()) + ": " + right.failure().detail + side.trouble()};
  }
  const auto delivered = static_cast<double>(posted * each);
  return phase_outcome{cpu_us / delivered, delivered / seconds, check.latencies().percentile_ms(0.5),
                       check.latencies().percentile_ms(0.99)};
}

result<figures> run_round(const plan& with, fanout_side& side) {
  const auto paced = run_phase(with, side, false);
  if (!paced) return paced.failure();
  const auto flood = run_phase(with, side, true);
  if (!flood) return flood.failure();
  figures round;
  round.set("cpu_us_per_delivery", paced->cpu_us_per_delivery);
  round.set("deliveries_per_s", paced->deliveries_per_s);
  round.set("p50_ms", paced->p50_ms);
  round.set("p99_ms", paced->p99_ms);
  round.set("flood_cpu_us_per_delivery", flood->cpu_us_per_delivery);
  round.set("flood_deliveries_per_s", flood->deliveries_per_s);
  round.set("flood_p50_ms", flood->p50_ms);
  round.set("flood_p99_ms", flood->p99_ms);
  return round;
}

}  // namespace

std::span<const option_spec> fanout_options() { return options; }

result<bench_report> run_fanout_bench(const command_line& line) {
  bench_report report;
  report.bench = "fanout";
  number_reader number(line, report.params);
  plan with;
  with.town.channels = number("--channels", 1, 10'000);
  with.town.members_each = number("--members", 1, 9'000);
  with.town.people = number("--sockets", 1, 9'000);
  with.rate = number("--rate", 1, 100'000);
  with.town.publishers = number("--publishers", 1, 1'000);
  with.window = number("--window", 1, delivery_check::under_way_max / 4);
  with.seconds = number("--seconds", 1, 600);
  with.rounds = number("--rounds", 1, 100);
  with.bytes = number("--bytes", delivery_check::mark_bytes, 8'000);
  if (!number.outcome()) return number.outcome().failure();
  if (with.town.publishers > with.town.channels)
    return error{errc::invalid_arguments, "--publishers can't be more than --channels"};
  if (with.town.members_each > with.town.people)
    return error{errc::invalid_arguments, "--members can't be more than --sockets"};
  if (with.town.people > with.town.members_each * with.town.channels)
    return error{errc::invalid_arguments, "with so many --sockets some would be in no channel"};
  if (raise_descriptor_limit() < 2 * with.town.people + with.town.publishers + spare_descriptors)
    return error{errc::invalid_arguments, "the limit of descriptors (ulimit -n) is too low for so many sockets"};
  const bool is_pinned = !line.has("--no-pin") && core_count() > 1;
  report.params.set("server_cores", is_pinned ? 1 : core_count());

  const auto program = line.text("--throngd");
  const int core = is_pinned ? 0 : -1;
  // Both processes first: forking is for a program without threads.
  auto bare = bare_server::start(with.town, core);
  if (!bare) return bare.failure();
  auto node = served_node::start({program.empty() ? throngd_beside() : program, line.text("--folder"), core, ""});
  if (!node) return node.failure();
  if (is_pinned) run_on_core(1);
  auto throng_side = make_throng_side(**node, with.town, with.bytes);
  if (!throng_side) return throng_side.failure();
  auto frame = (*throng_side)->sample_frame();
  if (!frame) return frame.failure();
  auto bare_side = make_bare_side(**bare, with.town, std::move(*frame));
  if (!bare_side) return bare_side.failure();

  rounds ours, theirs;
  for (std::size_t i = 0; i < with.rounds; ++i) {
    auto round = run_round(with, **throng_side);
    if (!round) return round.failure();
    auto limit = run_round(with, **bare_side);
    if (!limit) return limit.failure();
    ours.add(*round);
    theirs.add(*limit);
  }
  report.measured = ours.medians();
  report.yardstick = theirs.medians();
  auto ratio_of = [&](std::string_view name) { return *report.measured.find(name) / *report.yardstick.find(name); };
  report.ratio = ratio_of("cpu_us_per_delivery");
  report.measured.set("flood_cpu_ratio", ratio_of("flood_cpu_us_per_delivery"));
  report.ratio_says = "server CPU a paced delivery to that of the yardstick; lower is better, 1 is its limit";
  report.yardstick_says = "epoll and send() in one thread: the same frames to as many sockets, read by the same client";
  report.notes = {
      "CPU microseconds a delivery are CPU-seconds a million deliveries; Throng's hold the commits as well.",
      "Every member got every post once and in order, or this would have failed.",
      "On loopback the sender also pays for the receiver's TCP input.",
      "The yardstick joins what came for one channel, not for one socket: in a flood of many channels it is no limit."};
  return report;
}

}  // namespace throng
