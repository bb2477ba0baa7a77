// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "actors/channel/channel.hpp"
#include "cluster/node.hpp"
#include "cluster/slot_table.hpp"
#include "tools/throngbench/ask_crowd.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

message_ptr make_post(const post_plan& with) {
  PostRequest request;
  request.mutable_caller()->set_team(bench_team.value);
  request.mutable_caller()->set_user(bench_poster.value);
  request.mutable_data()->set_text(std::string(with.bytes, 'x'));
  return share(std::move(request));
}

/// Asks at a rate, however long answers take; latencies count from when a post was due, so that none hides behind a
/// late one.
class paced_poster {
 public:
  paced_poster(region& door, const post_plan& with, double posts_per_s)
      : door_(door), plan_(with), request_(make_post(with)), rate_(posts_per_s) {}

  result<> run() {
    const auto started = now_ns();
    const auto count = static_cast<std::size_t>(rate_ * static_cast<double>(plan_.seconds));
    left_ = count;
    for (std::size_t number = 0; number < count;) {
      const auto due_now = static_cast<std::size_t>(static_cast<double>(now_ns() - started) / 1e9 * rate_);
      for (; number <= due_now && number < count; ++number)
        ask(number, started + static_cast<std::int64_t>(static_cast<double>(number) / rate_ * 1e9));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return left_ == 0; });
    return outcome_;
  }
  const latency_histogram& latencies() const { return latencies_; }

 private:
  void ask(std::size_t number, std::int64_t due) {
    door_.ask_raw(key_of(bench_channel(number % plan_.channels)), request_, std::chrono::seconds(20),
                  [this, due](result<message_ptr> answer) {
                    std::lock_guard lock(mutex_);
                    latencies_.add(now_ns() - due);
                    if (!answer && outcome_) outcome_ = answer.failure();
                    if (--left_ == 0) ended_.notify_all();
                  });
  }

  region& door_;
  const post_plan& plan_;
  const message_ptr request_;
  const double rate_;
  std::mutex mutex_;
  std::condition_variable ended_;
  latency_histogram latencies_;
  std::size_t left_ = 0;
  result<> outcome_ = done;
};

/// The figures of full load, and how many posts a second that is.
result<double> measure_full_load(region& door, const post_plan& with, bench_storage& storage, post_round& seen) {
  ask_crowd crowd(door, make_post(with), with.channels, with.outstanding);
  auto outcome = crowd.run(with.channels * 2);  // wakes every CHANNEL
  crowd.forget();
  const usage_so_far before(storage);
  const auto batches_before = storage.commits().read_figures();
  std::thread timer([&] {
    std::this_thread::sleep_for(std::chrono::seconds(with.seconds));
    crowd.stop();
  });
  if (outcome) outcome = crowd.run(0);
  timer.join();
  if (!outcome) return outcome.failure();
  const usage_so_far after(storage);
  const auto batches_after = storage.commits().read_figures();
  const auto latencies = crowd.latencies();
  const auto posts = latencies.count();
  const auto batch = static_cast<double>(batches_after.units - batches_before.units) /
                     static_cast<double>(std::max<std::uint64_t>(1, batches_after.batches - batches_before.batches));
  seen.units_per_batch = static_cast<std::size_t>(batch + 0.5);
  const auto per_s = after.note(before, posts, "post", seen.round);
  seen.round.set("p50_ms", latencies.percentile_ms(0.50));
  seen.round.set("p99_ms", latencies.percentile_ms(0.99));
  seen.round.set("units_per_batch", batch);
  return per_s;
}

result<> measure_half_load(region& door, const post_plan& with, double full_per_s, post_round& seen) {
  paced_poster poster(door, with, full_per_s / 2);
  auto outcome = poster.run();
  if (!outcome) return outcome;
  seen.round.set("half_load_p50_ms", poster.latencies().percentile_ms(0.50));
  seen.round.set("half_load_p99_ms", poster.latencies().percentile_ms(0.99));
  return done;
}

}  // namespace

result<> add_bench_channels(store& in, std::size_t count) {
  std::vector<commit_unit> units;
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = bench_channel(i);
    ChannelData data;
    data.set_id(id.value);
    data.set_team(bench_team.value);
    data.set_name("bench-" + std::to_string(i));
    data.set_creator(bench_poster.value);
    commit_unit unit{{slot_of(key_of(id)), 1}, {}};
    unit.ops.push_back(put_channel{{id, bench_team, data.SerializeAsString()}});
    unit.ops.push_back(put_member{{id, bench_poster, {}}});
    units.push_back(std::move(unit));
  }
  auto outcomes = in.commit(units);
  if (!outcomes) return outcomes.failure();
  for (const auto& each : *outcomes)
    if (!each) return each.failure();
  return done;
}

result<post_round> measure_node_posts(const post_plan& with, bench_storage& storage) {
  if (auto ready = storage.empty(); !ready) return ready.failure();
  if (auto ready = storage.open(); !ready) return ready.failure();
  if (auto added = add_bench_channels(storage.whole(), with.channels); !added) return added.failure();
  auto table = std::make_shared<slot_table>(slot_table::single_node({1}, {}));
  node_options options;
  options.threads = with.threads;
  node::parts parts{node_index{1}, options, table, system_time(), storage.commits(), storage.reads()};
  auto process = node::start(std::move(parts), {{entity_kind::channel, make_channel_factory({})}});
  post_round seen;
  auto per_s = measure_full_load(process->door(), with, storage, seen);
  result<> outcome = done;
  if (per_s)
    outcome = measure_half_load(process->door(), with, *per_s, seen);
  else
    outcome = per_s.failure();
  process->stop();
  if (!outcome) return outcome.failure();

  store_reader::message_range newest;
  newest.count_max = 1;
  auto stored = storage.whole().make_reader()->messages(bench_channel(0), newest);
  if (!stored) return stored.failure();
  if (stored->empty()) return error{errc::internal_error, "no post was stored"};
  seen.row = std::move(stored->front());
  storage.close();
  return seen;
}

}  // namespace throng
