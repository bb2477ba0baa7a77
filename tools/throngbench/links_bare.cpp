// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <thread>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/send.hpp>
#include <caf/type_id.hpp>

#include "cluster/link/link_messages.hpp"
#include "tools/throngbench/links_sides.hpp"
#include "tools/throngbench/process_pair.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

struct bare_batch {
  std::vector<std::string> payloads;
  bool is_echoed = false;
};
struct bare_acknowledgement {
  std::uint64_t batches = 0;
};
struct bare_order {
  std::uint64_t until_ns = 0;  // 0: one payload, to be echoed
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, bare_batch& x) {
  return f(caf::meta::type_name("bare_batch"), x.payloads, x.is_echoed);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, bare_acknowledgement& x) {
  return f(caf::meta::type_name("bare_acknowledgement"), x.batches);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, bare_order& x) {
  return f(caf::meta::type_name("bare_order"), x.until_ns);
}

}  // namespace throng

CAF_BEGIN_TYPE_ID_BLOCK(throng_bench, caf::id_block::throng_link::end)
CAF_ADD_TYPE_ID(throng_bench, (throng::bare_batch))
CAF_ADD_TYPE_ID(throng_bench, (throng::bare_acknowledgement))
CAF_ADD_TYPE_ID(throng_bench, (throng::bare_order))
CAF_END_TYPE_ID_BLOCK(throng_bench)

namespace throng {

namespace {

constexpr std::size_t payloads_each = 100;
constexpr std::uint64_t unacknowledged_max = 200, acknowledge_every = 10;

struct bare_config : caf::actor_system_config {
  bare_config() {
    add_message_types<caf::id_block::throng_bench>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{2});
    set("scheduler.max-throughput", std::size_t{50});
    load<caf::io::middleman>();
    set("middleman.workers", std::size_t{0});
  }
};

void receive(const std::function<void(std::uint16_t)>& tell_port) {
  bare_config config;
  caf::actor_system system(config);
  auto counter = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self, batches = std::uint64_t{0}](const bare_batch& batch) mutable {
      auto sender = caf::actor_cast<caf::actor>(self->current_sender());
      if (batch.is_echoed)
        self->send(sender, batch);
      else if (++batches % acknowledge_every == 0)
        self->send(sender, bare_acknowledgement{batches});
    }};
  });
  auto port = system.middleman().publish(counter, 0, "127.0.0.1");
  if (port) tell_port(*port);
  for (;;) ::pause();
}

/// What the sending actor and the measuring thread share.
struct progress {
  std::atomic<std::uint64_t> sent{0}, acknowledged{0}, echoes{0};
  std::atomic<bool> is_over{false};
};

caf::behavior bare_sender(caf::event_based_actor* self, const caf::actor& to, const links_plan& with,
                          progress& so_far) {
  auto until = std::make_shared<std::int64_t>(0);
  auto go_on = [=, &so_far, &with] {
    while (so_far.sent - so_far.acknowledged < unacknowledged_max) {
      if (now_ns() >= *until) {
        so_far.is_over = true;
        return;
      }
      bare_batch batch;
      batch.payloads.reserve(payloads_each);
      for (std::size_t i = 0; i < payloads_each; ++i) batch.payloads.emplace_back(with.bytes, 'l');
      self->send(to, std::move(batch));
      ++so_far.sent;
    }
  };
  return {[=, &with](const bare_order& order) {
            if (order.until_ns == 0) return self->send(to, bare_batch{{std::string(with.bytes, 'e')}, true});
            *until = static_cast<std::int64_t>(order.until_ns);
            go_on();
          },
          [=, &so_far](const bare_acknowledgement& a) {
            so_far.acknowledged = a.batches;
            go_on();
          },
          [&so_far](const bare_batch&) { ++so_far.echoes; }};
}

bool echo(const caf::actor& sender, progress& so_far) {
  const auto before = so_far.echoes.load();
  caf::anon_send(sender, bare_order{});
  const auto until = now_ns() + 10'000'000'000;
  while (so_far.echoes == before && now_ns() < until) std::this_thread::yield();
  return so_far.echoes != before;
}

result<links_outcome> send(const links_plan& with, std::uint16_t port, pid_t receiver) {
  const error failed{errc::service_unavailable, "the bare sender gave up"};
  // Without an end: the process exits when it has told the outcome.
  auto* config = new bare_config;
  (void)caf::node_id::default_data::local(*config);
  auto* system = new caf::actor_system(*config);
  auto to = system->middleman().remote_actor("127.0.0.1", port);
  if (!to) return failed;
  auto* so_far = new progress;
  auto sender = system->spawn(
      [&with, so_far, to = *to](caf::event_based_actor* self) { return bare_sender(self, to, with, *so_far); });
  if (!echo(sender, *so_far)) return failed;
  links_outcome outcome;

  const auto cpu = cpu_ns(::getpid()) + cpu_ns(receiver), began = now_ns();
  const auto until = began + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  caf::anon_send(sender, bare_order{static_cast<std::uint64_t>(until)});
  while (!so_far->is_over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (!echo(sender, *so_far)) return failed;  // behind all batches
  const auto count = static_cast<double>(so_far->sent * payloads_each);
  outcome.envelopes_per_s = count * 1e9 / static_cast<double>(now_ns() - began);
  outcome.cpu_us = static_cast<double>(cpu_ns(::getpid()) + cpu_ns(receiver) - cpu) / 1e3 / count;

  std::vector<double> times;
  for (std::size_t i = 0; i < with.round_trips; ++i) {
    const auto start = now_ns();
    if (!echo(sender, *so_far)) return failed;
    times.push_back(static_cast<double>(now_ns() - start) / 1e3);
  }
  std::ranges::sort(times);
  outcome.p50_us = times[times.size() / 2];
  outcome.p99_us = times[times.size() * 99 / 100];
  return outcome;
}

}  // namespace

result<links_outcome> measure_bare_batches(const links_plan& with) {
  return run_process_pair<links_outcome>([](const auto& tell_port) { receive(tell_port); },
                                         [&](std::uint16_t port, pid_t other) { return send(with, port, other); });
}

}  // namespace throng
