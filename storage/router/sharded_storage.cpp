// SPDX-License-Identifier: Apache-2.0
#include "storage/router/sharded_storage.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

#include "config/log.hpp"
#include "storage/router/commit_router.hpp"
#include "storage/router/read_router.hpp"
#include "storage/router/scatter.hpp"
#include "storage/router/whole_store.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t scatters_max = 1000;  // under way; each has one job in every shard's queue

/// The parts, and the thread that takes new maps to them and looks after what waits for too long.
class routed_storage final : public sharded_storage {
 public:
  routed_storage(shard_directory& shards, const table_routes& routes, opener open, const options& how)
      : shards_(shards),
        routes_(routes),
        open_(std::move(open)),
        how_(how),
        pool_{how.readers, how.reads_waiting_max, how.coalesced_max, how.read_wait_max},
        reads_(tables_),
        commits_(routes_, how.lanes, how.commits, how.hold_max,
                 [this](ksid_t place, reader_pool::job work) { reads_.read_at(place, std::move(work)); }),
        whole_(commits_, tables_, shards_, routes_, how.hold_max),
        scatters_(scatters_max) {}

  ~routed_storage() override { routed_storage::stop(); }

  result<> open() {
    apply(shards_.current());
    auto opened = commits_.wait_until_open(steady_clock::now() + how_.start_patience);
    if (!opened) return opened;
    keeper_ = std::thread([this] { keep(); });
    pthread_setname_np(keeper_.native_handle(), "throng-shards");
    listening_ = shards_.listen([this](shard_directory::map_ptr) { look_at_the_map(); });
    look_at_the_map();  // it may have changed before
    return done;
  }

  commit_queue& commits() override { return commits_; }
  reader_pool& reads() override { return reads_; }
  store& whole() override { return whole_; }

  void scatter(shard_query query, milliseconds at_most,
               std::function<void(std::vector<shard_answer>, std::vector<std::string>)> done) override {
    scatters_.start(*tables_.current(), query, steady_clock::now() + at_most, std::move(done));
    wake();
  }

  std::vector<shard_figures> figures() const override {
    std::vector<shard_figures> all;
    for (const auto& entry : tables_.current()->shards) {
      auto commits = commits_.figures_of(entry.link->range());
      auto reads = entry.readers->read_figures();
      shard_figures one;
      one.shard = entry.link->name();
      one.primary = entry.link->record().primary;
      one.commits = commits.commits;
      one.held_units = commits.held_units;
      one.waiting_reads = reads.waiting;
      one.reads = reads.reads;
      one.coalesced_reads = reads.coalesced;
      one.refused_reads = reads.refused;
      one.commit_micros = commits.spent_micros;
      one.read_micros = reads.spent_micros;
      one.commit_latency = commits.latency;
      one.read_latency = reads.latency;
      all.push_back(std::move(one));
    }
    return all;
  }

  void stop() override {
    listening_.reset();
    {
      std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    { std::lock_guard applied(apply_mutex_); }
    commits_.stop();
    reads_.stop();  // those that wait for a shard that hangs are still refused in time: the keeper goes last
    {
      std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_one();
    if (keeper_.joinable()) keeper_.join();
    former_.clear();
  }

 private:
  bool is_stopping() {
    std::lock_guard lock(mutex_);
    return is_stopping_;
  }
  void look_at_the_map() {
    {
      std::lock_guard lock(mutex_);
      has_new_map_ = true;
    }
    changed_.notify_one();
  }
  void wake() {
    {
      std::lock_guard lock(mutex_);
      is_woken_ = true;
    }
    changed_.notify_one();
  }

  void keep() {
    const auto tick = std::clamp(how_.read_wait_max / 4, milliseconds(5), milliseconds(250));
    std::unique_lock lock(mutex_);
    while (!is_over_) {
      auto until = steady_clock::now() + tick;
      if (auto deadline = scatters_.next_deadline()) until = std::min(until, *deadline);
      changed_.wait_until(lock, until, [this] { return is_over_ || has_new_map_ || is_woken_; });
      is_woken_ = false;
      bool has_new_map = std::exchange(has_new_map_, false);
      lock.unlock();
      if (has_new_map) apply(shards_.current());
      auto now = steady_clock::now();
      for (const auto& entry : tables_.current()->shards) entry.readers->expire(now);
      scatters_.expire(now);
      commits_.reap();
      std::erase_if(former_, [](const auto& pool) { return pool->is_idle(); });
      lock.lock();
    }
  }

  /// The starting thread's, then the keeper's.
  void apply(const shard_directory::map_ptr& map) {
    std::lock_guard applied(apply_mutex_);
    auto former = tables_.current();
    if (former && (former->map == map || is_stopping())) return;
    auto next = std::make_shared<shard_table>();
    next->map = map;
    for (const auto& record : map->serving()) {
      const shard_table::entry* same = nullptr;
      if (former)
        for (const auto& entry : former->shards)
          if (entry.link->range() == record.range) same = &entry;
      if (same != nullptr) {
        same->link->update(record);
        next->shards.push_back(*same);
        continue;
      }
      auto link = std::make_shared<shard_link>(record, open_);
      next->shards.push_back({link, std::make_shared<read_pool>(link, tables_, routes_, pool_)});
    }
    tables_.set(next);
    commits_.apply(*next);
    if (!former) return;
    for (const auto& entry : former->shards) {
      bool stays = std::any_of(next->shards.begin(), next->shards.end(),
                               [&](const auto& one) { return one.link == entry.link; });
      if (stays) continue;
      log::info("shard {} serves no more", entry.link->name());
      for (auto& job : entry.readers->retire()) reads_.resend(std::move(job));
      former_.push_back(entry.readers);
    }
  }

  shard_directory& shards_;
  const table_routes routes_;
  const opener open_;
  const options how_;
  const read_pool::options pool_;
  shard_tables tables_;
  std::vector<std::shared_ptr<read_pool>> former_;  // retired; the keeper's
  read_router reads_;
  commit_router commits_;
  whole_store whole_;
  scatters scatters_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;  // takes no more maps
  bool is_over_ = false, has_new_map_ = false, is_woken_ = false;
  std::mutex apply_mutex_;  // one map at a time
  std::unique_ptr<topology_store::handle> listening_;
  std::thread keeper_;
};

}  // namespace

result<std::unique_ptr<sharded_storage>> sharded_storage::start(shard_directory& shards, const table_routes& routes,
                                                                opener open, const options& how) {
  auto made = std::make_unique<routed_storage>(shards, routes, std::move(open), how);
  auto opened = made->open();
  if (!opened) return opened.failure();
  return std::unique_ptr<sharded_storage>(std::move(made));
}

}  // namespace throng
