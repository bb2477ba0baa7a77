// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_status.hpp"

#include <algorithm>
#include <array>

namespace throng {

namespace {

constexpr std::array<std::uint64_t, 8> bucket_ends_ms{5, 10, 20, 50, 100, 250, 500, 1000};

std::string list_of(std::span<const key_range> ranges) {
  std::string out;
  for (const auto& range : ranges) out += (out.empty() ? "" : ",") + to_text(range);
  return out;
}

std::string millis(std::uint64_t micros) {
  return std::to_string(micros / 1000) + "." + std::to_string(micros / 100 % 10) + " ms";
}

}  // namespace

pause_histogram histogram_of(std::span<const std::uint64_t> pauses_micros) {
  pause_histogram out;
  for (const auto end : bucket_ends_ms) out.buckets.push_back({end, 0});
  out.buckets.push_back({0, 0});
  for (const auto pause : pauses_micros) {
    const auto bucket = std::ranges::find_if(bucket_ends_ms, [&](auto end) { return pause <= end * 1000; });
    ++out.buckets[static_cast<std::size_t>(bucket - bucket_ends_ms.begin())].count;
  }
  out.count = pauses_micros.size();
  if (pauses_micros.empty()) return out;
  out.last_us = pauses_micros.back();
  std::vector<std::uint64_t> sorted(pauses_micros.begin(), pauses_micros.end());
  std::ranges::sort(sorted);
  out.p50_us = sorted[(sorted.size() - 1) / 2];
  out.p99_us = sorted[(sorted.size() * 99 + 99) / 100 - 1];
  out.max_us = sorted.back();
  return out;
}

std::string to_text(const pause_histogram& pauses) {
  if (pauses.count == 0) return "none yet";
  std::string out = std::to_string(pauses.count) + ", last " + millis(pauses.last_us) + ", p50 " +
                    millis(pauses.p50_us) + ", p99 " + millis(pauses.p99_us) + ", max " + millis(pauses.max_us) + ":";
  for (const auto& bucket : pauses.buckets)
    if (bucket.count > 0)
      out += " " + (bucket.upto_ms ? "<=" + std::to_string(bucket.upto_ms) : "longer") + " ms " +
             std::to_string(bucket.count);
  return out;
}

std::string to_text(const reshard_status& status) {
  if (!status.record) return status.trouble.empty() ? "no reshard\n" : "no reshard: " + status.trouble + "\n";
  const auto& record = *status.record;
  std::string out = "reshard " + list_of(record.sources) + " -> " + list_of(record.targets) + ": " +
                    std::string(to_string(record.phase));
  if (!record.reason.empty()) out += " (" + record.reason + ")";
  if (!status.is_run_here && !is_over(record.phase)) out += ", not run by this node";
  out += "\n";
  if (!status.doing.empty()) out += "  doing: " + status.doing + "\n";
  if (!status.trouble.empty()) out += "  trouble: " + status.trouble + "\n";
  for (const auto& feeder : status.feeders) {
    out += "  stream " + to_text(feeder.from) + " -> " + list_of(feeder.to) + ": ";
    out += feeder.is_copied ? "copied" : "copying " + feeder.table;
    out += ", " + std::to_string(feeder.rows_copied) + " rows, " + std::to_string(feeder.entries_replayed) +
           " changes replayed, " + std::to_string(feeder.entries_waiting) + " waiting";
    if (!feeder.trouble.empty()) out += ", stopped: " + feeder.trouble;
    out += "\n";
  }
  if (status.verified) out += "  verified: " + to_text(*status.verified);
  out += "  write pauses: " + to_text(histogram_of(record.pauses_micros)) + "\n";
  return out;
}

}  // namespace throng
