// SPDX-License-Identifier: Apache-2.0
// Shards in memory, for tests of what the router does around them: they can be frozen as a reshard freezes them, hang
// until they are let go, and fail; and they check what they are given: each channel's posts in order, each once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/router/sharded_storage.hpp"
#include "tests/support/empty_reader.hpp"
#include "tests/unit/storage/router/sharded_harness.hpp"

namespace throng {

class fake_shards {
 public:
  struct shard {
    bool is_frozen = false, hangs = false;
    std::optional<error> failure;                                     // of commits, of fences
    std::size_t failed_opens = 0, opens = 0, commits = 0, reads = 0;  // begun
    std::size_t hanging = 0;                                          // calls that hang now
    std::vector<std::size_t> batches;                                 // their sizes
  };

  sharded_storage::opener opener() {
    return [this](const shard_record& record) -> result<std::unique_ptr<store>> {
      std::lock_guard lock(mutex_);
      if (open_failure_) {
        ++shards_[record.name()].failed_opens;
        changed_.notify_all();
        return *open_failure_;
      }
      ++shards_[record.name()].opens;
      changed_.notify_all();
      return std::unique_ptr<store>(std::make_unique<fake_store>(*this, record.name()));
    };
  }

  /// Changes a shard and wakes what hangs there.
  template <class Change>
  void set(const std::string& name, Change change) {
    std::lock_guard lock(mutex_);
    change(shards_[name]);
    changed_.notify_all();
  }
  void freeze(const std::string& name, bool is_frozen = true) {
    set(name, [&](shard& one) { one.is_frozen = is_frozen; });
  }
  void hang(const std::string& name, bool hangs = true) {
    set(name, [&](shard& one) { one.hangs = hangs; });
  }
  void fail_to_open(std::optional<error> why) {
    std::lock_guard lock(mutex_);
    open_failure_ = std::move(why);
  }
  shard look(const std::string& name) {
    std::lock_guard lock(mutex_);
    return shards_[name];
  }
  /// Whether it came true in time.
  bool wait_until(const std::function<bool(std::map<std::string, shard>&)>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return condition(shards_); });
  }
  bool wait_until_hanging(const std::string& name, std::size_t calls = 1) {
    return wait_until([&](auto& all) { return all[name].hanging >= calls; });
  }

  /// The seqs that were committed of a channel, wherever, in the order of their commits.
  std::vector<seq_t> posts_of(channel_id channel) {
    std::lock_guard lock(mutex_);
    return posts_[channel];
  }
  /// By shard name.
  std::map<std::string, std::set<seq_t>> places_of(channel_id channel) {
    std::lock_guard lock(mutex_);
    return places_[channel];
  }

 private:
  class fake_reader final : public empty_reader {
   public:
    fake_reader(fake_shards& all, std::string name) : all_(all), name_(std::move(name)) {}
    /// Its `data` says which shard answered, and how many reads that one had had.
    result<channel_record> channel(channel_id id) override {
      std::unique_lock lock(all_.mutex_);
      auto number = ++all_.shards_[name_].reads;
      all_.changed_.notify_all();
      all_.wait_while_hanging(lock, name_);
      return channel_record{id, {1}, name_ + " " + std::to_string(number)};
    }
    result<user_record> user(user_id id) override {
      auto row = channel({id.value});
      return user_record{id, {1}, row->data};
    }

   private:
    fake_shards& all_;
    const std::string name_;
  };

  class fake_store final : public store {
   public:
    fake_store(fake_shards& all, std::string name) : all_(all), name_(std::move(name)) {}

    result<std::vector<result<>>> commit(std::span<const commit_unit> units) override {
      std::unique_lock lock(all_.mutex_);
      auto& own = all_.shards_[name_];
      ++own.commits;
      own.batches.push_back(units.size());
      all_.changed_.notify_all();
      all_.wait_while_hanging(lock, name_);
      if (own.is_frozen) return errc::wrong_owner;
      if (own.failure) return *own.failure;
      std::vector<result<>> outcomes;
      for (const auto& unit : units) outcomes.push_back(write(unit));
      all_.changed_.notify_all();
      return outcomes;
    }
    result<> raise_fences(std::span<const fence> guards, fence_holder) override {
      std::unique_lock lock(all_.mutex_);
      all_.wait_while_hanging(lock, name_);
      if (all_.shards_[name_].is_frozen) return errc::wrong_owner;
      for (const auto& guard : guards) all_.fences_[name_][guard.slot] = guard.epoch;
      return done;
    }
    result<std::vector<fence>> fences() override {
      std::unique_lock lock(all_.mutex_);
      all_.wait_while_hanging(lock, name_);
      std::vector<fence> own;
      for (const auto& [slot, epoch] : all_.fences_[name_]) own.push_back({slot, epoch});
      return own;
    }
    std::unique_ptr<store_reader> make_reader() override { return std::make_unique<fake_reader>(all_, name_); }

   private:
    /// As the real ones: what builds on a unit that was refused is refused too.
    result<> write(const commit_unit& unit) {
      if (unit.lineage && unit.lineage->load()) return errc::conflict;
      for (const auto& op : unit.ops) {
        if (const auto* trim = std::get_if<trim_rows>(&op)) {
          trim->report->rows = trim->count_max;
          trim->report->busy_micros = static_cast<std::int64_t>(trim->count_max);
          trim->report->is_through = true;
        }
        const auto* post = std::get_if<insert_message>(&op);
        if (post == nullptr) continue;
        all_.posts_[post->row.channel].push_back(post->row.seq);
        all_.places_[post->row.channel][name_].insert(post->row.seq);
      }
      return done;
    }
    fake_shards& all_;
    const std::string name_;
  };

  void wait_while_hanging(std::unique_lock<std::mutex>& lock, const std::string& name) {
    auto& own = shards_[name];
    if (!own.hangs) return;
    ++own.hanging;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !own.hangs; });
    --own.hanging;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<error> open_failure_;
  std::map<std::string, shard> shards_;
  std::map<channel_id, std::vector<seq_t>> posts_;
  std::map<channel_id, std::map<std::string, std::set<seq_t>>> places_;
  std::map<std::string, std::map<slot_id, epoch_t>> fences_;
};

/// A channel whose rows are in the range.
inline channel_id channel_in(const std::string& range, std::uint64_t skip = 0) {
  auto wanted = parse_key_range(range).value();
  for (std::uint64_t id = 4;; id += 4)
    if (wanted.contains(keyspace_id(id)) && skip-- == 0) return {id};
}

inline commit_unit post_unit(channel_id channel, seq_t seq, std::shared_ptr<std::atomic<bool>> lineage = nullptr) {
  message_record row;
  row.channel = channel;
  row.seq = seq;
  row.ts = {static_cast<std::int64_t>(seq)};
  return {{slot_of(key_of(channel)), 1}, {insert_message{row}}, std::move(lineage)};
}

/// Answers that are waited for one by one.
class answer_box {
 public:
  commit_queue::callback add(int number) {
    return [this, number](const result<>& outcome) {
      std::lock_guard lock(mutex_);
      all_.emplace_back(number, outcome ? "ok" : std::string(to_string(outcome.code())));
      changed_.notify_all();
    };
  }
  using list = std::vector<std::pair<int, std::string>>;
  /// The answers in the order in which they came, when there are `count`, or after too long.
  list wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return all_.size() >= count; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  list all_;
};

}  // namespace throng
