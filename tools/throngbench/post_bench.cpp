// SPDX-License-Identifier: Apache-2.0
// post: asks CHANNELs of a node in this process to post, on a fresh SQLite file, with so many asks outstanding. The
// yardstick writes the same rows, with the batch size that was observed, into a fresh file by store.commit() alone.
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unistd.h>

#include "actors/channel/channel.hpp"
#include "cluster/node.hpp"
#include "cluster/slot_table.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/process_usage.hpp"
#include "tools/throngbench/served_node.hpp"

namespace throng {

namespace {

constexpr std::array options{
    option_spec{"--seconds", "N", "how long each round measures", "5"},
    option_spec{"--rounds", "N", "rounds, each with its yardstick", "3"},
    option_spec{"--outstanding", "N", "posts asked and not yet answered", "64"},
    option_spec{"--channels", "N", "channels that are posted to in turn", "1000"},
    option_spec{"--bytes", "N", "length of a post's text", "200"},
    option_spec{"--folder", "PATH", "where the files are made; empty: the temporary folder"},
};

struct plan {
  std::size_t seconds, rounds, outstanding, channels, bytes;
  std::string folder;
};

constexpr team_id team{1};
constexpr user_id poster{7};

channel_id channel_at(std::size_t i) { return make_channel_id((i + 1) * 0x9E3779B97F4A7C15ULL, channel_kind::channel); }

/// A store whose slots are all taken for epoch 1.
result<std::unique_ptr<store>> fresh_store(const scratch_folder& folder, const slot_table& table) {
  auto rows = open_sqlite_store(folder.path() / "throng.db");
  if (!rows) return rows.failure();
  if (auto raised = (*rows)->raise_fences(table.fences_of({1})); !raised) return raised.failure();
  return rows;
}

/// Channels as they would be if the poster had made them.
result<> add_channels(store& rows, const plan& with) {
  std::vector<commit_unit> units;
  for (std::size_t i = 0; i < with.channels; ++i) {
    const auto id = channel_at(i);
    ChannelData data;
    data.set_id(id.value);
    data.set_team(team.value);
    data.set_name("bench-" + std::to_string(i));
    data.set_creator(poster.value);
    commit_unit unit{{slot_of(key_of(id)), 1}, {}};
    unit.ops.push_back(put_channel{{id, team, data.SerializeAsString()}});
    unit.ops.push_back(put_member{{id, poster, {}}});
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
  poster_crowd(region& door, const plan& with) : door_(door), plan_(with), lanes_(with.outstanding) {
    PostRequest request;
    request.mutable_caller()->set_team(team.value);
    request.mutable_caller()->set_user(poster.value);
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
    door_.ask_raw(key_of(channel_at(number % plan_.channels)), request_, std::chrono::seconds(20),
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
  const plan& plan_;
  message_ptr request_;
  std::vector<lane> lanes_;
  std::atomic<std::size_t> asked_{0}, limit_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  result<> failure_ = done;
};

struct observed {
  figures round;
  std::size_t units_per_batch = 1;
  message_record row;  // as one of the posts was stored
};

result<observed> measure_posts(const plan& with) {
  auto folder = scratch_folder::make(with.folder);
  if (!folder) return folder.failure();
  auto table = std::make_shared<slot_table>(slot_table::single_node({1}, {}));
  auto rows = fresh_store(*folder, *table);
  if (!rows) return rows.failure();
  if (auto added = add_channels(**rows, with); !added) return added.failure();
  auto commits = make_threaded_commit_queue(**rows, {});
  auto readers = make_reader_pool(**rows, 2, 100'000);
  node::parts parts{node_index{1}, {}, table, system_time(), *commits, *readers};
  auto process = node::start(std::move(parts), {{entity_kind::channel, make_channel_factory({})}});

  observed seen;
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
  auto stored = (*rows)->make_reader()->messages(channel_at(0), newest);
  if (!stored) return stored.failure();
  if (stored->empty()) return error{errc::internal_error, "no post was stored"};
  seen.row = std::move(stored->front());
  return seen;
}

/// The same rows, without anything that is Throng's but the store.
result<figures> measure_inserts(const plan& with, std::size_t batch, message_record row) {
  auto folder = scratch_folder::make(with.folder);
  if (!folder) return folder.failure();
  const auto table = slot_table::single_node({1}, {});
  auto rows = fresh_store(*folder, table);
  if (!rows) return rows.failure();

  latency_histogram batches;
  std::vector<commit_unit> units;
  std::size_t written = 0;
  const auto started = now_ns(), cpu = cpu_ns(::getpid());
  const auto end = started + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  while (now_ns() < end) {
    const auto before = now_ns();
    units.clear();
    for (std::size_t i = 0; i < batch; ++i, ++written) {
      row.channel = channel_at(written % with.channels);
      ++row.ts.micros;
      row.seq = written / with.channels + 1;
      commit_unit unit{{slot_of(key_of(row.channel)), 1}, {}};
      unit.ops.push_back(insert_message{row});
      units.push_back(std::move(unit));
    }
    auto outcomes = (*rows)->commit(units);
    if (!outcomes) return outcomes.failure();
    for (const auto& each : *outcomes)
      if (!each) return each.failure();
    batches.add(now_ns() - before);
  }
  const auto seconds = static_cast<double>(now_ns() - started) / 1e9;
  const auto cpu_us = static_cast<double>(cpu_ns(::getpid()) - cpu) / 1e3;
  figures round;
  round.set("posts_per_s", static_cast<double>(written) / seconds);
  round.set("cpu_us_per_post", cpu_us / static_cast<double>(written));
  round.set("p50_ms", batches.percentile_ms(0.50));
  round.set("p99_ms", batches.percentile_ms(0.99));
  round.set("units_per_batch", static_cast<double>(batch));
  return round;
}

}  // namespace

std::span<const option_spec> post_options() { return options; }

result<bench_report> run_post_bench(const command_line& line) {
  bench_report report;
  report.bench = "post";
  number_reader number(line, report.params);
  plan with;
  with.seconds = number("--seconds", 1, 600);
  with.rounds = number("--rounds", 1, 100);
  with.outstanding = number("--outstanding", 1, 10'000);
  with.channels = number("--channels", 1, 100'000);
  with.bytes = number("--bytes", 1, 40'000);
  with.folder = line.text("--folder");
  if (!number.outcome()) return number.outcome().failure();

  rounds ours, theirs;
  for (std::size_t i = 0; i < with.rounds; ++i) {
    auto posts = measure_posts(with);
    if (!posts) return posts.failure();
    auto inserts = measure_inserts(with, posts->units_per_batch, std::move(posts->row));
    if (!inserts) return inserts.failure();
    ours.add(posts->round);
    theirs.add(*inserts);
  }
  report.measured = ours.medians();
  report.yardstick = theirs.medians();
  report.ratio = *report.measured.find("posts_per_s") / *report.yardstick.find("posts_per_s");
  report.ratio_says = "posts a second to those of the yardstick; higher is better, 1 is its limit";
  report.yardstick_says =
      "store.commit() of the same rows with the observed batch size; its p50 and p99 are of a batch";
  report.notes = {"Both wait for the disk at each commit. CPU is that of the whole process, with the asking side."};
  return report;
}

}  // namespace throng
