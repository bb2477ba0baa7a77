// SPDX-License-Identifier: Apache-2.0
#include "storage/router/read_pool.hpp"

#include <algorithm>
#include <iterator>
#include <pthread.h>
#include <utility>

#include "storage/model/assert.hpp"
#include "storage/router/coalescing_reader.hpp"
#include "storage/router/routed_reader.hpp"

namespace throng {

using std::chrono::steady_clock;

void run_read(read_job& job, store_reader* reader, errc refused) noexcept {
  job.work(reader, refused);
  job.work = nullptr;  // what it captured goes before the next one is called
}

read_pool::read_pool(std::shared_ptr<shard_link> link, const shard_tables& tables, const table_routes& routes,
                     const options& how)
    : link_(std::move(link)), tables_(tables), routes_(routes), how_(how) {
  THRONG_ASSERT(how.threads > 0 && how.coalesced_max > 0);
  serving_ = how.threads;
  for (unsigned i = 0; i < how.threads; ++i) {
    threads_.emplace_back([this] { serve(); });
    pthread_setname_np(threads_.back().native_handle(), ("throng-read-" + link_->name()).substr(0, 15).c_str());
  }
}

read_pool::~read_pool() { stop(); }

bool read_pool::read(read_job& job) {
  std::optional<errc> refused;
  {
    std::lock_guard lock(mutex_);
    if (is_retired_) return false;
    refused = add(job);
  }
  if (refused)
    run_read(job, nullptr, *refused);
  else
    changed_.notify_one();
  return true;
}

std::optional<errc> read_pool::add(read_job& job) {
  if (is_stopping_ || figures_.waiting >= how_.waiting_max) {
    ++figures_.refused;
    return is_stopping_ ? errc::stopping : errc::overloaded;
  }
  ++figures_.waiting;
  auto joins = job.is_local ? joinable_.end() : joinable_.find(job.near);
  if (joins == joinable_.end()) {
    group alone{job.near, job.is_local, {}};
    alone.jobs.push_back(std::move(job));
    waiting_.push_back(std::move(alone));
    if (!waiting_.back().is_local && how_.coalesced_max > 1)
      joinable_[waiting_.back().near] = std::prev(waiting_.end());
    return std::nullopt;
  }
  auto& jobs = joins->second->jobs;
  jobs.push_back(std::move(job));
  if (jobs.size() >= how_.coalesced_max) joinable_.erase(joins);
  return std::nullopt;
}

read_pool::group read_pool::take() {
  auto oldest = std::move(waiting_.front());
  if (auto joins = joinable_.find(oldest.near); joins != joinable_.end() && joins->second == waiting_.begin())
    joinable_.erase(joins);
  waiting_.pop_front();
  figures_.waiting -= oldest.jobs.size();
  return oldest;
}

void read_pool::expire(steady_time now) {
  std::vector<read_job> expired;
  {
    std::lock_guard lock(mutex_);
    auto is_late = [&](const read_job& job) { return job.since + how_.wait_max <= now; };
    while (!waiting_.empty() && is_late(waiting_.front().jobs.front())) {
      auto& jobs = waiting_.front().jobs;
      auto in_time = std::find_if_not(jobs.begin(), jobs.end(), is_late);
      std::move(jobs.begin(), in_time, std::back_inserter(expired));
      if (in_time == jobs.end()) {
        take();
        continue;
      }
      figures_.waiting -= static_cast<std::size_t>(in_time - jobs.begin());
      jobs.erase(jobs.begin(), in_time);
    }
    figures_.refused += expired.size();
  }
  for (auto& job : expired) run_read(job, nullptr, errc::overloaded);
}

std::vector<read_job> read_pool::retire() {
  std::vector<read_job> left;
  {
    std::lock_guard lock(mutex_);
    is_retired_ = is_stopping_ = true;
    while (!waiting_.empty())
      for (auto& job : take().jobs) left.push_back(std::move(job));
  }
  changed_.notify_all();
  return left;
}

void read_pool::stop() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  std::call_once(joined_, [this] {
    for (auto& thread : threads_) thread.join();
  });
}

bool read_pool::is_idle() const {
  std::lock_guard lock(mutex_);
  return serving_ == 0;
}

read_pool::figures read_pool::read_figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

void read_pool::serve() {
  routed_reader rows(tables_, routes_);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !waiting_.empty() || is_stopping_; });
    if (waiting_.empty()) break;
    auto work = take();
    lock.unlock();

    auto began = steady_clock::now();
    std::vector<steady_clock::duration> took;
    took.reserve(work.jobs.size());
    auto run = [&](store_reader* reader, errc refused, read_job& job) {
      auto since = job.since;
      run_read(job, reader, refused);
      took.push_back(steady_clock::now() - since);
    };
    auto own = rows.of(link_);
    if (!own) {
      for (auto& job : work.jobs) run(nullptr, errc::service_unavailable, job);
    } else if (work.is_local) {
      for (auto& job : work.jobs) run(*own, errc{}, job);
    } else if (work.jobs.size() == 1) {
      run(&rows, errc{}, work.jobs.front());
    } else {
      coalescing_reader shared(rows);
      for (auto& job : work.jobs) {
        shared.begin_job();
        run(&shared, errc{}, job);
      }
    }
    auto spent = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began).count();

    lock.lock();
    if (own) {
      figures_.reads += work.jobs.size();
      figures_.coalesced += work.jobs.size() - 1;
    } else {
      figures_.refused += work.jobs.size();
    }
    figures_.spent_micros += static_cast<std::uint64_t>(spent);
    for (auto one : took) figures_.latency.add(one);
  }
  --serving_;
}

}  // namespace throng
