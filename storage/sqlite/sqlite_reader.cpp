// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_reader.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "storage/reply_gatherer.hpp"
#include "storage/sqlite/sqlite_database.hpp"

namespace throng::sqlite {

namespace {

#define THRONG_MESSAGE_COLUMNS "channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data"
#define THRONG_TOKEN_COLUMNS "hash, type, team, user, app, scopes, created, expires, is_revoked"
// A page of history: ?2 and ?3 are the bounds of ts, both inclusive.
#define THRONG_HISTORY                                                                \
  "SELECT " THRONG_MESSAGE_COLUMNS                                                    \
  " FROM messages WHERE channel = ?1 AND ts BETWEEN ?2 AND ?3 AND (in_channel OR ?4)" \
  " AND (NOT is_deleted OR ?5) ORDER BY ts "

/// A connection with all its statements.
struct connection {
  connection(const std::filesystem::path& file, const reader_options& options)
      : db(file, database::mode::read_only, options.busy_timeout_ms) {
    db.run("PRAGMA cache_size = -" + std::to_string(options.cache_bytes / 1024));
    db.run("PRAGMA trusted_schema = OFF");
  }

  database db;
  statement workspace{db, "SELECT id, domain, data FROM workspaces WHERE id = ?"};
  statement workspace_by_domain{db, "SELECT id, domain, data FROM workspaces WHERE domain = ?"};
  statement workspaces{db, "SELECT id, domain, data FROM workspaces WHERE id > ? ORDER BY id LIMIT ?"};
  statement directory{db,
                      "SELECT team, kind, id, data FROM directory WHERE team = ? AND kind = ? AND id > ?"
                      " ORDER BY id LIMIT ?"};
  statement user{db, "SELECT id, team, data FROM users WHERE id = ?"};
  statement memberships{
      db,
      "SELECT user, channel, last_read, is_open, is_listed, is_private FROM memberships WHERE user = ? AND channel > ?"
      " ORDER BY channel LIMIT ?"};
  statement channel{db, "SELECT id, team, data FROM channels WHERE id = ?"};
  statement members{db,
                    "SELECT channel, user, joined FROM members WHERE channel = ? AND user > ? ORDER BY user LIMIT ?"};
  statement newest_messages{db, THRONG_HISTORY "DESC LIMIT ?6"};
  statement oldest_messages{db, THRONG_HISTORY "ASC LIMIT ?6"};
  statement message{db, "SELECT " THRONG_MESSAGE_COLUMNS " FROM messages WHERE channel = ? AND ts = ?"};
  statement replies{db, "SELECT " THRONG_MESSAGE_COLUMNS
                        " FROM messages INDEXED BY messages_by_thread WHERE channel = ? AND thread_ts = ?"
                        " AND thread_ts <> 0 AND ts BETWEEN ? AND ? AND (NOT is_deleted OR ?) ORDER BY ts LIMIT ?"};
  statement replies_between{db,
                            "SELECT thread_ts, user, ts, is_deleted FROM messages INDEXED BY messages_by_thread"
                            " WHERE channel = ? AND thread_ts BETWEEN ? AND ? AND thread_ts <> 0"
                            " ORDER BY thread_ts, ts LIMIT ?"};
  // One row a person, by her first reply; the index alone answers it.
  statement thread_people{db,
                          "SELECT user, min(ts), max(ts), count(*) FROM messages INDEXED BY messages_by_thread"
                          " WHERE channel = ? AND thread_ts = ? AND thread_ts <> 0 AND NOT is_deleted"
                          " GROUP BY user ORDER BY 2"};
  statement newest_message{db, "SELECT seq, ts FROM messages WHERE channel = ? ORDER BY ts DESC LIMIT 1"};
  statement newest_event{db, "SELECT seq FROM events WHERE kind = ? AND id = ? ORDER BY seq DESC LIMIT 1"};
  statement trimmed{db, "SELECT seq FROM trimmed_events WHERE kind = ? AND id = ?"};
  statement trimmed_posts{db, "SELECT seq, ts FROM trimmed_messages WHERE channel = ?"};
  // No index by seq: ts and seq rise together, so the scan from the newest post ends where `after` is reached.
  statement messages_from_newest{
      db, "SELECT " THRONG_MESSAGE_COLUMNS " FROM messages WHERE channel = ? ORDER BY ts DESC LIMIT ?"};
  statement events_after{db,
                         "SELECT kind, id, seq, at, data FROM events WHERE kind = ? AND id = ? AND seq > ?"
                         " ORDER BY seq LIMIT ?"};
  statement token{db, "SELECT " THRONG_TOKEN_COLUMNS " FROM tokens WHERE hash = ?"};
  statement tokens_of{db, "SELECT " THRONG_TOKEN_COLUMNS " FROM tokens WHERE user = ? ORDER BY hash LIMIT ?"};
  statement app{db, "SELECT id, data FROM apps WHERE id = ?"};
};

// Braces: the columns are read from left to right, in the order of the members.
void read(rows& from, workspace_record& row) { row = {from.id<team_id>(), from.bytes(), from.bytes()}; }
void read(rows& from, directory_record& row) {
  row = {from.id<team_id>(), static_cast<directory_record::kind_t>(from.number()), from.ordered_number(), from.bytes()};
}
void read(rows& from, user_record& row) { row = {from.id<user_id>(), from.id<team_id>(), from.bytes()}; }
void read(rows& from, membership_record& row) {
  row = {from.id<user_id>(), from.id<channel_id>(), from.ts(), from.flag(), from.flag(), from.flag()};
}
void read(rows& from, channel_record& row) { row = {from.id<channel_id>(), from.id<team_id>(), from.bytes()}; }
void read(rows& from, member_record& row) { row = {from.id<channel_id>(), from.id<user_id>(), from.time()}; }
void read(rows& from, message_record& row) {
  row = {from.id<channel_id>(), from.ts(),   from.count(), from.id<user_id>(), from.ts(),
         from.flag(),           from.flag(), from.bytes(), from.bytes()};
}
void read(rows& from, event_record& row) {
  auto kind = static_cast<entity_kind>(from.number());
  auto id = from.ordered_number();
  row = {entity_key{kind, id}, from.count(), from.time(), from.bytes()};
}
void read(rows& from, token_record& row) {
  auto hash = from.bytes();
  std::copy_n(hash.begin(), std::min(hash.size(), row.hash.size()), row.hash.begin());
  row.type = static_cast<token_type>(from.number());
  row.team = from.id<team_id>();
  row.user = from.id<user_id>();
  row.app = from.id<app_id>();
  row.scopes = from.bytes();
  row.created = from.time();
  row.expires = from.time();
  row.is_revoked = from.flag();
}
void read(rows& from, app_record& row) { row = {from.id<app_id>(), from.bytes()}; }

template <class Record>
result<Record> single(rows found) {
  if (!found.next()) return errc::not_found;
  Record row;
  read(found, row);
  return row;
}

template <class Record>
std::vector<Record> list(rows found) {
  std::vector<Record> all;
  while (found.next()) read(found, all.emplace_back());
  return all;
}

struct bounds {
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
};

/// The range with both ends inclusive. The ends of the 64 bits themselves don't occur: a ts is a clock's.
bounds bounds_of(const store_reader::message_range& range) {
  bounds both;
  if (range.oldest) both.low = range.oldest.micros + (range.inclusive || range.oldest.micros == both.high ? 0 : 1);
  if (range.latest) both.high = range.latest.micros - (range.inclusive || range.latest.micros == both.low ? 0 : 1);
  return both;
}

/// `count_max` + 1 as a LIMIT, to see whether there is more.
counter one_more(std::size_t count_max) { return {count_max == SIZE_MAX ? count_max : count_max + 1}; }

class reader final : public store_reader {
 public:
  reader(std::filesystem::path file, reader_options options) : file_(std::move(file)), options_(options) {}

