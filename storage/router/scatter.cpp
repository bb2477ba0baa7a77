// SPDX-License-Identifier: Apache-2.0
#include "storage/router/scatter.hpp"

#include <utility>

#include "storage/router/read_pool.hpp"

namespace throng {

/// One scatter. It lives as long as a shard has its job, so that who answers too late finds it.
class scatters::call {
 public:
  call(const shard_table& table, gathered done) : done_(std::move(done)) {
    for (const auto& entry : table.shards) answers_.push_back({entry.link->name(), {}, nullptr});
    is_answered_.resize(answers_.size());
    missing_ = answers_.size();
  }

  void add(std::size_t shard, errc refused, std::shared_ptr<void> value) {
    std::unique_lock lock(mutex_);
    if (!done_) return;  // too late
    answers_[shard].refused = refused;
    answers_[shard].value = std::move(value);
    is_answered_[shard] = true;
    if (--missing_ == 0) conclude(lock);
  }
  void end() {
    std::unique_lock lock(mutex_);
    if (done_) conclude(lock);
  }

 private:
  void conclude(std::unique_lock<std::mutex>& lock) {
    std::vector<sharded_storage::shard_answer> answers;
    std::vector<std::string> missing;
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      if (is_answered_[i])
        answers.push_back(std::move(answers_[i]));
      else
        missing.push_back(std::move(answers_[i].shard));
    }
    auto done = std::exchange(done_, nullptr);
    lock.unlock();
    done(std::move(answers), std::move(missing));
  }

  std::mutex mutex_;
  std::vector<sharded_storage::shard_answer> answers_;
  std::vector<bool> is_answered_;
  std::size_t missing_ = 0;
  gathered done_;  // null: it was called
};

void scatters::start(const shard_table& table, const sharded_storage::shard_query& query, steady_time deadline,
                     gathered done) {
  auto one = std::make_shared<call>(table, std::move(done));
  bool is_full = false;
  {
    std::lock_guard lock(mutex_);
    if (under_way_.size() >= count_max_) clean();
    is_full = under_way_.size() >= count_max_;
    if (!is_full) under_way_.emplace(deadline, one);
  }
  for (std::size_t i = 0; i < table.shards.size(); ++i) {
    const auto& entry = table.shards[i];
    if (is_full) {
      one->add(i, errc::overloaded, nullptr);
      continue;
    }
    read_job job;
    job.near = entry.link->range().begin;
    job.is_local = true;
    job.since = std::chrono::steady_clock::now();
    job.work = [one, i, query](store_reader* reader, errc refused) {
      auto value = reader != nullptr ? query(*reader) : nullptr;
      one->add(i, refused, std::move(value));
    };
    // A range that went at this moment counts as one that was away: the caller may ask again.
    if (!entry.readers->read(job)) one->add(i, errc::wrong_owner, nullptr);
  }
}

void scatters::clean() {
  std::erase_if(under_way_, [](const auto& one) { return one.second.expired(); });
}

void scatters::expire(steady_time now) {
  std::vector<std::shared_ptr<call>> over;
  {
    std::lock_guard lock(mutex_);
    auto in_time = under_way_.upper_bound(now);
    for (auto one = under_way_.begin(); one != in_time; ++one)
      if (auto alive = one->second.lock()) over.push_back(std::move(alive));
    under_way_.erase(under_way_.begin(), in_time);
  }
  for (auto& one : over) one->end();
}

std::optional<steady_time> scatters::next_deadline() const {
  std::lock_guard lock(mutex_);
  if (under_way_.empty()) return std::nullopt;
  return under_way_.begin()->first;
}

}  // namespace throng
