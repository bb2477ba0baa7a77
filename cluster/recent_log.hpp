// SPDX-License-Identifier: Apache-2.0
// RECENT LOG: the last so many records of one kind, for somebody who asks afterwards. Thread-safe. Memory grows with
// what comes, up to the bound; then the oldest record makes room. Adding is a copy under a lock; finding looks at all.
#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

namespace throng {

template <class Record>
class recent_log {
 public:
  /// 0 keeps nothing.
  explicit recent_log(std::size_t count_max) : count_max_(count_max) {}

  void add(const Record& record) { add(std::span(&record, 1)); }
  void add(std::span<const Record> records) {
    if (count_max_ == 0 || records.empty()) return;
    const std::lock_guard lock(mutex_);
    for (const auto& each : records) {
      if (records_.size() < count_max_)
        records_.push_back(each);
      else
        records_[next_] = each;
      next_ = (next_ + 1) % count_max_;
    }
  }

  /// The newest `most` records that fit, oldest first.
  template <class Fits>
  std::vector<Record> find(std::size_t most, Fits fits) const {
    std::vector<Record> found;
    const std::lock_guard lock(mutex_);
    for (std::size_t back = 1; back <= records_.size() && found.size() < most; ++back) {
      const auto& each = records_[(next_ + count_max_ - back) % count_max_];
      if (fits(each)) found.push_back(each);
    }
    return {found.rbegin(), found.rend()};
  }

 private:
  const std::size_t count_max_;
  mutable std::mutex mutex_;
  std::vector<Record> records_;
  std::size_t next_ = 0;
};

}  // namespace throng
