// SPDX-License-Identifier: Apache-2.0
// What a reshard makes in the databases, and takes away again. All of it may be repeated: a crash can come anywhere.
// Blocking; throws mysql::failure; what an operator has to put right is answered as an error.
#pragma once

#include "storage/reshard/reshard_link.hpp"

namespace throng {

/// Makes the database, its tables, and the guard row that says "filling". Errors (errc::conflict) name the server: it
/// holds another shard, or rows.
result<> prepare_target(const reshard_context& context, const key_range& shard);
/// The journal and its triggers, and this runner's number. Each trigger waits for the transactions that use its table,
/// for a second at most: then the writers go first, and it is tried again until `at_most` is over.
void install_journal(const reshard_context& context, const key_range& shard, std::chrono::milliseconds at_most);
void remove_journal(const reshard_context& context, const key_range& shard, std::chrono::milliseconds at_most);
/// That every change is noted: all triggers are there. Somebody else's change of a table may have taken them along.
void check_journal(const reshard_context& context, const key_range& shard);
/// Empties the sharded tables; the server can take another shard then. Throws failure of a shard that serves: whoever
/// calls this may have been asleep since he was told to.
void empty_shard(const reshard_context& context, const key_range& shard);
/// Empties a target that install_journal() was run on, and removes the journal. Leaves others alone: what a target was
/// refused for is not ours to delete.
void clear_target(const reshard_context& context, const key_range& shard, std::chrono::milliseconds at_most);

}  // namespace throng