  result<workspace_record> workspace(team_id id) override {
    return run<workspace_record>([&](auto& db) { return single<workspace_record>(db.workspace.query(id)); });
  }
  result<workspace_record> workspace_by_domain(std::string_view domain) override {
    return run<workspace_record>(
        [&](auto& db) { return single<workspace_record>(db.workspace_by_domain.query(text{domain})); });
  }
  result<std::vector<workspace_record>> workspaces(team_id after, std::size_t count_max) override {
    return run<std::vector<workspace_record>>(
        [&](auto& db) { return list<workspace_record>(db.workspaces.query(after, counter{count_max})); });
  }
  result<std::vector<directory_record>> directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                                  std::size_t count_max) override {
    return run<std::vector<directory_record>>([&](auto& db) {
      return list<directory_record>(
          db.directory.query(team, static_cast<std::int64_t>(kind), ordered{after}, counter{count_max}));
    });
  }
  result<user_record> user(user_id id) override {
    return run<user_record>([&](auto& db) { return single<user_record>(db.user.query(id)); });
  }
  result<std::vector<membership_record>> memberships(user_id user, channel_id after, std::size_t count_max) override {
    return run<std::vector<membership_record>>(
        [&](auto& db) { return list<membership_record>(db.memberships.query(user, after, counter{count_max})); });
  }
  result<channel_record> channel(channel_id id) override {
    return run<channel_record>([&](auto& db) { return single<channel_record>(db.channel.query(id)); });
  }
  result<std::vector<member_record>> members(channel_id channel, user_id after, std::size_t count_max) override {
    return run<std::vector<member_record>>(
        [&](auto& db) { return list<member_record>(db.members.query(channel, after, counter{count_max})); });
  }

