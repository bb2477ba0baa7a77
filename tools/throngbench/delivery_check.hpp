// SPDX-License-Identifier: Apache-2.0
// DELIVERY CHECK: was every post delivered to every member of its channel, once and in order, and how long did it take?
// A post's text starts with a mark, "#c000012 m00000345 ", its channel's and its own number there. One thread posts,
// one delivers; at most under_way_max posts of a channel may be under way.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/town.hpp"

namespace throng {

class delivery_check {
 public:
  static constexpr std::size_t under_way_max = 4'096;
  static constexpr std::size_t mark_bytes = 19;

  explicit delivery_check(const town_plan& plan);

  struct mark {
    std::uint32_t channel = 0, number = 0;
  };
  static std::string to_text(mark of);
  /// The mark in a message event; nothing in any other frame.
  static std::optional<mark> find_mark(std::string_view payload);

  /// A new phase: forgets latencies and counts, not positions.
  void begin();
  /// The mark of the next post to that channel, which is sent now.
  mark next_post(std::size_t channel, std::int64_t now_ns);
  /// On the delivering thread: `person` received that payload.
  void deliver(std::size_t person, std::string_view payload, std::int64_t now_ns);

  std::uint64_t delivered() const { return delivered_.load(std::memory_order_acquire); }  // in this phase
  /// REQUIRES: nothing is delivered any more.
  const latency_histogram& latencies() const { return latencies_; }
  result<> verdict(std::uint64_t expected) const;

 private:
  const town_plan plan_;
  std::vector<std::uint32_t> posted_;                       // by channel
  std::vector<std::uint32_t> seen_;                         // by channel and member
  std::unique_ptr<std::atomic<std::int64_t>[]> posted_at_;  // by channel and number modulo under_way_max
  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> wrong_{0};
  latency_histogram latencies_;
};

}  // namespace throng
