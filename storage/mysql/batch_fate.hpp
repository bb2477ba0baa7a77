// SPDX-License-Identifier: Apache-2.0
// What became of a batch that may have been committed, or not: the connection was lost, or the server said something
// that doesn't tell.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/model/records.hpp"
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

/// The name under which a store leaves its mark in the table `writers`, and the number of the batch.
struct batch_mark {
  std::uint64_t writer = 0;
  std::uint64_t batch = 0;
};

/// What of a post never changes, whoever edits or deletes it.
struct post_identity {
  channel_id channel;
  message_ts ts;
  seq_t seq = 0;
  user_id user;
  std::string client_msg_id;
};
/// Of all posts of a plan.
std::vector<post_identity> identities_of(const batch_plan& plan);
bool are_all_there(connection& db, std::span<const post_identity> posts);

enum class batch_fate {
  committed,
  absent,
  moved,  // a reshard has emptied this shard: the batch is committed if its posts are with the heirs
};
/// Asks the server that is the primary now: waits, for as long as the session's lock wait, behind a transaction that
/// still hangs there. A batch that left no mark is known by its `posts`, of which all or none are new; none: it left
/// one. Absent is for good: the batch may still be on its way, but is refused when it comes, for the mark is
/// `mark.batch + 1` from now on. Throws failure: nothing is known yet.
batch_fate fate_of(batch_mark mark, std::span<const post_identity> posts, connection& primary);

}  // namespace throng::mysql
