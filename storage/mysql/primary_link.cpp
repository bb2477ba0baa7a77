// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/primary_link.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace throng::mysql {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_wait{5};  // a failover takes 100 ms and is announced by the directory
constexpr milliseconds longest_wait{250};
constexpr int no_server = 2002;  // what the connector says when nobody is there
constexpr int read_only = 1290;

/// Another server, or this one a little later, may do better.
bool is_mended_by_time(const failure& why) {
  return why.is_connection_lost() || why.is_read_only() || why.is_too_many_connections() || why.is_access_denied() ||
         why.is_unknown_database();
}

}  // namespace

primary_link::primary_link(const shard_directory& shards, key_range range, connect_options options,
                           std::shared_ptr<shard_health> health)
    : shards_(shards),
      range_(range),
      options_(std::move(options)),
      name_(to_text(range)),
      health_(std::move(health)),
      next_wait_(first_wait),
      random_(std::random_device{}()) {}

connection& primary_link::get() {
  if (auto now = shards_.current(); now != seen_) {
    seen_ = std::move(now);
    auto* shard = seen_->find(range_);
    is_retired_ = !shard && !primary_.empty();
    if (!is_retired_) primary_ = shard ? shard->primary : server_address();
  }
  if (db_ && server_ == primary_ && !db_->is_given_up()) return *db_;
  db_.reset();
  if (primary_.empty()) throw failure(no_server, "there is no primary now");
  server_ = primary_;
  db_ = std::make_unique<connection>(server_, options_, name_);
  try {
    check(*db_);
  } catch (...) {
    db_.reset();
    throw;
  }
  ++generation_;
  return *db_;
}

/// A server that came up with an empty database, or with another shard's, must not take our rows.
void primary_link::check(connection& fresh) const {
  auto found = fresh.query("SELECT @@global.read_only, shard FROM shard_guard WHERE id = 0");
  if (!found.next()) throw failure(no_server, "it holds no shard");
  if (found.flag()) throw failure(read_only, "it is read-only, so it isn't the primary yet, or no longer");
  auto shard = found.bytes();
  if (shard != name_ && !(is_retired_ && shard.empty())) throw failure(no_server, "it holds the shard " + shard);
}

void primary_link::wait(clock::time_point deadline) {
  milliseconds longest{
      std::uniform_int_distribution<milliseconds::rep>(next_wait_.count() / 2, next_wait_.count())(random_)};
  next_wait_ = std::min(next_wait_ * 2, longest_wait);
  auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
  if (left <= milliseconds::zero()) return;
  if (shards_.wait_for_change(seen_, std::min(left, longest)) != seen_) next_wait_ = first_wait;
}

void primary_link::pause() {
  std::this_thread::sleep_for(std::chrono::microseconds(std::uniform_int_distribution(500, 10'000)(random_)));
}

void primary_link::was_fine() {
  next_wait_ = first_wait;
  health_->fine(clock::now());
}

void primary_link::has_failed(const failure& why) { health_->failed(to_error(why).detail, clock::now()); }

/// Who isn't to try again has told how it went: others may be waiting for just that.
bool primary_link::recover(const failure& why, tries_left& tries) {
  auto is_in_time = clock::now() < tries.deadline;
  if (why.is_conflict_of_locks() || why.is_duplicate_key()) {
    if (!is_in_time || tries.conflicts == 0) {
      was_fine();
      return false;
    }
    --tries.conflicts;
    pause();
    return true;
  }
  drop();  // after anything else its state isn't known
  if (why.is_stale_statement() && is_in_time && tries.stale != 0) {
    --tries.stale;
    return true;
  }
  if (!is_mended_by_time(why) && !why.is_stale_statement()) {
    was_fine();
    return false;
  }
  has_failed(why);
  if (!is_in_time || why.is_stale_statement()) return false;
  wait(tries.deadline);
  return true;
}

error primary_link::to_error(const failure& why) const {
  auto answer = why.to_error();
  answer.detail = "the shard " + name_ + (primary_.empty() ? "" : " (" + primary_ + ")") + ": " + answer.detail;
  return answer;
}

}  // namespace throng::mysql
