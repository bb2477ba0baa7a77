// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/lookup_sweeper.hpp"

#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <random>
#include <set>

#include "config/log.hpp"
#include "storage/mysql/batch_sql.hpp"

namespace throng {

namespace {

using mysql::connection;
using mysql::literal;

std::string text_of(std::uint64_t number) { return std::to_string(number); }

/// False if it was stopped meanwhile.
bool wait(std::chrono::milliseconds time, const std::stop_token& stopped) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, stopped, time, [] { return false; });
  return !stopped.stop_requested();
}

}  // namespace

/// One sweep, on the shards of one map.
class lookup_sweeper::round {
 public:
  round(lookup_sweeper& of, wall_time now, const std::stop_token& stopped)
      : of_(of), how_(of.options_), now_(now), stopped_(stopped), map_(of.shards_.current()) {}

  /// Throws mysql::failure.
  result<> run() {
    for (const auto& shard : map_->serving()) {
      if (auto swept = sweep_domains(shard); !swept) return swept;
      if (auto swept = sweep_tokens(shard); !swept) return swept;
    }
    of_.suspects_ = std::move(suspects_);
    return done;
  }

 private:
  struct reservation {
    std::string domain;
    std::uint64_t workspace;
    std::int64_t reserved;
  };

  result<> sweep_domains(const shard_record& shard) {
    const auto before = (now_ - how_.reservations_kept).time_since_epoch().count();
    for (std::string last;;) {
      std::map<std::uint64_t, std::vector<reservation>> old;  // by the workspace's shard
      auto found = db_of(shard).query("SELECT domain, workspace, reserved FROM workspace_domains WHERE domain > " +
                                      literal(last) + " ORDER BY domain LIMIT " + text_of(how_.page_rows));
      while (found.next()) {
        last = found.bytes();
        auto workspace = found.unsigned_number();
        auto reserved = found.number();
        // 0: written together with its workspace, so never a mere reservation.
        if (reserved > 0 && reserved < before && shard.range.contains(how_.routes.of_domain(last)))
          old[map_->index_of(how_.routes.of_key(workspace))].push_back({last, workspace, reserved});
      }
      for (auto& [owner, rows] : old) {
        auto erased = erase_unused(shard, map_->serving()[owner], rows);
        if (!erased) return erased;
      }
      if (found.count() < how_.page_rows) return done;
      if (!wait(how_.page_pause, stopped_)) return errc::stopping;
    }
  }

  result<> erase_unused(const shard_record& shard, const shard_record& owner, std::span<const reservation> rows) {
    std::vector<std::uint64_t> ids;
    for (const auto& row : rows) ids.push_back(row.workspace);
    std::set<std::pair<std::uint64_t, std::string>> used;
    auto found = db_of(owner).query("SELECT id, domain FROM workspaces WHERE id IN (" +
                                    mysql::literals<std::uint64_t>(ids) + ")");
    while (found.next()) {
      auto id = found.unsigned_number();
      used.emplace(id, found.bytes());
    }
    std::vector<std::string> unused;
    for (const auto& row : rows)
      if (!used.contains({row.workspace, row.domain}))  // as it was seen: who renews it keeps it
        unused.push_back("workspace_domains WHERE domain = " + literal(row.domain) + " AND workspace = " +
                         text_of(row.workspace) + " AND reserved = " + std::to_string(row.reserved));
    return erase(shard, owner, unused, of_.domains_);
  }

  result<> sweep_tokens(const shard_record& shard) {
    for (std::string last;;) {
      std::map<std::size_t, std::vector<token_row>> by_owner;
      auto found = db_of(shard).query("SELECT hash, owner FROM token_owners WHERE hash > " + literal(last) +
                                      " ORDER BY hash LIMIT " + text_of(how_.page_rows));
      while (found.next()) {
        last = found.bytes();
        auto owner = found.unsigned_number();
        by_owner[map_->index_of(how_.routes.of_key(owner))].emplace_back(last, owner);
      }
      for (auto& [owner, rows] : by_owner) {
        auto erased = erase_missing(shard, map_->serving()[owner], rows);
        if (!erased) return erased;
      }
      if (found.count() < how_.page_rows) return done;
      if (!wait(how_.page_pause, stopped_)) return errc::stopping;
    }
  }

