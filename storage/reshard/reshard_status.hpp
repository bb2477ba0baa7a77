// SPDX-License-Identifier: Apache-2.0
// What a reshard says of itself: values, and their text for a person.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/reshard/reshard_record.hpp"
#include "storage/reshard/row_verifier.hpp"
#include "storage/reshard/shard_feeder.hpp"

namespace throng {

/// How many of the newest switches held up the writes for how long.
struct pause_histogram {
  struct bucket {
    std::uint64_t upto_ms;  // 0: longer than the one before
    std::size_t count;
  };
  std::vector<bucket> buckets;
  std::size_t count = 0;
  std::uint64_t last_us = 0, p50_us = 0, p99_us = 0, max_us = 0;
};
pause_histogram histogram_of(std::span<const std::uint64_t> pauses_micros);
std::string to_text(const pause_histogram& pauses);

struct reshard_status {
  std::optional<reshard_record> record;  // none: there has never been one in this keyspace
  bool is_run_here = false;              // by this process
  std::string doing;                     // the verb at work; empty: none
  std::string trouble;                   // why the last verb failed; empty: it didn't
  std::vector<feeder_figures> feeders;
  std::optional<verify_report> verified;  // the last, also while it is at work
};
std::string to_text(const reshard_status& status);

}  // namespace throng
