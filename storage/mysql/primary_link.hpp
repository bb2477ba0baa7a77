// SPDX-License-Identifier: Apache-2.0
// PRIMARY LINK: a connection to whoever is a shard's primary now, as the SHARD DIRECTORY says. One thread at a time.
//
// A server is believed to be the primary only if it takes writes: one that is named before it has applied all that it
// received is still read-only, and so is one that was fenced.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "storage/mysql/mysql_connection.hpp"
#include "storage/mysql/shard_health.hpp"
#include "storage/topology/shard_directory.hpp"

namespace throng::mysql {

/// How long one call goes on after failures.
struct tries_left {
  shard_health::clock::time_point deadline;
  unsigned conflicts = 20;  // deadlocks and the like
  unsigned stale = 3;       // statements that a change of the schema made useless
};

class primary_link {
 public:
  using clock = shard_health::clock;

  primary_link(const shard_directory& shards, key_range range, connect_options options,
               std::shared_ptr<shard_health> health);

  /// The connection that is open, unless the directory names another server by now; else a new one. A shard that the
  /// directory knows no more (a reshard is complete) stays where it was last: what was begun there can be looked up.
  /// Throws failure: of connecting, or with the codes of a lost connection (there is no primary) or of a read-only
  /// server.
  connection& get();
  /// Counts the connections that get() has made: what was prepared on an earlier one is gone.
  std::uint64_t generation() const { return generation_; }
  void drop() { db_.reset(); }
  bool is_open() const { return db_ != nullptr; }

  /// After a failure: gets ready for another try (a new connection, a new primary, or just some time), and says whether
  /// there is to be one. False: no try helps, or there have been enough of them.
  bool recover(const failure& why, tries_left& tries);
  /// Until it may be worth while to try again: the directory has changed, or some milliseconds have passed, more and
  /// more of them from one wait to the next.
  void wait(clock::time_point deadline);
  void was_fine();
  void has_failed(const failure& why);

  const std::string& name() const { return name_; }  // of the shard
  /// "127.0.0.1:13306: Lost connection …", for an answer and the log.
  error to_error(const failure& why) const;

 private:
  void check(connection& fresh) const;
  void pause();

  const shard_directory& shards_;
  key_range range_;
  connect_options options_;
  std::string name_;
  std::shared_ptr<shard_health> health_;
  shard_directory::map_ptr seen_;
  server_address primary_;   // as `seen_` has it
  bool is_retired_ = false;  // `seen_` doesn't have it any more
  std::unique_ptr<connection> db_;
  server_address server_;  // of db_
  std::uint64_t generation_ = 0;
  std::chrono::milliseconds next_wait_{};
  std::minstd_rand random_;
};

/// Does `work` on the primary until it doesn't fail, for what may be done twice. Its result<Value> is the answer.
template <class Value, class Work>
result<Value> repeat_on(primary_link& link, tries_left tries, Work work) {
  while (true) {
    try {
      result<Value> answer = work(link.get());
      link.was_fine();
      return answer;
    } catch (const failure& why) {
      auto answer = link.to_error(why);
      if (!link.recover(why, tries)) return answer;
    }
  }
}

}  // namespace throng::mysql
