// SPDX-License-Identifier: Apache-2.0
// idle: signs in so many people of one workspace, one websocket each, lets the node settle, and divides the growth of
// its resident memory. Everything a session makes the node hold is in it: socket, SESSION, USER, presence, its part of
// the workspace's directory and of #general. The yardstick is a process that only accepts such sockets.
#include <array>
#include <thread>

#include "tools/throngbench/bare_server.hpp"
#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/process_usage.hpp"
#include "tools/throngbench/served_node.hpp"
#include "tools/throngbench/socket_crowd.hpp"

namespace throng {

namespace {

constexpr std::array options{
    option_spec{"--sessions", "N", "connected sessions, each of another person", "2000"},
    option_spec{"--settle", "S", "seconds between the last sign-in and the measurement", "12"},
    option_spec{"--throngd", "PATH", "the program to measure; empty: throngd beside this one"},
    option_spec{"--folder", "PATH", "where its data goes; empty: the temporary folder"},
};

// Signed in before the first measurement, so that what is made once isn't counted.
constexpr std::size_t early = 16;
constexpr std::uint64_t spare_descriptors = 200;

result<> sign_in_all(const served_node& node, const town& people, std::size_t from, std::size_t to,
                     socket_crowd& crowd) {
  return in_parallel(node.client(), to - from, town_makers, [&](api_client& api, std::size_t i) -> result<> {
    auto opened = sign_in(api, people.tokens[from + i], source_of(from + i));
    if (!opened) return opened.failure();
    crowd.add(from + i, std::move(opened->socket), std::move(opened->received));
    return done;
  });
}

/// Bytes a socket of the bare server.
result<double> measure_bare(const bare_server& bare, std::size_t sessions, std::chrono::seconds settle) {
  std::vector<unique_fd> sockets;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < sessions; ++i) {
    if (i == early) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      before = resident_bytes(bare.process());
    }
    auto socket = bare.connect(static_cast<std::uint32_t>(i));
    if (!socket) return socket.failure();
    sockets.push_back(std::move(*socket));
  }
  std::this_thread::sleep_for(std::min(settle, std::chrono::seconds(3)));
  return static_cast<double>(resident_bytes(bare.process()) - before) / static_cast<double>(sessions - early);
}

}  // namespace

std::span<const option_spec> idle_options() { return options; }

result<bench_report> run_idle_bench(const command_line& line) {
  bench_report report;
  report.bench = "idle";
  number_reader number(line, report.params);
  const auto sessions = number("--sessions", early + 1, 19'000);
  const std::chrono::seconds settle(number("--settle", 1, 3'600));
  if (!number.outcome()) return number.outcome().failure();
  if (raise_descriptor_limit() < sessions + spare_descriptors)
    return error{errc::invalid_arguments, "the limit of descriptors (ulimit -n) is too low for so many sessions"};

  const town_plan plan{sessions, 1, 1};
  double bare_bytes = 0;
  {
    auto bare = bare_server::start(plan, -1);
    if (!bare) return bare.failure();
    auto measured = measure_bare(**bare, sessions, settle);
    if (!measured) return measured.failure();
    bare_bytes = *measured;
  }

  const auto program = line.text("--throngd");
  auto node = served_node::start({program.empty() ? throngd_beside() : program, line.text("--folder"), -1,
                                  "gateway: {connections_max: " + std::to_string(sessions + 100) + "}\n"});
  if (!node) return node.failure();
  auto people = make_town((*node)->client(), (*node)->admin_token(), plan);
  if (!people) return people.failure();
  // What making the town left in memory would hide what signing in takes.
  if (auto again = (*node)->restart(); !again) return again.failure();

  std::atomic<std::uint64_t> frames{0};
  socket_crowd crowd([&](std::size_t, std::string_view, std::int64_t) { ++frames; });
  if (auto first = sign_in_all(**node, *people, 0, early, crowd); !first) return first.failure();
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const auto process = (*node)->process();
  const auto memory = resident_bytes(process), cpu = cpu_ns(process), started = now_ns();
  if (auto rest = sign_in_all(**node, *people, early, sessions, crowd); !rest) return rest.failure();
  const auto sign_in_seconds = static_cast<double>(now_ns() - started) / 1e9;
  const auto sign_in_cpu = static_cast<double>(cpu_ns(process) - cpu) / 1e9;
  const auto peak = resident_bytes(process);
  const auto idle_cpu = cpu_ns(process);
  std::this_thread::sleep_for(settle);
  const auto settled = resident_bytes(process);
  const auto count = static_cast<double>(sessions - early);
  if (crowd.lost() > 0)
    return error{errc::service_unavailable, std::to_string(crowd.lost()) + " sockets were lost: " + crowd.first_loss()};

  report.measured.set("bytes_per_session", static_cast<double>(settled - memory) / count);
  report.measured.set("bytes_per_session_at_sign_in", static_cast<double>(peak - memory) / count);
  report.measured.set("rss_before_bytes", static_cast<double>(memory));
  report.measured.set("rss_after_bytes", static_cast<double>(settled));
  report.measured.set("sign_in_cpu_s_per_1000", sign_in_cpu / count * 1000);
  report.measured.set("sign_ins_per_s", count / sign_in_seconds);
  report.measured.set("idle_cpu_us_per_session_s", static_cast<double>(cpu_ns(process) - idle_cpu) / 1e3 / count /
                                                       static_cast<double>(settle.count()));
  report.yardstick.set("bytes_per_session", bare_bytes);
  report.ratio = bare_bytes > 0 ? *report.measured.find("bytes_per_session") / bare_bytes : 0;
  report.ratio_says = "resident bytes of a session to those of a bare socket; lower is better";
  report.yardstick_says = "a process that accepts as many sockets and watches them with epoll";
  report.notes = {
      "Only the process's own memory: the kernel holds about 8 KiB more for both ends of each socket.",
      "A sign-in is rtm.connect, the websocket and its hello. One round: memory doesn't jitter as time does."};
  return report;
}

}  // namespace throng
