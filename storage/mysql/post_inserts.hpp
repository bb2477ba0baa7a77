// SPDX-License-Identifier: Apache-2.0
// POST INSERTS: a batch of nothing but new posts, as nearly all are, in one prepared statement that is a transaction of
// its own. A server reads the text of a row for longer than it takes to insert it, so statements are kept, one for each
// number of rows that comes more than once.
//
//   INSERT INTO messages(…) VALUES (…, ksid if the guard row is as we know it and no later mark is there, else NULL),
//                                  (…), …
//
// The first row's ksid is the claim: a NULL is refused, and with it the batch; else both rows stay locked, shared,
// until the end. It leaves no mark: fate_of() knows such a batch by its posts. An open statement keeps its connection
// open: forget() before that is dropped.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <list>

#include "storage/mysql/batch_fate.hpp"
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

class post_inserts {
 public:
  static constexpr std::size_t rows_max = 256;          // of a statement
  static constexpr std::size_t rows_kept_max = 3000;    // of all: measured 5.5 KB a row in MariaDB 10.11, so 17 MB
  static constexpr std::size_t bytes_max = 256u << 10;  // of the posts' data; the connector keeps what it sent last

  post_inserts(connection& db, const table_routes& routes) : db_(db), routes_(routes) {}

  /// The statement for these posts, until the next call. Null: they are too large, or too many, or as many as never
  /// before on this connection. Throws failure: nothing was done. REQUIRES: plan.is_only_new_posts().
  statement* find(const batch_plan& plan);
  /// Throws failure. REQUIRES: find() gave `insert`, and the mark's row is there.
  void run(statement& insert, const batch_plan& plan, std::uint64_t generation, batch_mark mark) const;
  /// Whether the server refused the batch, before it came to the commit: what run() threw tells, or doesn't.
  static bool is_refusal(const failure& why);
  void forget() { kept_.clear(), rows_kept_ = 0; }

 private:
  struct kept {
    std::size_t rows;
    statement insert;
  };
  statement* find(std::size_t rows);

  connection& db_;
  const table_routes& routes_;
  std::list<kept> kept_;  // the one that ran last in front
  std::size_t rows_kept_ = 0;
  std::bitset<rows_max + 1> was_seen_;  // which numbers of rows, since they were last forgotten
};

}  // namespace throng::mysql
