// SPDX-License-Identifier: Apache-2.0
// The rows of the store, as plain structs. Columns are what a query looks for; everything else is in `data`, a
// Protobuf message of actors/proto/records.proto that the store carries without reading.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "storage/model/ids.hpp"
#include "storage/model/keyspace.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// One workspace. By team id.
struct workspace_record {
  team_id id;
  std::string domain;  // unique over all workspaces
  std::string data;
  friend bool operator==(const workspace_record&, const workspace_record&) = default;
};

/// One line of a workspace's directory: a person, a channel or an installed app, whose own row lives elsewhere.
/// By team id. `name` need not be unique for the store; the WORKSPACE sees to that.
struct directory_record {
  enum class kind_t : std::uint8_t { user = 1, channel = 2, app = 3 };
  team_id team;
  kind_t kind{};
  std::uint64_t id = 0;
  std::string data;
  friend bool operator==(const directory_record&, const directory_record&) = default;
};

/// One person or bot user. By user id.
struct user_record {
  user_id id;
  team_id team;
  std::string data;
  friend bool operator==(const user_record&, const user_record&) = default;
};

/// A channel on a person's list, with the read cursor. By user id.
struct membership_record {
  user_id user;
  channel_id channel;
  message_ts last_read;
  bool is_open = true;    // for direct messages: shown in the list
  bool is_listed = true;  // false: made by the other side, and never shown yet
  bool is_private = false;
  friend bool operator==(const membership_record&, const membership_record&) = default;
};

/// One channel. By channel id.
struct channel_record {
  channel_id id;
  team_id team;
  std::string data;
  friend bool operator==(const channel_record&, const channel_record&) = default;
};

/// A member of a channel. By channel id.
struct member_record {
  channel_id channel;
  user_id user;
  wall_time joined{};
  friend bool operator==(const member_record&, const member_record&) = default;
};

/// One post. By channel id; (channel, ts) is the primary key, and ts and seq rise together within a channel.
/// A deleted post stays as a row with is_deleted and an empty `data`, so that its seq isn't a hole.
struct message_record {
  channel_id channel;
  message_ts ts;
  seq_t seq = 0;  // of the event that announced it
  user_id user;
  message_ts thread_ts;          // its thread's root if it is a reply, else none (also for a root)
  bool in_channel = true;        // false for a reply that was not broadcast: history doesn't show it
  bool is_deleted = false;
  std::string client_msg_id;     // empty: none
  std::string data;
  friend bool operator==(const message_record&, const message_record&) = default;
};

/// An event of a channel, workspace or user that is not a post (posts are their own event). By stream.
struct event_record {
  entity_key stream;
  seq_t seq = 0;
  wall_time at{};
  std::string data;
  friend bool operator==(const event_record&, const event_record&) = default;
};

/// What a thread's root shows of its replies; computed from the replies' rows.
struct thread_summary {
  message_ts root;
  std::uint32_t reply_count = 0;
  message_ts latest_reply;
  std::vector<user_id> users;  // distinct, in order of their first reply, at most 5
  std::uint32_t user_count = 0;
  friend bool operator==(const thread_summary&, const thread_summary&) = default;
};

/// SHA-256 of a token. Tokens themselves are never stored.
using token_hash = std::array<std::uint8_t, 32>;
/// What Vitess's `binary` vindex makes of it: its first 8 bytes.
ksid_t keyspace_id(const token_hash& hash);

enum class token_type : std::uint8_t { user = 1, bot = 2, app = 3 };

struct token_record {
  token_hash hash{};
  token_type type{};
  team_id team;
  user_id user;  // none for an app-level token
  app_id app;    // none for a token that was issued without an app
  std::string scopes;  // comma separated, as Slack writes them
  wall_time created{};
  wall_time expires{};  // epoch 0: never
  bool is_revoked = false;
  friend bool operator==(const token_record&, const token_record&) = default;
};

/// One app, wherever it is installed. By app id.
struct app_record {
  app_id id;
  std::string data;
  friend bool operator==(const app_record&, const app_record&) = default;
};

// -- writes ----------------------------------------------------------------------------------------------------------

/// put_* writes the whole row, whether it was there or not; inserts refuse a row that is there with errc::conflict.
struct put_workspace { workspace_record row; };     // errc::domain_taken if another workspace has the domain
struct put_directory { directory_record row; };
struct put_user { user_record row; };
struct put_membership { membership_record row; };
struct erase_membership { user_id user; channel_id channel; };
struct put_channel { channel_record row; };
struct put_member { member_record row; };
struct erase_member { channel_id channel; user_id user; };
struct insert_message { message_record row; };
struct put_message { message_record row; };         // an edit, a reaction, a pin, a deletion
struct insert_event { event_record row; };
struct put_token { token_record row; };
struct put_app { app_record row; };
/// Rows that go with time (storage/retention.hpp says when).
enum class trim_kind : std::uint8_t {
  events,    // older than `before`
  messages,  // posts older than `before`, of channels that have a row
  tokens,    // that expired before it, or are revoked and were made before it
};
/// What came of a trim; is_through: nothing was left to look at.
struct trim_report {
  std::atomic<std::size_t> rows{0};
  std::atomic<std::int64_t> busy_micros{0};  // for which the writer worked on it, its part of the commit not counted
  std::atomic<bool> is_through{false};
};
/// Deletes at most `count_max` rows of a kind (of each shard), and looks at not many more. Events go oldest first; the
/// others in the order of their keys, where the next trim of the kind goes on until it is through, and then from the
/// start. Positions of events and posts stay used: end_of() doesn't go back, and who missed some is told errc::too_old.
struct trim_rows { trim_kind what; wall_time before; std::size_t count_max; std::shared_ptr<trim_report> report; };

using write_op = std::variant<put_workspace, put_directory, put_user, put_membership, erase_membership, put_channel,
                              put_member, erase_member, insert_message, put_message, insert_event, put_token, put_app,
                              trim_rows>;

/// The right to write for the entities of one slot, as of one epoch of its ownership.
struct fence {
  slot_id slot;
  epoch_t epoch = 0;  // 0: not fenced (rows that never change after they are made: tokens, apps)
  friend bool operator==(const fence&, const fence&) = default;
};

/// Who holds a fence: one start of one node, by a number that no other start draws (new_fence_holder()).
struct fence_holder {
  std::uint64_t value = 0;
  friend bool operator==(const fence_holder&, const fence_holder&) = default;
};

/// Writes that happen together or not at all, under one fence.
struct commit_unit {
  fence guard;
  std::vector<write_op> ops;
  /// Shared by the units of one incarnation of an entity, which build on each other: when one fails, it is set, and the
  /// later ones are refused (errc::conflict) without being tried. So no position that was given out is left as a hole.
  std::shared_ptr<std::atomic<bool>> lineage{};  // null: stands alone
};

}  // namespace throng