  result<std::vector<message_record>> messages(channel_id channel, const message_range& range) override {
    return run<std::vector<message_record>>([&](auto& db) {
      auto [low, high] = bounds_of(range);
      auto& how = range.newest_first ? db.newest_messages : db.oldest_messages;
      return list<message_record>(
          how.query(channel, low, high, range.with_hidden_replies, range.with_deleted, counter{range.count_max}));
    });
  }
  result<message_record> message(channel_id channel, message_ts ts) override {
    return run<message_record>([&](auto& db) { return single<message_record>(db.message.query(channel, ts)); });
  }
  result<std::vector<message_record>> replies(channel_id channel, message_ts root,
                                              const message_range& range) override {
    return run<std::vector<message_record>>([&](auto& db) {
      auto [low, high] = bounds_of(range);
      return list<message_record>(
          db.replies.query(channel, root, low, high, range.with_deleted, counter{range.count_max}));
    });
  }
  result<std::vector<thread_summary>> thread_summaries(channel_id channel, std::span<const message_ts> roots) override {
    return run<std::vector<thread_summary>>([&](auto& db) {
      if (auto gathered = gather(db, channel, roots)) return *std::move(gathered);
      std::vector<thread_summary> all;
      for (auto root : roots) {
        auto summary = summarize(db, channel, root);
        if (summary.reply_count != 0) all.push_back(std::move(summary));
      }
      return all;
    });
  }

