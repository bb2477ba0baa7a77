// SPDX-License-Identifier: Apache-2.0
// STORE: what keeps the rows. Blocking classes; storage/commit_queue.hpp and storage/reader_pool.hpp put them on
// threads of their own. Implementations: storage/sqlite/ (one file). tests/unit/storage/store_contract.hpp is what
// each of them passes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// The strings of one row hold at most this much; a larger write is refused with errc::request_too_large. It is far
/// above what the protocols let in, and below what any database takes in one packet.
inline constexpr std::size_t row_bytes_max = 8u << 20;

/// Reads. One reader is used by one thread at a time; a store hands out several.
/// Every list is in ascending key order unless it says otherwise, starts strictly after the given key, and has at
/// most `count_max` rows. Errors: errc::not_found where a single row is asked for; errc::service_unavailable when the
/// store can't be read (the caller may try again).
class store_reader {
 public:
  virtual ~store_reader() = default;

  virtual result<workspace_record> workspace(team_id id) = 0;
  virtual result<workspace_record> workspace_by_domain(std::string_view domain) = 0;
  virtual result<std::vector<workspace_record>> workspaces(team_id after, std::size_t count_max) = 0;
  virtual result<std::vector<directory_record>> directory(team_id team, directory_record::kind_t kind,
                                                          std::uint64_t after, std::size_t count_max) = 0;
  virtual result<user_record> user(user_id id) = 0;
  virtual result<std::vector<membership_record>> memberships(user_id user, channel_id after, std::size_t count_max) = 0;
  virtual result<channel_record> channel(channel_id id) = 0;
  virtual result<std::vector<member_record>> members(channel_id channel, user_id after, std::size_t count_max) = 0;

  /// Which posts of a channel. `oldest` and `latest` bound ts, each inclusive if `inclusive`; none means open.
  struct message_range {
    message_ts oldest;
    message_ts latest;
    bool inclusive = false;
    bool newest_first = true;
    bool with_hidden_replies = false;  // also replies that were not broadcast
    bool with_deleted = false;
    std::size_t count_max = 100;
  };
  virtual result<std::vector<message_record>> messages(channel_id channel, const message_range& range) = 0;
  virtual result<message_record> message(channel_id channel, message_ts ts) = 0;
  /// Replies of one thread (not its root), oldest first; bounds and `with_deleted` as in `range`, whose order and
  /// `with_hidden_replies` don't count.
  virtual result<std::vector<message_record>> replies(channel_id channel, message_ts root,
                                                      const message_range& range) = 0;
  /// One summary for each of `roots` that has replies that are not deleted.
  virtual result<std::vector<thread_summary>> thread_summaries(channel_id channel,
                                                               std::span<const message_ts> roots) = 0;

  /// The last position used in a stream: posts and events of a channel, events of a workspace or user. 0 if none.
  struct stream_end {
    seq_t seq = 0;
    message_ts ts;  // of the newest post, deleted ones too
  };
  virtual result<stream_end> end_of(entity_key stream) = 0;
  /// Posts with seq > `after`, oldest first, deleted ones and hidden replies included; errc::too_old if there are more
  /// than `count_max` of them, or if some have been trimmed.
  virtual result<std::vector<message_record>> messages_after(channel_id channel, seq_t after,
                                                             std::size_t count_max) = 0;
  /// Events with seq > `after`, oldest first; errc::too_old if there are more than `count_max`, or if some of them
  /// have been trimmed.
  virtual result<std::vector<event_record>> events_after(entity_key stream, seq_t after, std::size_t count_max) = 0;

  virtual result<token_record> token(const token_hash& hash) = 0;
  virtual result<std::vector<token_record>> tokens_of(user_id user, std::size_t count_max) = 0;
  virtual result<app_record> app(app_id id) = 0;
};

/// Writes, and readers. commit() and raise_fences() are called by one thread.
class store {
 public:
  virtual ~store() = default;

  /// Commits `units` in one durable transaction and says for each how it went, in order. A unit whose fence is stale
  /// (errc::stale_epoch), or one of whose writes is refused (errc::conflict, errc::domain_taken,
  /// errc::request_too_large), leaves no trace, breaks its lineage, and doesn't disturb the units of others.
  /// An error of the whole (errc::storage_full, errc::service_unavailable) means that no unit was committed, and none
  /// of them comes back later; a store that can't promise that doesn't answer until it can, or ends the process. When
  /// it returns, what it calls committed survives kill −9 and power loss. errc::wrong_owner is an error of the whole
  /// too: this store is one shard, and it no longer (or not yet) takes writes of its range, because it is being
  /// resharded: the units belong to another shard as soon as the topology says so.
  virtual result<std::vector<result<>>> commit(std::span<const commit_unit> units) = 0;

  /// Takes slots for `by`, all of a shard's or none: when it returns, units with smaller epochs are refused.
  /// errc::stale_epoch if a slot's epoch is larger already, or somebody else holds the same: an epoch has one holder,
  /// whatever tables say. Who holds it may take it again.
  virtual result<> raise_fences(std::span<const fence> guards, fence_holder by) = 0;
  result<> raise_fence(fence guard, fence_holder by = {}) { return raise_fences({&guard, 1}, by); }
  /// The epochs of all slots that have one.
  virtual result<std::vector<fence>> fences() = 0;

  virtual std::unique_ptr<store_reader> make_reader() = 0;
};

}  // namespace throng
