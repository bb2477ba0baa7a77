// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "actors/channel/channel.hpp"
#include "cluster/node.hpp"
#include "cluster/slot_table.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

/// Channels as they would be if the poster had made them.
result<> add_channels(store& rows, const post_plan& with) {
  std::vector<commit_unit> units;
  for (std::size_t i = 0; i < with.channels; ++i) {
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
  auto outcomes = rows.commit(units);
  if (!outcomes) return outcomes.failure();
  for (const auto& each : *outcomes)
    if (!each) return each.failure();
  return done;
}

/// Keeps so many asks outstanding: each answer asks the next post.
class poster_crowd {
 public:
  poster_crowd(region& door, const post_plan& with) : door_(door), plan_(with), lanes_(with.outstanding) {
    PostRequest request;
    request.mutable_caller()->set_team(bench_team.value);
    request.mutable_caller()->set_user(bench_poster.value);
    request.mutable_data()->set_text(std::string(with.bytes, 'x'));
    request_ = share(std::move(request));
  }

  /// Posts `count` times, or until stop() if it is 0, and returns when all are answered.
  result<> run(std::size_t count) {
    limit_ = count == 0 ? ~std::size_t{0} : count;
    asked_ = 0;
    running_ = lanes_.size();
    for (auto& lane : lanes_) next(lane);
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
    return failure_;
  }
  void stop() { limit_ = 0; }

  latency_histogram latencies() const {
    latency_histogram all;
    for (const auto& lane : lanes_)
      for (auto ns : lane.latencies) all.add(ns);
    return all;
  }
  void forget() {
    for (auto& lane : lanes_) lane.latencies.clear();
  }

 private:
  struct lane {  // one ask after the other, so its members need no lock
    std::int64_t started = 0;
    std::vector<std::int64_t> latencies;
  };

  void next(lane& own) {
    const auto number = asked_.fetch_add(1);
    if (number >= limit_) return end(done);
    own.started = now_ns();
    door_.ask_raw(key_of(bench_channel(number % plan_.channels)), request_, std::chrono::seconds(20),
                  [this, &own](result<message_ptr> answer) {
                    if (!answer) return end(answer.failure());
                    own.latencies.push_back(now_ns() - own.started);
                    next(own);
                  });
  }
  void end(result<> outcome) {
    std::lock_guard lock(mutex_);
    if (!outcome && failure_) failure_ = outcome.failure();
    if (--running_ == 0) ended_.notify_all();
  }

  region& door_;
  const post_plan& plan_;
  message_ptr request_;
  std::vector<lane> lanes_;
  std::atomic<std::size_t> asked_{0}, limit_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  result<> failure_ = done;
};

}  // namespace

result<post_round> measure_node_posts(const post_plan& with) {
  auto folder = scratch_folder::make(with.folder);
  if (!folder) return folder.failure();
  auto table = std::make_shared<slot_table>(slot_table::single_node({1}, {}));
  auto rows = make_bench_store(*folder);
  if (!rows) return rows.failure();
  if (auto added = add_channels(**rows, with); !added) return added.failure();
  auto commits = make_threaded_commit_queue(**rows, {});
  auto readers = make_reader_pool(**rows, 2, 100'000);
  node::parts parts{node_index{1}, {}, table, system_time(), *commits, *readers};
  auto process = node::start(std::move(parts), {{entity_kind::channel, make_channel_factory({})}});

  post_round seen;
  result<> outcome = done;
  {
    poster_crowd crowd(process->door(), with);
    outcome = crowd.run(with.channels * 2);  // wakes every CHANNEL
    crowd.forget();
    const auto before = commits->read_figures();
    const auto started = now_ns(), cpu = cpu_ns(::getpid());
    std::thread timer([&] {
      std::this_thread::sleep_for(std::chrono::seconds(with.seconds));
      crowd.stop();
    });
    if (outcome) outcome = crowd.run(0);
    timer.join();
    const auto seconds = static_cast<double>(now_ns() - started) / 1e9;
    const auto cpu_us = static_cast<double>(cpu_ns(::getpid()) - cpu) / 1e3;
    const auto after = commits->read_figures();
    const auto latencies = crowd.latencies();
    const auto posts = static_cast<double>(latencies.count());
    const auto batch = static_cast<double>(after.units - before.units) /
                       static_cast<double>(std::max<std::uint64_t>(1, after.batches - before.batches));
    seen.units_per_batch = static_cast<std::size_t>(batch + 0.5);
    seen.round.set("posts_per_s", posts / seconds);
    seen.round.set("cpu_us_per_post", cpu_us / std::max(1.0, posts));
    seen.round.set("p50_ms", latencies.percentile_ms(0.50));
    seen.round.set("p99_ms", latencies.percentile_ms(0.99));
    seen.round.set("units_per_batch", batch);
    process->stop();
  }
  commits->stop();
  readers->stop();
  if (!outcome) return outcome.failure();
  store_reader::message_range newest;
  newest.count_max = 1;
  auto stored = (*rows)->make_reader()->messages(bench_channel(0), newest);
  if (!stored) return stored.failure();
  if (stored->empty()) return error{errc::internal_error, "no post was stored"};
  seen.row = std::move(stored->front());
  return seen;
}

}  // namespace throng
