// SPDX-License-Identifier: Apache-2.0
// What goes with time, within the transaction of the WRITER: trims of events, posts and tokens of one shard. As
// storage/sqlite/sqlite_trimmer.hpp has it: events by their index, posts and tokens by walking their keys. Rows are
// deleted by their keys, so that (READ COMMITTED) nothing else is locked. Throws failure. Used by one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/model/records.hpp"
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"
#include "storage/row_trimmer.hpp"

namespace throng::mysql {

class trimmer final : public row_trimmer {
 public:
  trimmer(connection& db, const placement& where) : db_(db), where_(where) {}

 private:
  progress trim_events(wall_time before, std::size_t count_max) override;
  progress trim_messages(wall_time before, std::size_t count_max) override;
  progress trim_tokens(wall_time before, std::size_t count_max) override;

  connection& db_;
  const placement& where_;
  std::uint64_t next_channel_ = 0;                    // where the walk goes on
  std::pair<std::uint64_t, std::string> last_token_;  // owner, hash: strictly after it
};

}  // namespace throng::mysql
