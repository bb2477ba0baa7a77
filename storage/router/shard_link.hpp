// SPDX-License-Identifier: Apache-2.0
// SHARD LINK: what this node has of one range: its record, how to open its store, and a store for what is neither a
// lane's nor a reader's. Any thread; calls block.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "storage/model/time.hpp"
#include "storage/store.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

class shard_link {
 public:
  using opener = std::function<result<std::unique_ptr<store>>(const shard_record&)>;

  shard_link(shard_record record, opener open)
      : open_(std::move(open)), record_(std::move(record)), range_(record_.range) {}

  const key_range& range() const { return range_; }
  std::string name() const { return to_text(range_); }
  shard_record record() const;
  void update(shard_record record);  // of the same range

  /// A store of the caller's own. One is opened at a time; after a failure the next try is refused for a moment with
  /// the same error, so that a dead server costs its callers one wait, not one each.
  result<std::unique_ptr<store>> open();

  /// These use a store that is opened when it is first needed; its make_reader() must be fine beside raise_fences().
  struct reader {
    std::shared_ptr<store> keeps;  // goes after `rows`
    std::unique_ptr<store_reader> rows;
  };
  result<reader> make_reader();
  result<> raise_fences(std::span<const fence> guards, fence_holder by);
  result<std::vector<fence>> fences();

 private:
  result<std::shared_ptr<store>> common();

  const opener open_;
  mutable std::mutex record_mutex_;
  shard_record record_;
  const key_range range_;

  std::mutex open_mutex_;
  error last_failure_;
  steady_time try_again_{};

  std::mutex common_mutex_;  // never held while something blocks
  std::shared_ptr<store> common_;
  std::mutex fences_mutex_;  // one thread raises fences on a store at a time
};

}  // namespace throng
