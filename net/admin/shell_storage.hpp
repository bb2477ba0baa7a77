// SPDX-License-Identifier: Apache-2.0
// What the shell's commands about the store show, as tables. Pure.
#pragma once

#include <string>
#include <vector>

#include "net/admin/shell_reply.hpp"
#include "net/admin/storage_admin.hpp"
#include "storage/statement_tap.hpp"

namespace throng {

shell_table shards_table(const std::vector<shard_view>& shards);
/// A line for each server instead.
shell_table servers_table(const std::vector<shard_view>& shards);
/// A line for each table, a column for each shard; "~" marks an estimate.
shell_table rows_table(const storage_admin::row_counts& counts);

/// What one API call asked of the database.
struct explained_call {
  std::string method;
  std::string outcome;  // "ok", or the error
  std::vector<statement_tap::seen> statements;
  bool is_cut = false;  // there were more
  std::chrono::microseconds took{0};
  std::uint64_t other_calls = 0;  // while it ran
};
/// Runs of the same statement on the same shard, one behind the other, are one line.
shell_table explain_table(const explained_call& call);

/// A command line for the log, without the tokens that are in it.
std::string without_tokens(std::string_view line);
/// "NAME=VALUE"… as a form's body. Errors: invalid_arguments.
result<std::string> form_of(const std::vector<std::string>& arguments, std::size_t begin);

/// "partial: shard 80- is away"; empty if none is missing.
std::string partial_note(const std::vector<std::string>& missing);

}  // namespace throng
