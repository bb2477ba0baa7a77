// SPDX-License-Identifier: Apache-2.0
// What goes with time, within the transaction of the WRITER: trims of events, posts and tokens. Events are found by
// their index; posts and tokens by walking their keys, a piece with each trim, because an index by time would be
// written with every post. How far it got is only in memory: after a start, or a transaction that failed, some keys are
// looked at again or in the next walk. Throws sqlite::failure. Used by one thread.
#pragma once

#include <chrono>
#include <cstddef>

#include "storage/model/records.hpp"
#include "storage/row_trimmer.hpp"
#include "storage/sqlite/sqlite_database.hpp"

namespace throng::sqlite {

class trimmer final : public row_trimmer {
 public:
  explicit trimmer(database& db);

 private:
  progress trim_events(wall_time before, std::size_t count_max) override;
  progress trim_messages(wall_time before, std::size_t count_max) override;
  progress trim_tokens(wall_time before, std::size_t count_max) override;

  statement oldest_events_, erase_event_, put_trimmed_events_;
  statement next_channels_, oldest_messages_, erase_message_, put_trimmed_messages_;
  statement next_tokens_, erase_token_;
  channel_id next_channel_{};  // where the walk goes on
  token_hash last_token_{};    // strictly after it
};

}  // namespace throng::sqlite