  result<> erase_missing(const shard_record& shard, const shard_record& owner, std::span<const token_row> rows) {
    std::string keys;
    for (const auto& [hash, id] : rows) keys += (keys.empty() ? "(" : ",(") + text_of(id) + "," + literal(hash) + ")";
    std::set<token_row> there;
    auto found = db_of(owner).query("SELECT hash, owner FROM tokens WHERE (owner, hash) IN (" + keys + ")");
    while (found.next()) {
      auto hash = found.bytes();
      there.emplace(std::move(hash), found.unsigned_number());
    }
    std::vector<std::string> missing;
    for (const auto& row : rows) {
      if (there.contains(row)) continue;
      auto before = of_.suspects_.find(row);
      if (before == of_.suspects_.end() || now_ - before->second < how_.missing_for) {
        auto since = before == of_.suspects_.end() ? now_ : before->second;
        if (suspects_.size() < how_.suspects_max) suspects_.emplace(row, since);
        continue;
      }
      missing.push_back("token_owners WHERE hash = " + literal(row.first) + " AND owner = " + text_of(row.second));
    }
    return erase(shard, owner, missing, of_.token_owners_);
  }

  /// Rows of `shard` that lead to `owner`, where what they lead to wasn't found just now.
  result<> erase(const shard_record& shard, const shard_record& owner, std::span<const std::string> conditions,
                 std::atomic<std::uint64_t>& count) {
    if (conditions.empty()) return done;
    if (stopped_.stop_requested()) return errc::stopping;
    // Rows leave a shard only after it was frozen for good, so not finding them meant something if it isn't frozen yet.
    constexpr std::string_view serves = "SELECT COUNT(*) FROM shard_guard WHERE id = 0 AND state = 0 AND shard = ";
    if (db_of(owner).number(std::string(serves) + literal(owner.name())) != 1 || of_.shards_.current() != map_)
      return error{errc::service_unavailable, "the shards are changing"};
    auto& db = db_of(shard);
    db.run("START TRANSACTION");
    if (db.number(std::string(serves) + literal(shard.name()) + " LOCK IN SHARE MODE") != 1) {
      db.run("ROLLBACK");
      return error{errc::service_unavailable, "the shard " + shard.name() + " is being resharded"};
    }
    std::uint64_t rows = 0;
    for (const auto& condition : conditions) rows += db.run("DELETE FROM " + condition);
    db.run("COMMIT");
    count += rows;
    return done;
  }

  connection& db_of(const shard_record& shard) {
    auto& db = connections_[shard.range];
    if (!db) db = std::make_unique<connection>(shard.primary, how_.connect);
    return *db;
  }

  lookup_sweeper& of_;
  const options& how_;
  const wall_time now_;
  const std::stop_token& stopped_;
  const shard_directory::map_ptr map_;
  std::map<key_range, std::unique_ptr<connection>> connections_;
  std::map<token_row, wall_time> suspects_;
};

lookup_sweeper::lookup_sweeper(const shard_directory& shards, options how)
    : shards_(shards), options_(std::move(how)) {}

lookup_sweeper::~lookup_sweeper() { stop(); }

void lookup_sweeper::start(std::uint64_t seed) {
  thread_ = std::jthread([this, seed](const std::stop_token& stopped) { run(seed, stopped); });
  pthread_setname_np(thread_.native_handle(), "throng-sweep");
}

void lookup_sweeper::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void lookup_sweeper::run(std::uint64_t seed, const std::stop_token& stopped) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> share(0.75, 1.25);
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(options_.pause);
  while (true) {
    auto next = static_cast<double>(pause.count()) * share(random);
    if (!wait(std::chrono::milliseconds(static_cast<std::int64_t>(next)), stopped)) return;
    auto now = std::chrono::time_point_cast<wall_time::duration>(std::chrono::system_clock::now());
    auto swept = sweep(now, stopped);
    if (!swept && swept.code() != errc::stopping)
      log::warn("lookup rows that lead to nothing wait for the next sweep: {}", swept.failure().detail);
  }
}

result<> lookup_sweeper::sweep(wall_time now, const std::stop_token& stopped) {
  auto swept = [&]() -> result<> {
    try {
      return round(*this, now, stopped).run();
    } catch (const mysql::failure& why) {
      return why.to_error();
    }
  }();
  if (swept)
    last_through_.store(now.time_since_epoch().count());
  else if (swept.code() != errc::stopping)
    ++failures_;
  return swept;
}

lookup_sweeper::figures lookup_sweeper::read_figures() const {
  return {domains_.load(), token_owners_.load(), failures_.load(),
          wall_time(wall_time::duration(last_through_.load()))};
}

}  // namespace throng
