// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/row_verifier.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "storage/reshard/reshard_sql.hpp"

namespace throng {

namespace {

constexpr std::size_t rows_per_query_min = 16, rows_per_query_max = 4000;
constexpr std::chrono::milliseconds query_time{100};  // how long one should take: the servers have other work
constexpr std::size_t keys_per_query = 500;
constexpr std::size_t strays_max = 20;
constexpr int looks_max = 10;  // at a row that differs

using digests = std::vector<std::pair<std::string, std::string>>;  // key, digest

digests read_digests(mysql::connection& db, const std::string& sql) {
  digests out;
  for (auto found = db.query(sql); found.next();) {
    auto key = found.bytes();
    out.emplace_back(std::move(key), found.bytes());
  }
  return out;
}

std::map<std::string, std::string> digests_of(mysql::connection& db, const mysql::table_layout& table,
                                              std::span<const std::string> keys) {
  auto read = read_digests(db, reshard_sql::select_digests(table, keys));
  return {read.begin(), read.end()};
}

std::optional<std::string> find(const std::map<std::string, std::string>& all, const std::string& key) {
  const auto found = all.find(key);
  return found == all.end() ? std::nullopt : std::optional(found->second);
}

/// Keys that only one side has, or that have other rows on each. Both in key order.
std::vector<std::string> differing_keys(const digests& from, const digests& to) {
  std::vector<std::string> keys;
  auto a = from.begin();
  auto b = to.begin();
  while (a != from.end() || b != to.end()) {
    if (b == to.end() || (a != from.end() && reshard_sql::key_less(a->first, b->first))) {
      keys.push_back((a++)->first);
    } else if (a == from.end() || reshard_sql::key_less(b->first, a->first)) {
      keys.push_back((b++)->first);
    } else {
      if (a->second != b->second) keys.push_back(a->first);
      ++a, ++b;
    }
  }
  return keys;
}

}  // namespace

struct row_verifier::sides {
  key_range from, to, rows;
  std::unique_ptr<mysql::connection> from_db, to_db;
};

std::string_view to_string(row_difference::kind_t kind) {
  static constexpr std::array<std::string_view, 4> names{"missing", "extra", "different", "stray"};
  return names[static_cast<std::size_t>(kind)];
}

std::string to_text(const row_difference& difference) {
  return std::string(to_string(difference.kind)) + " on " + to_text(difference.to) + ": " + difference.table + "(" +
         difference.key + ")";
}

std::string to_text(const verify_report& report) {
  std::string out = std::to_string(report.rows) + " rows compared, " + std::to_string(report.missing) + " missing, " +
                    std::to_string(report.extra) + " extra, " + std::to_string(report.different) + " different, " +
                    std::to_string(report.stray) + " stray, " + std::to_string(report.unsettled) + " unsettled" +
                    (report.is_complete ? "" : " (not complete)") + "\n";
  if (!report.trouble.empty()) out += "  " + report.trouble + "\n";
  for (const auto& one : report.first) out += "  " + to_text(one) + "\n";
  return out;
}

row_verifier::row_verifier(const reshard_context& context, barrier drained, listener progress)
    : context_(context), drained_(std::move(drained)), progress_(std::move(progress)) {}

verify_report row_verifier::run(const std::vector<key_range>& from, const std::vector<key_range>& to) {
  report_ = {};
  for (const auto& source : from)
    for (const auto& target : to) {
      if (!source.overlaps(target)) continue;
      sides now{source, target, shared_part(source, target), connect_primary(context_, source),
                connect_primary(context_, target)};
      for (const auto& table : mysql::sharded_tables())
        if (!compare_table(now, table)) return report_;
    }
  for (const auto& target : to) {
    sides now{target, target, target, nullptr, connect_primary(context_, target)};
    for (const auto& table : mysql::sharded_tables())
      for (auto found = now.to_db->query(reshard_sql::select_strays(table, target, strays_max)); found.next();)
        count(now, table, found.bytes(), row_difference::kind_t::stray);
  }
  report_.is_complete = true;
  return report_;
}

bool row_verifier::compare_table(sides& now, const mysql::table_layout& table) {
  std::size_t rows_per_query = rows_per_query_min;
  for (std::string after;;) {
    const auto began = std::chrono::steady_clock::now();
    const reshard_sql::key_window window{after, {}, rows_per_query};
    auto from = read_digests(*now.from_db, reshard_sql::select_digests(table, now.rows, window));
    auto to = read_digests(*now.to_db, reshard_sql::select_digests(table, now.rows, window));
    // A side that came full may have more behind its last key, so both are compared up to the smaller of those.
    std::optional<std::string> upto;
    for (const auto* side : {&from, &to})
      if (side->size() == rows_per_query && (!upto || reshard_sql::key_less(side->back().first, *upto)))
        upto = side->back().first;
    if (upto)
      for (auto* side : {&from, &to})
        std::erase_if(*side, [&](const auto& row) { return reshard_sql::key_less(*upto, row.first); });
    report_.rows += from.size();
    const auto took = std::chrono::steady_clock::now() - began;
    if (took > 2 * query_time) rows_per_query = std::max(rows_per_query / 2, rows_per_query_min);
    if (took < query_time) rows_per_query = std::min(rows_per_query * 2, rows_per_query_max);
    if (auto keys = differing_keys(from, to); !keys.empty()) settle(now, table, std::move(keys));
    if (progress_ && !progress_(report_)) return false;
    if (!upto) return true;
    after = *upto;
  }
}

/// Looks again at rows that differed. What the target has after the barrier is at least as new as what the source had
/// before it: a row that didn't change in between must be the same. Two such looks make a difference.
void row_verifier::settle(sides& now, const mysql::table_layout& table, std::vector<std::string> keys) {
  while (!keys.empty()) {
    std::vector<std::string> some(keys.end() - static_cast<std::ptrdiff_t>(std::min(keys.size(), keys_per_query)),
                                  keys.end());
    keys.resize(keys.size() - some.size());
    std::map<std::string, row_difference::kind_t> suspects;
    for (int look = 0; look < looks_max && !some.empty(); ++look) {
      const auto before = digests_of(*now.from_db, table, some);
      drained_(now.from);
      const auto copies = digests_of(*now.to_db, table, some);
      const auto afterwards = digests_of(*now.from_db, table, some);
      std::erase_if(some, [&](const std::string& key) {
        const auto first = find(before, key), copy = find(copies, key), last = find(afterwards, key);
        if (copy == first || copy == last) return true;
        if (first != last) return false;  // it is being changed: look again
        const auto kind = !copy    ? row_difference::kind_t::missing
                          : !first ? row_difference::kind_t::extra
                                   : row_difference::kind_t::different;
        const auto is_certain = !suspects.emplace(key, kind).second;
        if (is_certain) count(now, table, key, kind);
        return is_certain;
      });
    }
    report_.unsettled += some.size();
  }
}

void row_verifier::count(const sides& now, const mysql::table_layout& table, std::string key,
                         row_difference::kind_t kind) {
  using enum row_difference::kind_t;
  auto& counter = kind == missing     ? report_.missing
                  : kind == extra     ? report_.extra
                  : kind == different ? report_.different
                                      : report_.stray;
  ++counter;
  if (report_.first.size() < verify_report::first_max)
    report_.first.push_back({now.from, now.to, std::string(table.name), std::move(key), kind});
}

}  // namespace throng