  result<stream_end> end_of(entity_key stream) override {
    return run<stream_end>([&](auto& db) {
      stream_end end;
      if (stream.kind == entity_kind::channel) {
        auto newest = db.newest_message.query(ordered{stream.id});
        if (newest.next()) end.seq = newest.count(), end.ts = newest.ts();
        auto trimmed = db.trimmed_posts.query(ordered{stream.id});
        if (trimmed.next()) end.seq = std::max(end.seq, trimmed.count()), end.ts = std::max(end.ts, trimmed.ts());
      }
      // The rows first, here and above: what a trim takes away between the two is in the second.
      for (auto* last : {&db.newest_event, &db.trimmed}) {
        auto found = last->query(kind(stream), ordered{stream.id});
        if (found.next()) end.seq = std::max(end.seq, found.count());
      }
      return end;
    });
  }
  result<std::vector<message_record>> messages_after(channel_id channel, seq_t after, std::size_t count_max) override {
    return run<std::vector<message_record>>([&](auto& db) -> result<std::vector<message_record>> {
      std::vector<message_record> newer;
      auto found = db.messages_from_newest.query(channel, one_more(count_max));
      while (found.next()) {
        message_record row;
        read(found, row);
        if (row.seq <= after) break;
        if (newer.size() == count_max) return errc::too_old;
        newer.push_back(std::move(row));
      }
      auto trimmed = db.trimmed_posts.query(channel);  // after the posts, so that a trim in between is noticed
      if (trimmed.next() && trimmed.count() > after) return errc::too_old;
      std::ranges::reverse(newer);
      return newer;
    });
  }
  result<std::vector<event_record>> events_after(entity_key stream, seq_t after, std::size_t count_max) override {
    return run<std::vector<event_record>>([&](auto& db) -> result<std::vector<event_record>> {
      auto newer = list<event_record>(
          db.events_after.query(kind(stream), ordered{stream.id}, counter{after}, one_more(count_max)));
      if (newer.size() > count_max) return errc::too_old;
      // After the events, so that a trim in between is noticed.
      auto trimmed = db.trimmed.query(kind(stream), ordered{stream.id});
      if (trimmed.next() && trimmed.count() > after) return errc::too_old;
      return newer;
    });
  }

  result<token_record> token(const token_hash& hash) override {
    return run<token_record>([&](auto& db) { return single<token_record>(db.token.query(hash)); });
  }
  result<std::vector<token_record>> tokens_of(user_id user, std::size_t count_max) override {
    return run<std::vector<token_record>>(
        [&](auto& db) { return list<token_record>(db.tokens_of.query(user, counter{count_max})); });
  }
  result<app_record> app(app_id id) override {
    return run<app_record>([&](auto& db) { return single<app_record>(db.app.query(id)); });
  }

 private:
  static std::int64_t kind(entity_key stream) { return static_cast<std::int64_t>(stream.kind); }

  /// All of it in one look at the replies between the first and the last root, if they are few.
  static std::optional<std::vector<thread_summary>> gather(connection& db, channel_id channel,
                                                           std::span<const message_ts> roots) {
    if (roots.size() < reply_gatherer::roots_min) return std::nullopt;
    auto [first, last] = std::ranges::minmax(roots);
    auto found = db.replies_between.query(channel, first, last, counter{reply_gatherer::replies_max + 1});
    reply_gatherer replies;
    std::size_t count = 0;
    for (; found.next(); ++count) {
      auto root = found.ts();
      auto user = found.id<user_id>();
      auto ts = found.ts();
      if (!found.flag()) replies.add(root, user, ts);
    }
    if (count > reply_gatherer::replies_max) return std::nullopt;
    return replies.summaries(roots);
  }

  static thread_summary summarize(connection& db, channel_id channel, message_ts root) {
    constexpr std::size_t users_shown = 5;
    thread_summary summary{root, 0, {}, {}, 0};
    auto people = db.thread_people.query(channel, root);
    while (people.next()) {
      auto user = people.id<user_id>();
      [[maybe_unused]] auto first_reply = people.ts();
      summary.latest_reply = std::max(summary.latest_reply, people.ts());
      summary.reply_count += static_cast<std::uint32_t>(people.number());
      ++summary.user_count;
      if (summary.users.size() < users_shown) summary.users.push_back(user);
    }
    return summary;
  }

  template <class Value, class Query>
  result<Value> run(Query query) {
    try {
      if (!connection_) connection_.emplace(file_, options_);
      return query(*connection_);
    } catch (const failure& why) {
      connection_.reset();
      return error{errc::service_unavailable, why.to_error().detail};
    }
  }

  std::filesystem::path file_;
  reader_options options_;
  std::optional<connection> connection_;
};

}  // namespace

std::unique_ptr<store_reader> make_reader(std::filesystem::path file, reader_options options) {
  return std::make_unique<reader>(std::move(file), options);
}

}  // namespace throng::sqlite
