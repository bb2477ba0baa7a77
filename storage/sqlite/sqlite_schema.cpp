// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_schema.hpp"

#include <array>

#include "storage/model/assert.hpp"

namespace throng::sqlite {

namespace {

// Ids are stored with the top bit flipped (sqlite_database.hpp says why), times in microseconds.
// Tables with a compound key are WITHOUT ROWID: one B-tree, in the order in which they are read. Tables by a single
// number are rowid tables: that number is the key then, and large rows fit their leaves better.
constexpr std::string_view version_1 = R"sql(
CREATE TABLE workspaces(
  id INTEGER PRIMARY KEY, domain TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE directory(
  team INTEGER NOT NULL, kind INTEGER NOT NULL, id INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(team, kind, id)) WITHOUT ROWID;
CREATE TABLE users(
  id INTEGER PRIMARY KEY, team INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE memberships(
  user INTEGER NOT NULL, channel INTEGER NOT NULL, last_read INTEGER NOT NULL, is_open INTEGER NOT NULL,
  is_listed INTEGER NOT NULL, is_private INTEGER NOT NULL,
  PRIMARY KEY(user, channel)) WITHOUT ROWID;
CREATE TABLE channels(
  id INTEGER PRIMARY KEY, team INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE members(
  channel INTEGER NOT NULL, user INTEGER NOT NULL, joined INTEGER NOT NULL,
  PRIMARY KEY(channel, user)) WITHOUT ROWID;

-- thread_ts is 0 for what is not a reply. The index holds all that a thread's summary needs, and only replies are in
-- it, so an ordinary post writes one B-tree.
CREATE TABLE messages(
  channel INTEGER NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL, user INTEGER NOT NULL,
  thread_ts INTEGER NOT NULL, in_channel INTEGER NOT NULL, is_deleted INTEGER NOT NULL,
  client_msg_id TEXT NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(channel, ts)) WITHOUT ROWID;
CREATE INDEX messages_by_thread ON messages(channel, thread_ts, ts, is_deleted, user) WHERE thread_ts <> 0;

-- What was trimmed is remembered per stream: its positions are not given out again, and who missed them is told so.
CREATE TABLE events(
  kind INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(kind, id, seq)) WITHOUT ROWID;
CREATE INDEX events_by_time ON events(at);
CREATE TABLE trimmed_events(
  kind INTEGER NOT NULL, id INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(kind, id)) WITHOUT ROWID;

CREATE TABLE tokens(
  hash BLOB NOT NULL PRIMARY KEY, type INTEGER NOT NULL, team INTEGER NOT NULL, user INTEGER NOT NULL,
  app INTEGER NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,
  is_revoked INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX tokens_by_user ON tokens(user);
CREATE TABLE apps(
  id INTEGER PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE fences(
  slot INTEGER PRIMARY KEY, epoch INTEGER NOT NULL);
)sql";

// Up to which of its posts a channel has been trimmed, as trimmed_events has it for events.
constexpr std::string_view version_2 = R"sql(
CREATE TABLE trimmed_messages(
  channel INTEGER PRIMARY KEY, seq INTEGER NOT NULL, ts INTEGER NOT NULL);
)sql";

// Which start of which node holds the epoch, as ids are stored; of the rows that are there already, nobody.
constexpr std::string_view version_3 = "ALTER TABLE fences ADD COLUMN holder INTEGER NOT NULL DEFAULT 0";

constexpr std::array all_migrations{migration{1, version_1}, migration{2, version_2}, migration{3, version_3}};

}  // namespace

std::span<const migration> migrations() { return all_migrations; }

result<> check_is_ours(database& db) {
  if (db.number("PRAGMA application_id") == application_id) return done;
  if (db.number("SELECT count(*) FROM sqlite_master") == 0) return done;
  return error{errc::fatal_error, "it is a SQLite database of another program"};
}

result<> migrate(database& db, std::span<const migration> steps) {
  THRONG_ASSERT(!steps.empty());
  auto known = steps.back().version;
  if (db.number("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'") == 0) {
    transaction first(db);
    db.run("PRAGMA application_id = " + std::to_string(application_id) +
           "; CREATE TABLE schema_version(version INTEGER PRIMARY KEY, applied TEXT NOT NULL)");
    first.commit();
  }
  auto current = db.number("SELECT max(version) FROM schema_version");
  if (current > known)
    return error{errc::fatal_error, "its schema has version " + std::to_string(current) +
                                        ", and this program knows versions up to " + std::to_string(known) +
                                        "; start a newer one"};
  for (const auto& step : steps) {
    if (step.version <= current) continue;
    transaction one(db);
    db.run(std::string(step.sql));
    db.run("INSERT INTO schema_version VALUES(" + std::to_string(step.version) + ", datetime('now'))");
    one.commit();
  }
  return done;
}

}  // namespace throng::sqlite
