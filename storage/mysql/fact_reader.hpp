// SPDX-License-Identifier: Apache-2.0
// FACT READER: what plan_batch() has to know of the rows that are there, read in the batch's own transaction. Throws
// failure.
#pragma once

#include <span>

#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

/// Whether a batch can't be planned without read_domains() and read_tokens().
bool needs_facts(std::span<const commit_unit> units);

/// Which of the posts and events that are to be new are there already.
void read_rows(connection& db, std::span<const commit_unit> units, batch_facts& facts);
/// Locks what it finds. What it doesn't find is written by a plain INSERT, so that of two who want a domain one fails.
void read_domains(connection& db, std::span<const commit_unit> units, const placement& where, batch_facts& facts);
void read_tokens(connection& db, std::span<const commit_unit> units, const placement& where, batch_facts& facts);

}  // namespace throng::mysql
