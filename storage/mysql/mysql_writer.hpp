// SPDX-License-Identifier: Apache-2.0
// The writes of one MySQL store on one connection, each call one transaction. Throws failure; then nothing was
// committed, unless is_commit_sent(): in that case only fate_of() on another connection tells. Used by one thread at a
// time; what goes on after a failure is the MYSQL STORE's business.
//
//   a batch of posts   claim (guard row, marker row) · INSERT of all posts · COMMIT: one packet, one round trip
//   with new epochs    and two before it, for the guard row and for them
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
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/mysql/mysql_trimmer.hpp"

namespace throng::mysql {

/// The name under which a store leaves its mark in the table `writers`, and the number of the batch.
struct batch_mark {
  std::uint64_t writer = 0;
  std::uint64_t batch = 0;
};

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

  result<> raise_fences(std::span<const fence> guards);
  std::vector<fence> fences();

 private:
  enum class claim { granted, not_ours };

  std::optional<result<std::vector<result<>>>> commit_at_once(std::span<const commit_unit> units, batch_mark mark);
  result<std::vector<result<>>> commit_step_by_step(std::span<const commit_unit> units, batch_mark mark,
                                                    bool is_careful);
  bool send(const std::vector<std::string>& packet, open_transaction& all);
  std::string claim_sql(batch_mark mark) const;
  claim claim_shard(batch_mark mark);
  claim look_at_guard();
  bool knows_epochs_of(std::span<const commit_unit> units) const;
  void read_epochs(std::span<const commit_unit> units);
  void forget_epochs(std::uint64_t generation);

  connection& db_;
  const placement& where_;
  trimmer trimmer_;

  // The epochs of fences as of `generation_` of the guard row; those of other slots aren't known.
  std::uint64_t generation_ = 0;
  std::vector<epoch_t> epochs_;
  std::vector<bool> is_known_;

  bool is_commit_sent_ = false;
  std::vector<result<>> outcomes_;
  std::vector<std::pair<std::shared_ptr<trim_report>, trimmer::progress>> trimmed_;  // to be told
};

enum class batch_fate { committed, absent };
/// What became of a batch whose COMMIT was cut off, asked of the server that is the primary now: waits, for as long as
/// the session's lock wait, behind a transaction that still hangs there. Absent is for good: its packet may still be on
/// its way, but is refused when it comes, for the mark is `mark.batch + 1` from now on. Throws failure: nothing is
/// known yet.
batch_fate fate_of(batch_mark mark, connection& primary);

}  // namespace throng::mysql
