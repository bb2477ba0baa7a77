// SPDX-License-Identifier: Apache-2.0
// The writes of one MySQL store on one connection, each call one transaction. Throws failure; then nothing was
// committed, unless is_commit_sent(): in that case only fate_of() on another connection tells. Used by one thread at a
// time; what goes on after a failure is the MYSQL STORE's business.
//
//   a batch of posts   one prepared INSERT (POST INSERTS): one round trip
//   with other rows    START TRANSACTION · claim (guard row, marker row) · the rows · COMMIT: one packet
//   with new epochs    and three before it, for a transaction, the guard row and them
//   after a duplicate, with large rows, or where the server takes one statement at a time
//                      each in its turn
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"
#include "storage/mysql/batch_fate.hpp"
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/mysql/mysql_trimmer.hpp"
#include "storage/mysql/post_inserts.hpp"

namespace throng::mysql {

class open_transaction;

class writer {
 public:
  /// The connection must stay; it has no other user.
  writer(connection& db, const placement& where);

  /// As store::commit(). With `is_careful`, what is there already is read first; without, a row that was taken to be
  /// new and isn't throws a duplicate key.
  result<std::vector<result<>>> commit(std::span<const commit_unit> units, batch_mark mark, bool is_careful);
  bool is_commit_sent() const { return is_commit_sent_; }
  /// What commit() would have answered, when is_commit_sent() and the batch turns out to be committed.
  std::vector<result<>> take_outcomes();
  /// For fate_of(), when is_commit_sent(): all posts of a batch that left no mark.
  std::span<const post_identity> posts() const { return posts_; }
  /// Lets go of the connection, which is about to be dropped.
  void forget_statements() { inserts_.forget(); }

  result<> raise_fences(std::span<const fence> guards, fence_holder by);
  std::vector<fence> fences();

 private:
  enum class claim { granted, not_ours };

  std::optional<result<std::vector<result<>>>> commit_at_once(std::span<const commit_unit> units, batch_mark mark);
  result<std::vector<result<>>> commit_step_by_step(std::span<const commit_unit> units, batch_mark mark,
                                                    bool is_careful);
  enum class inserted { all, refused, elsewhere };
  inserted insert_posts(batch_plan& plan, batch_mark mark);
  bool send(std::vector<std::string> packet, std::optional<open_transaction>& all);
  bool has_fresh_mark() const;
  std::string claim_sql(batch_mark mark) const;
  claim claim_shard(batch_mark mark);
  claim look_at_guard();
  bool knows_epochs_of(std::span<const commit_unit> units) const;
  void read_epochs(std::span<const commit_unit> units);
  void forget_epochs(std::uint64_t generation);

  connection& db_;
  const placement& where_;
  trimmer trimmer_;
  post_inserts inserts_;
  std::optional<steady_time> marked_at_;  // when a batch last left a mark by this connection

  // The epochs of fences as of `generation_` of the guard row; those of other slots aren't known.
  std::uint64_t generation_ = 0;
  std::vector<epoch_t> epochs_;
  std::vector<bool> is_known_;

  bool is_commit_sent_ = false;
  std::vector<post_identity> posts_;
  std::vector<result<>> outcomes_;
  std::vector<std::pair<std::shared_ptr<trim_report>, trimmer::progress>> trimmed_;  // to be told
};

}  // namespace throng::mysql
