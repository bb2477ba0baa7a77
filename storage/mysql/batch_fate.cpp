// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/batch_fate.hpp"

#include <chrono>
#include <map>

#include "storage/mysql/open_transaction.hpp"
#include "storage/mysql/query_by_keys.hpp"

namespace throng::mysql {

std::vector<post_identity> identities_of(const batch_plan& plan) {
  std::vector<post_identity> posts;
  for (const auto& [key, change] : plan.messages.in_order()) {
    const auto& row = *change.row;
    posts.push_back({row.channel, row.ts, row.seq, row.user, row.client_msg_id});
  }
  return posts;
}

bool are_all_there(connection& db, std::span<const post_identity> posts) {
  std::map<message_key, const post_identity*> missing;
  for (const auto& post : posts) missing[{post.channel.value, post.ts.micros}] = &post;
  std::vector<message_key> keys;
  for (const auto& [key, post] : missing) keys.push_back(key);
  query_by_keys(db, "SELECT channel, ts, seq, user, client_msg_id FROM messages WHERE (channel, ts)", keys, "",
                [&](rows& found) {
                  const auto channel = found.unsigned_number();
                  const auto at = missing.find({channel, found.number()});
                  const auto seq = found.unsigned_number();
                  const auto user = found.unsigned_number();
                  const auto& post = *at->second;
                  if (post.seq == seq && post.user.value == user && post.client_msg_id == found.bytes())
                    missing.erase(at);
                });
  return missing.empty();
}

batch_fate fate_of(batch_mark mark, std::span<const post_identity> posts, connection& primary) {
  open_transaction all(primary);
  const auto id = std::to_string(mark.writer);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  // Locks the row also where it isn't there yet.
  primary.run("INSERT INTO writers(id, batch, at) VALUES (" + id + ", 0, " +
              std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()) +
              ") ON DUPLICATE KEY UPDATE at = GREATEST(at + 1, VALUES(at))");
  bool is_committed = primary.number("SELECT batch FROM writers WHERE id = " + id + " FOR UPDATE") == mark.batch;
  if (!is_committed && !posts.empty()) {
    // Whoever empties a shard makes it nobody's first, and waits for us.
    if (primary.words("SELECT shard FROM shard_guard WHERE id = 0 LOCK IN SHARE MODE").empty())
      return batch_fate::moved;
    is_committed = are_all_there(primary, posts);
  }
  // What comes late finds that it is too late.
  if (!is_committed) primary.run("UPDATE writers SET batch = " + std::to_string(mark.batch + 1) + " WHERE id = " + id);
  // Whether what is here stays is shown by a commit after it: on a server that is cut off from its replicas, and about
  // to be replaced, this one hangs as that one did.
  all.release();
  primary.run("COMMIT");
  return is_committed ? batch_fate::committed : batch_fate::absent;
}

}  // namespace throng::mysql
