// SPDX-License-Identifier: Apache-2.0
// AUDIT LOG: who changed what through this node's shell, when, from where, and how it went. The newest are kept in
// memory, and in a file below the data folder, so that they survive a restart; past the bound the oldest go. A command
// is given to the file's own thread before it runs, and again when its outcome is known: a crash in between may lose
// the last lines. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "net/admin/admin_worker.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

struct audit_record {
  std::uint64_t number = 0;
  wall_time at{};
  std::string who;   // "operator"
  std::string from;  // its address
  std::string line;  // without secrets
  std::string outcome;
  friend bool operator==(const audit_record&, const audit_record&) = default;
};

std::string to_json(const audit_record& record);
result<audit_record> parse_audit_record(std::string_view line);

class audit_log {
 public:
  static constexpr std::size_t records_max = 2'000;
  static constexpr std::size_t outcome_bytes_max = 400;

  /// Reads what is in the file; an empty path keeps nothing. What can't be read is said in the log, and goes.
  explicit audit_log(std::string path);
  ~audit_log() {
    flush();
    writer_.stop();
  }
  audit_log(const audit_log&) = delete;
  audit_log& operator=(const audit_log&) = delete;

  /// It is about to run; its number, for end().
  std::uint64_t begin(wall_time now, std::string who, std::string from, std::string line);
  void end(std::uint64_t number, std::string outcome);
  /// The newest first.
  std::vector<audit_record> newest(std::size_t count) const;
  /// What was said so far is in the file then. Blocks.
  void flush();

 private:
  void load();
  void write(const audit_record& record);
  void append(const std::string& lines, bool replaces);

  const std::string path_;
  mutable std::mutex mutex_;
  std::deque<audit_record> records_;
  std::uint64_t next_ = 1;
  std::size_t lines_in_file_ = 0;
  bool is_failing_ = false;
  admin_worker writer_{10'000};
};

}  // namespace throng
