// SPDX-License-Identifier: Apache-2.0
// A transaction that is rolled back unless somebody commits it.
#pragma once

#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

class open_transaction {
 public:
  static constexpr const char* start = "START TRANSACTION";

  explicit open_transaction(connection& db) : open_transaction(db, started_elsewhere{}) { db.run(start); }
  /// For one that a packet of statements starts.
  struct started_elsewhere {};
  open_transaction(connection& db, started_elsewhere) : db_(&db) {}
  /// Rolls back what isn't released. A connection that refuses even that is given up: its server rolls back.
  ~open_transaction() {
    if (!db_) return;
    try {
      db_->run("ROLLBACK");
    } catch (const failure&) {  // the reason is the one that led here
      db_->give_up();
    }
  }
  open_transaction(const open_transaction&) = delete;
  open_transaction& operator=(const open_transaction&) = delete;
  /// It is committed, or nobody's to end any more.
  void release() { db_ = nullptr; }

 private:
  connection* db_;
};

}  // namespace throng::mysql
