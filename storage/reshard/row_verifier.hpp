// SPDX-License-Identifier: Apache-2.0
// VERIFIER (Vitess's VDiff): compares two sets of shards row by row, in key order, while writes go on. A difference
// counts when it is still there after the journal has been replayed, for what was on its way makes no difference.
// Blocking; throws mysql::failure. Reads digests of rows, some thousand at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/mysql/mysql_schema.hpp"
#include "storage/reshard/reshard_link.hpp"
#include "storage/reshard/reshard_plan.hpp"

namespace throng {

struct row_difference {
  enum class kind_t : std::uint8_t { missing, extra, different, stray };  // as the filled shard sees it
  key_range from, to;
  std::string table;
  std::string key;
  kind_t kind{};
  friend bool operator==(const row_difference&, const row_difference&) = default;
};
std::string_view to_string(row_difference::kind_t kind);
std::string to_text(const row_difference& difference);

struct verify_report {
  static constexpr std::size_t first_max = 20;
  bool is_complete = false;
  std::uint64_t rows = 0;  // compared
  std::uint64_t missing = 0, extra = 0, different = 0;
  std::uint64_t stray = 0;      // rows on a filled shard that aren't of its range (at most some of each table are seen)
  std::uint64_t unsettled = 0;  // changed at each look: neither equal nor different for certain
  std::vector<row_difference> first;
  std::string trouble;  // why it isn't complete
  bool is_equal() const { return is_complete && missing + extra + different + stray + unsettled == 0; }
};
std::string to_text(const verify_report& report);

class row_verifier {
 public:
  /// Waits until what is in the journal of `from` now is replayed; throws if that doesn't come to pass.
  using barrier = std::function<void(const key_range& from)>;
  /// Told now and then how far it is; false: stop.
  using listener = std::function<bool(const verify_report&)>;

  row_verifier(const reshard_context& context, barrier drained, listener progress);
  verify_report run(const std::vector<key_range>& from, const std::vector<key_range>& to);
  const verify_report& report() const { return report_; }

 private:
  struct sides;
  bool compare_table(sides& now, const mysql::table_layout& table);
  void settle(sides& now, const mysql::table_layout& table, std::vector<std::string> keys);
  void count(const sides& now, const mysql::table_layout& table, std::string key, row_difference::kind_t kind);

  const reshard_context& context_;
  barrier drained_;
  listener progress_;
  verify_report report_;
};

}  // namespace throng
