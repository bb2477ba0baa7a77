// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_schema.hpp"

#include <string>

#include "storage/model/assert.hpp"

namespace throng::mysql {

namespace {

using std::string_view;

// Ids are unsigned, times in microseconds, names are bytes (their order and equality are ours, not a collation's).
// InnoDB keeps a table in the order of its primary key, so a channel's posts lie together. `ksid` routes the row
// (config/vschema.json says by which column); it is stored so that a range can be copied and counted by SQL alone.
constexpr std::array<string_view, 16> version_1{
    "CREATE TABLE IF NOT EXISTS workspaces("
    " id BIGINT UNSIGNED NOT NULL PRIMARY KEY, domain VARBINARY(255) NOT NULL, data MEDIUMBLOB NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // Lookup vindex: who has a domain. Its row may be there before the workspace's, never the other way round.
    // keyspace_id is what a vtgate reads of a lookup's table: the workspace's, as bytes. We read `workspace`.
    "CREATE TABLE IF NOT EXISTS workspace_domains("
    " domain VARBINARY(255) NOT NULL PRIMARY KEY, workspace BIGINT UNSIGNED NOT NULL,"
    " workspace_ksid BIGINT UNSIGNED NOT NULL, reserved BIGINT NOT NULL,"
    " keyspace_id BINARY(8) GENERATED ALWAYS AS (UNHEX(LPAD(HEX(workspace_ksid), 16, '0'))) VIRTUAL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS directory("
    " team BIGINT UNSIGNED NOT NULL, kind TINYINT UNSIGNED NOT NULL, id BIGINT UNSIGNED NOT NULL,"
    " data MEDIUMBLOB NOT NULL, ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(team, kind, id)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS users("
    " id BIGINT UNSIGNED NOT NULL PRIMARY KEY, team BIGINT UNSIGNED NOT NULL, data MEDIUMBLOB NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS memberships("
    " user BIGINT UNSIGNED NOT NULL, channel BIGINT UNSIGNED NOT NULL, last_read BIGINT NOT NULL,"
    " is_open TINYINT NOT NULL, is_listed TINYINT NOT NULL, is_private TINYINT NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(user, channel)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS channels("
    " id BIGINT UNSIGNED NOT NULL PRIMARY KEY, team BIGINT UNSIGNED NOT NULL, data MEDIUMBLOB NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS members("
    " channel BIGINT UNSIGNED NOT NULL, user BIGINT UNSIGNED NOT NULL, joined BIGINT NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(channel, user)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // thread_ts is 0 for what is not a reply. MySQL has no partial indexes: an ordinary post writes both B-trees.
    "CREATE TABLE IF NOT EXISTS messages("
    " channel BIGINT UNSIGNED NOT NULL, ts BIGINT NOT NULL, seq BIGINT UNSIGNED NOT NULL,"
    " user BIGINT UNSIGNED NOT NULL, thread_ts BIGINT NOT NULL, in_channel TINYINT NOT NULL,"
    " is_deleted TINYINT NOT NULL, client_msg_id VARBINARY(255) NOT NULL, data MEDIUMBLOB NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(channel, ts),"
    " KEY messages_by_thread(channel, thread_ts, ts, is_deleted, user)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS events("
    " kind TINYINT UNSIGNED NOT NULL, id BIGINT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL,"
    " at BIGINT NOT NULL, data MEDIUMBLOB NOT NULL, ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(kind, id, seq), KEY events_by_time(at)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS trimmed_events("
    " kind TINYINT UNSIGNED NOT NULL, id BIGINT UNSIGNED NOT NULL, seq BIGINT UNSIGNED NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(kind, id)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // By its owner: the user's id, or the app's for a token without a user.
    "CREATE TABLE IF NOT EXISTS tokens("
    " owner BIGINT UNSIGNED NOT NULL, hash BINARY(32) NOT NULL, type TINYINT UNSIGNED NOT NULL,"
    " team BIGINT UNSIGNED NOT NULL, user BIGINT UNSIGNED NOT NULL, app BIGINT UNSIGNED NOT NULL,"
    " scopes BLOB NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, is_revoked TINYINT NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL,"
    " PRIMARY KEY(owner, hash)) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // Lookup vindex: whose a token is; keyspace_id as above. Its row is there before the token's.
    "CREATE TABLE IF NOT EXISTS token_owners("
    " hash BINARY(32) NOT NULL PRIMARY KEY, owner BIGINT UNSIGNED NOT NULL, owner_ksid BIGINT UNSIGNED NOT NULL,"
    " keyspace_id BINARY(8) GENERATED ALWAYS AS (UNHEX(LPAD(HEX(owner_ksid), 16, '0'))) VIRTUAL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    "CREATE TABLE IF NOT EXISTS apps("
    " id BIGINT UNSIGNED NOT NULL PRIMARY KEY, data MEDIUMBLOB NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // Who may write for a slot; ksid is the slot's first.
    "CREATE TABLE IF NOT EXISTS fences("
    " slot SMALLINT UNSIGNED NOT NULL PRIMARY KEY, epoch BIGINT UNSIGNED NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",

    // -- of this server's shard, never copied to another ---------------------------------------------------------
    // One row. Every commit reads it with a shared lock: `generation` rises with each change of fences, so one number
    // tells a writer whether the epochs it knows still hold; `state` 0 takes writes, 1 is frozen, 2 is being filled.
    "CREATE TABLE IF NOT EXISTS shard_guard("
    " id TINYINT NOT NULL PRIMARY KEY, shard VARBINARY(80) NOT NULL, generation BIGINT UNSIGNED NOT NULL,"
    " state TINYINT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
    // The last batch of each writer that left a mark: how it learns what became of one when the connection was lost.
    "CREATE TABLE IF NOT EXISTS writers("
    " id BIGINT UNSIGNED NOT NULL PRIMARY KEY, batch BIGINT UNSIGNED NOT NULL, at BIGINT NOT NULL,"
    " KEY writers_by_time(at)) ENGINE=InnoDB DEFAULT CHARSET=binary",
};

// Up to which of its posts a channel has been trimmed: what is not given out again, and what who missed it is told.
constexpr std::array<string_view, 1> version_2{
    "CREATE TABLE IF NOT EXISTS trimmed_messages("
    " channel BIGINT UNSIGNED NOT NULL PRIMARY KEY, seq BIGINT UNSIGNED NOT NULL, ts BIGINT NOT NULL,"
    " ksid BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=binary",
};

// Which start of which node holds the epoch; 0: nobody who starts now.
constexpr std::array<string_view, 1> version_3{
    "ALTER TABLE fences ADD COLUMN holder BIGINT UNSIGNED NOT NULL DEFAULT 0, ALGORITHM=INSTANT"};

constexpr std::array all_migrations{migration{1, version_1}, migration{2, version_2}, migration{3, version_3}};

template <std::size_t Count>
using names = std::array<string_view, Count>;

constexpr names<1> by_id{"id"};
constexpr names<4> workspaces_columns{"id", "domain", "data", "ksid"};
constexpr names<1> by_domain{"domain"};
constexpr names<5> workspace_domains_columns{"domain", "workspace", "workspace_ksid", "reserved", "ksid"};
constexpr names<3> directory_key{"team", "kind", "id"};
constexpr names<5> directory_columns{"team", "kind", "id", "data", "ksid"};
constexpr names<4> id_team_data_columns{"id", "team", "data", "ksid"};  // users, channels
constexpr names<2> memberships_key{"user", "channel"};
constexpr names<7> memberships_columns{"user", "channel", "last_read", "is_open", "is_listed", "is_private", "ksid"};
constexpr names<2> members_key{"channel", "user"};
constexpr names<4> members_columns{"channel", "user", "joined", "ksid"};
constexpr names<2> messages_key{"channel", "ts"};
constexpr names<10> messages_columns{"channel",    "ts",         "seq",           "user", "thread_ts",
                                     "in_channel", "is_deleted", "client_msg_id", "data", "ksid"};
constexpr names<3> events_key{"kind", "id", "seq"};
constexpr names<6> events_columns{"kind", "id", "seq", "at", "data", "ksid"};
constexpr names<2> trimmed_events_key{"kind", "id"};
constexpr names<4> trimmed_events_columns{"kind", "id", "seq", "ksid"};
constexpr names<1> by_channel{"channel"};
constexpr names<4> trimmed_messages_columns{"channel", "seq", "ts", "ksid"};
constexpr names<2> tokens_key{"owner", "hash"};
constexpr names<11> tokens_columns{"owner",  "hash",    "type",    "team",       "user", "app",
                                   "scopes", "created", "expires", "is_revoked", "ksid"};
constexpr names<1> by_hash{"hash"};
constexpr names<4> token_owners_columns{"hash", "owner", "owner_ksid", "ksid"};
constexpr names<3> apps_columns{"id", "data", "ksid"};
constexpr names<1> by_slot{"slot"};
constexpr names<4> fences_columns{"slot", "epoch", "ksid", "holder"};

constexpr std::array all_sharded_tables{
    table_layout{"workspaces", by_id, workspaces_columns},
    table_layout{"workspace_domains", by_domain, workspace_domains_columns},
    table_layout{"directory", directory_key, directory_columns},
    table_layout{"users", by_id, id_team_data_columns},
    table_layout{"memberships", memberships_key, memberships_columns},
    table_layout{"channels", by_id, id_team_data_columns},
    table_layout{"members", members_key, members_columns},
    table_layout{"messages", messages_key, messages_columns},
    table_layout{"events", events_key, events_columns},
    table_layout{"trimmed_events", trimmed_events_key, trimmed_events_columns},
    table_layout{"trimmed_messages", by_channel, trimmed_messages_columns},
    table_layout{"tokens", tokens_key, tokens_columns},
    table_layout{"token_owners", by_hash, token_owners_columns},
    table_layout{"apps", by_id, apps_columns},
    table_layout{"fences", by_slot, fences_columns},
};

}  // namespace

std::span<const migration> migrations() { return all_migrations; }

std::span<const table_layout> sharded_tables() { return all_sharded_tables; }

}  // namespace throng::mysql
