// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <thread>

#include "cluster/link/caf_links.hpp"
#include "tools/throngbench/links_sides.hpp"
#include "tools/throngbench/process_pair.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// The first byte of a parcel: what is only counted, and what is sent back.
constexpr char load = 'l', echo = 'e';
// As many as the yardstick has unacknowledged.
constexpr std::size_t waiting_max = 20'000;
constexpr auto patience = std::chrono::seconds(60);

node_identity identity(std::uint16_t node, std::uint16_t port) {
  return {{node}, 1, "node" + std::to_string(node), "127.0.0.1:" + std::to_string(port), "", ""};
}

result<std::unique_ptr<caf_links>> open_links(std::uint16_t node, const std::optional<tls_files>& tls,
                                              const link_window::limits& window) {
  caf_links_options with;
  with.self = identity(node, 0);
  with.tls = tls;
  with.window = window;
  return caf_links::open(std::move(with));
}

void receive(const links_plan& with, const std::function<void(std::uint16_t)>& tell_port) {
  auto links = open_links(1, with.receiver_tls, {});
  if (!links) return;
  (*links)->listen({[&](node_index from, std::string_view parcel) {
                      if (parcel.front() == echo) (void)(*links)->post(from, std::string(parcel));
                    },
                    [](const node_identity&, bool) {}, [](const node_identity&, std::vector<std::string>) {}});
  (*links)->set_peers({identity(2, 0)});
  tell_port((*links)->port());
  for (;;) ::pause();
}

/// The node that posts.
class sender {
 public:
  sender(const links_plan& with, const link_window::limits& window, std::uint16_t port)
      : with_(with), links_(open_links(2, with.sender_tls, window)) {
    if (!links_) return;
    (*links_)->listen({[this](node_index, std::string_view) { ++echoes_; },
                       [this](const node_identity&, bool is_up) { is_up_ = is_up; },
                       [](const node_identity&, std::vector<std::string>) {}});
    (*links_)->set_peers({identity(1, port)});
  }
  ~sender() {
    if (links_) (*links_)->stop();
  }

  bool is_ready() {
    return links_.ok() && wait_for([this] { return is_up_.load(); });
  }
  bool post(char kind) { return (*links_)->post({1}, std::string(with_.bytes, kind)); }
  /// Until it comes back; everything posted before has arrived then.
  bool round_trip() {
    const auto before = echoes_.load();
    return wait_for([this] { return post(echo); }) && wait_for([&] { return echoes_ != before; });
  }
  /// The same, with a thread that doesn't sleep.
  bool quick_round_trip() {
    const auto before = echoes_.load();
    if (!post(echo)) return false;
    const auto until = now_ns() + 1'000'000'000;
    while (echoes_ == before && now_ns() < until) std::this_thread::yield();
    return echoes_ != before;
  }

 private:
  template <class Condition>
  static bool wait_for(Condition holds) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(microseconds(50));
    }
    return true;
  }

  const links_plan& with_;
  result<std::unique_ptr<caf_links>> links_;
  std::atomic<bool> is_up_{false};
  std::atomic<std::uint64_t> echoes_{0};
};

const error failed{errc::service_unavailable, "the sender gave up"};

result<links_outcome> send(const links_plan& with, std::uint16_t port, pid_t receiver) {
  sender self(with, {.waiting_parcels_max = waiting_max}, port);
  if (!self.is_ready() || !self.round_trip()) return failed;
  links_outcome outcome;

  const auto cpu = cpu_ns(::getpid()) + cpu_ns(receiver), began = now_ns();
  const auto until = began + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  std::uint64_t posted = 0;
  while (now_ns() < until)
    for (int i = 0; i < 100; ++i) {
      if (self.post(load))
        ++posted;
      else
        std::this_thread::sleep_for(microseconds(200));
    }
  if (!self.round_trip()) return failed;
  const auto count = static_cast<double>(posted);
  outcome.envelopes_per_s = count * 1e9 / static_cast<double>(now_ns() - began);
  outcome.cpu_us = static_cast<double>(cpu_ns(::getpid()) + cpu_ns(receiver) - cpu) / 1e3 / count;

  std::vector<double> times;
  for (std::size_t i = 0; i < with.round_trips; ++i) {
    const auto start = now_ns();
    if (!self.quick_round_trip()) return failed;
    times.push_back(static_cast<double>(now_ns() - start) / 1e3);
  }
  std::ranges::sort(times);
  outcome.p50_us = times[times.size() / 2];
  outcome.p99_us = times[times.size() * 99 / 100];
  return outcome;
}

result<stopped_outcome> send_to_stopped(const links_plan& with, std::uint16_t port, pid_t receiver) {
  sender self(with, {}, port);
  if (!self.is_ready() || !self.round_trip()) return failed;
  stopped_outcome outcome;
  ::kill(receiver, SIGSTOP);
  const auto memory = resident_bytes(::getpid()), began = now_ns();
  std::uint64_t posted = 0;
  while (self.post(load)) ++posted;
  outcome.refused_after_ms = static_cast<double>(now_ns() - began) / 1e6;
  // What the network layer took counts too, and making room for more must not happen.
  for (const auto until = now_ns() + 1'000'000'000; now_ns() < until;) {
    if (self.post(load)) ++posted;
    std::this_thread::sleep_for(microseconds(50));
  }
  outcome.growth_mb = static_cast<double>(resident_bytes(::getpid()) - memory) / 1e6;
  outcome.waiting_mb = static_cast<double>(posted * with.bytes) / 1e6;
  const auto went_on = now_ns();
  ::kill(receiver, SIGCONT);
  if (!self.round_trip()) return failed;
  outcome.caught_up_ms = static_cast<double>(now_ns() - went_on) / 1e6;
  return outcome;
}

}  // namespace

result<links_outcome> measure_links(const links_plan& with) {
  return run_process_pair<links_outcome>([&](const auto& tell_port) { receive(with, tell_port); },
                                         [&](std::uint16_t port, pid_t other) { return send(with, port, other); });
}

result<stopped_outcome> measure_stopped_receiver(const links_plan& with) {
  return run_process_pair<stopped_outcome>(
      [&](const auto& tell_port) { receive(with, tell_port); },
      [&](std::uint16_t port, pid_t other) { return send_to_stopped(with, port, other); });
}

}  // namespace throng
