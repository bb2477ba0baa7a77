// SPDX-License-Identifier: Apache-2.0
// The writes of the SQLite store, on the one connection that writes. Throws sqlite::failure when the whole batch can't
// be committed; then nothing of it was. Used by one thread at a time.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"
#include "storage/sqlite/sqlite_database.hpp"
#include "storage/sqlite/sqlite_trimmer.hpp"

namespace throng::sqlite {

class writer {
 public:
  explicit writer(database& db);

  std::vector<result<>> commit(std::span<const commit_unit> units);
  result<> raise_fences(std::span<const fence> guards, fence_holder by);
  std::vector<fence> fences();

 private:
  using refusal = std::optional<error>;

  refusal check_unit(const commit_unit& unit);
  result<> apply_unit(const commit_unit& unit);
  refusal apply(const put_workspace& op);
  refusal apply(const put_directory& op);
  refusal apply(const put_user& op);
  refusal apply(const put_membership& op);
  refusal apply(const erase_membership& op);
  refusal apply(const put_channel& op);
  refusal apply(const put_member& op);
  refusal apply(const erase_member& op);
  refusal apply(const insert_message& op);
  refusal apply(const put_message& op);
  refusal apply(const insert_event& op);
  refusal apply(const put_token& op);
  refusal apply(const put_app& op);
  refusal apply(const trim_rows& op);
  bool write_message(statement& how, const message_record& row);

  struct fence_row {
    std::uint64_t batch = 0;  // that has read it
    epoch_t epoch = 0;        // 0: there is none
    fence_holder holder{};
  };
  fence_row& row_of(slot_id slot);

  database& db_;
  // The fences that this batch has read already: the row of a slot is read once a transaction, not once a unit.
  std::vector<fence_row> fence_rows_;
  std::uint64_t batch_ = 0;

  statement put_workspace_, put_directory_, put_user_, put_membership_, erase_membership_, put_channel_, put_member_,
      erase_member_, insert_message_, put_message_, insert_event_, put_token_, put_app_;
  statement read_fence_, put_fence_, all_fences_;
  trimmer trimmer_;
  std::vector<std::pair<std::shared_ptr<trim_report>, trimmer::progress>> trimmed_;  // told when it is committed
  statement savepoint_, release_, undo_;
};

}  // namespace throng::sqlite
