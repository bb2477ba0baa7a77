// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_reader.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "storage/lookups.hpp"
#include "storage/mysql/batch_sql.hpp"
#include "storage/reply_gatherer.hpp"

namespace throng::mysql {

namespace {

#define THRONG_MESSAGE_COLUMNS "channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data"
#define THRONG_TOKEN_COLUMNS "t.hash, t.type, t.team, t.user, t.app, t.scopes, t.created, t.expires, t.is_revoked"
// A page of history: the second and third parameters are the bounds of ts, both inclusive.
#define THRONG_HISTORY                                                           \
  "SELECT " THRONG_MESSAGE_COLUMNS                                               \
  " FROM messages FORCE INDEX(PRIMARY) WHERE channel = ? AND ts BETWEEN ? AND ?" \
  " AND (in_channel <> 0 OR ? <> 0) AND (is_deleted = 0 OR ? <> 0) ORDER BY ts "

/// The statements, each prepared when it is first used on a connection.
enum query_id : std::size_t {
  workspace_by_id,
  workspace_by_domain,
  workspace_list,
  directory_list,
  user_by_id,
  membership_list,
  channel_by_id,
  member_list,
  newest_messages,
  oldest_messages,
  message_by_ts,
  reply_list,
  replies_between,
  end_of_channel,
  end_of_stream,
  messages_before,
  event_list,
  token_by_hash,
  token_by_owner,
  token_list,
  app_by_id,
  owner_of_domain,
  owner_of_token,
  query_count
};

constexpr std::array<std::string_view, query_count> queries{
    "SELECT id, domain, data FROM workspaces WHERE id = ?",
    "SELECT w.id, w.domain, w.data FROM workspace_domains d JOIN workspaces w ON w.id = d.workspace"
    " AND w.domain = d.domain WHERE d.domain = ?",
    "SELECT id, domain, data FROM workspaces WHERE id > ? ORDER BY id LIMIT ?",
    "SELECT team, kind, id, data FROM directory WHERE team = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?",
    "SELECT id, team, data FROM users WHERE id = ?",
    "SELECT user, channel, last_read, is_open, is_listed, is_private FROM memberships WHERE user = ? AND channel > ?"
    " ORDER BY channel LIMIT ?",
    "SELECT id, team, data FROM channels WHERE id = ?",
    "SELECT channel, user, joined FROM members WHERE channel = ? AND user > ? ORDER BY user LIMIT ?",
    THRONG_HISTORY "DESC LIMIT ?",
    THRONG_HISTORY "ASC LIMIT ?",
    "SELECT " THRONG_MESSAGE_COLUMNS " FROM messages WHERE channel = ? AND ts = ?",
    "SELECT " THRONG_MESSAGE_COLUMNS
    " FROM messages FORCE INDEX(messages_by_thread) WHERE channel = ? AND thread_ts = ? AND thread_ts <> 0"
    " AND ts BETWEEN ? AND ? AND (is_deleted = 0 OR ? <> 0) ORDER BY ts LIMIT ?",
    "SELECT thread_ts, user, ts, is_deleted FROM messages FORCE INDEX(messages_by_thread)"
    " WHERE channel = ? AND thread_ts BETWEEN ? AND ? AND thread_ts <> 0 ORDER BY thread_ts, ts LIMIT ?",
    // One statement sees one state: what a trim takes away is in the other place then.
    "SELECT (SELECT seq FROM messages WHERE channel = ? ORDER BY ts DESC LIMIT 1),"
    " (SELECT ts FROM messages WHERE channel = ? ORDER BY ts DESC LIMIT 1),"
    " (SELECT seq FROM trimmed_messages WHERE channel = ?), (SELECT ts FROM trimmed_messages WHERE channel = ?),"
    " (SELECT seq FROM events WHERE kind = ? AND id = ? ORDER BY seq DESC LIMIT 1),"
    " (SELECT seq FROM trimmed_events WHERE kind = ? AND id = ?)",
    "SELECT (SELECT seq FROM events WHERE kind = ? AND id = ? ORDER BY seq DESC LIMIT 1),"
    " (SELECT seq FROM trimmed_events WHERE kind = ? AND id = ?)",
    // No index by seq: ts and seq rise together, so pages from the newest post end where the position is reached.
    // First of each page what is gone, for the same reason.
    "SELECT 1, channel, ts, seq, 0, 0, 0, 0, '', '' FROM trimmed_messages WHERE channel = ? UNION ALL"
    " (SELECT 0, " THRONG_MESSAGE_COLUMNS
    " FROM messages FORCE INDEX(PRIMARY) WHERE channel = ? AND ts < ? ORDER BY ts DESC LIMIT ?)",
    "SELECT 1, kind, id, seq, 0, '' FROM trimmed_events WHERE kind = ? AND id = ? UNION ALL"
    " (SELECT 0, kind, id, seq, at, data FROM events WHERE kind = ? AND id = ? AND seq > ? ORDER BY seq LIMIT ?)",
    "SELECT " THRONG_TOKEN_COLUMNS
    " FROM token_owners o JOIN tokens t ON t.owner = o.owner AND t.hash = o.hash WHERE o.hash = ?",
    "SELECT " THRONG_TOKEN_COLUMNS " FROM tokens t WHERE t.owner = ? AND t.hash = ?",
    "SELECT " THRONG_TOKEN_COLUMNS " FROM tokens t WHERE t.owner = ? AND t.user = t.owner ORDER BY t.hash LIMIT ?",
    "SELECT id, data FROM apps WHERE id = ?",
    "SELECT workspace, reserved FROM workspace_domains WHERE domain = ?",
    "SELECT owner FROM token_owners WHERE hash = ?",
};

constexpr std::size_t first_page = 64;  // of messages_after(): most who resume missed little
constexpr std::size_t longest_page = 4096;

/// A connection's statements.
class session {
 public:
  session(connection& db, std::uint64_t generation) : db_(db), generation_(generation) {}

  statement& operator[](query_id which) {
    auto& one = prepared_[which];
    if (!one) one.emplace(db_, queries[which]);
    return *one;
  }
  connection& db() { return db_; }
  std::uint64_t generation() const { return generation_; }

 private:
  connection& db_;
  std::uint64_t generation_;
  std::array<std::optional<statement>, query_count> prepared_;
};

// Braces: the columns are read from left to right, in the order of the members.
void read(rows& from, workspace_record& row) { row = {from.id<team_id>(), from.bytes(), from.bytes()}; }
void read(rows& from, directory_record& row) {
  row = {from.id<team_id>(), static_cast<directory_record::kind_t>(from.number()), from.unsigned_number(),
         from.bytes()};
}
void read(rows& from, user_record& row) { row = {from.id<user_id>(), from.id<team_id>(), from.bytes()}; }
void read(rows& from, membership_record& row) {
  row = {from.id<user_id>(), from.id<channel_id>(), from.ts(), from.flag(), from.flag(), from.flag()};
}
void read(rows& from, channel_record& row) { row = {from.id<channel_id>(), from.id<team_id>(), from.bytes()}; }
void read(rows& from, member_record& row) { row = {from.id<channel_id>(), from.id<user_id>(), from.time()}; }
void read(rows& from, message_record& row) {
  row = {from.id<channel_id>(), from.ts(),   from.unsigned_number(), from.id<user_id>(), from.ts(),
         from.flag(),           from.flag(), from.bytes(),           from.bytes()};
}
void read(rows& from, event_record& row) {
  auto kind = static_cast<entity_kind>(from.number());
  auto id = from.unsigned_number();
  row = {entity_key{kind, id}, from.unsigned_number(), from.time(), from.bytes()};
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
void read(rows& from, domain_reservation& row) { row = {from.id<team_id>(), from.time()}; }
void read(rows& from, std::uint64_t& row) { row = from.unsigned_number(); }

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
  all.reserve(found.count());
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
std::uint64_t one_more(std::size_t count_max) { return count_max == SIZE_MAX ? count_max : count_max + 1; }

class reader final : public store_reader, public lookup_reader {
 public:
  reader(primary_link link, std::shared_ptr<shard_health> health, std::chrono::milliseconds patience)
      : link_(std::move(link)), health_(std::move(health)), patience_(patience) {}

  result<workspace_record> workspace(team_id id) override { return one<workspace_record>(mysql::workspace_by_id, id); }
  result<workspace_record> workspace_by_domain(std::string_view domain) override {
    return one<workspace_record>(mysql::workspace_by_domain, text{domain});
  }
  result<std::vector<workspace_record>> workspaces(team_id after, std::size_t count_max) override {
    return many<workspace_record>(workspace_list, after, count_max);
  }
  result<std::vector<directory_record>> directory(team_id team, directory_record::kind_t kind, std::uint64_t after,
                                                  std::size_t count_max) override {
    return many<directory_record>(directory_list, team, static_cast<std::uint64_t>(kind), after, count_max);
  }
  result<user_record> user(user_id id) override { return one<user_record>(user_by_id, id); }
  result<std::vector<membership_record>> memberships(user_id user, channel_id after, std::size_t count_max) override {
    return many<membership_record>(membership_list, user, after, count_max);
  }
  result<channel_record> channel(channel_id id) override { return one<channel_record>(channel_by_id, id); }
  result<std::vector<member_record>> members(channel_id channel, user_id after, std::size_t count_max) override {
    return many<member_record>(member_list, channel, after, count_max);
  }

  result<std::vector<message_record>> messages(channel_id channel, const message_range& range) override {
    auto [low, high] = bounds_of(range);
    return many<message_record>(range.newest_first ? newest_messages : oldest_messages, channel, low, high,
                                range.with_hidden_replies, range.with_deleted, range.count_max);
  }
  result<message_record> message(channel_id channel, message_ts ts) override {
    return one<message_record>(message_by_ts, channel, ts);
  }
  result<std::vector<message_record>> replies(channel_id channel, message_ts root,
                                              const message_range& range) override {
    auto [low, high] = bounds_of(range);
    return many<message_record>(reply_list, channel, root, low, high, range.with_deleted, range.count_max);
  }
  result<std::vector<thread_summary>> thread_summaries(channel_id channel, std::span<const message_ts> roots) override {
    if (roots.empty()) return std::vector<thread_summary>{};
    return run<std::vector<thread_summary>>([&](session& at) {
      if (auto all = gather(at, channel, roots)) return *std::move(all);
      std::map<message_ts, thread_summary> found;
      for (auto left = roots; !left.empty();) {
        auto some = left.first(std::min(listed_keys_max, left.size()));
        left = left.subspan(some.size());
        summarize(at.db(), channel, some, found);
      }
      std::vector<thread_summary> all;
      for (auto root : roots)
        if (auto summary = found.find(root); summary != found.end()) all.push_back(summary->second);
      return all;
    });
  }

  result<stream_end> end_of(entity_key stream) override {
    return run<stream_end>([&](session& at) {
      auto kind = static_cast<std::uint64_t>(stream.kind);
      auto is_channel = stream.kind == entity_kind::channel;
      auto found = is_channel ? at[end_of_channel].query(stream.id, stream.id, stream.id, stream.id, kind, stream.id,
                                                             kind, stream.id)
                              : at[mysql::end_of_stream].query(kind, stream.id, kind, stream.id);
      found.next();
      stream_end end;
      for (int i = 0; is_channel && i < 2; ++i) {
        end.seq = std::max(end.seq, found.unsigned_number());
        end.ts = std::max(end.ts, found.ts());
      }
      for (int i = 0; i < 2; ++i) end.seq = std::max(end.seq, found.unsigned_number());
      return end;
    });
  }
  result<std::vector<message_record>> messages_after(channel_id channel, seq_t after, std::size_t count_max) override {
    return run<std::vector<message_record>>([&](session& at) -> result<std::vector<message_record>> {
      std::vector<message_record> newer;
      auto before = message_ts{std::numeric_limits<std::int64_t>::max()};
      auto page = first_page;
      while (true) {
        // What a page lacks has been there for longer than what it has, so pages of one moment each make one list.
        auto wanted = std::min<std::uint64_t>(page, one_more(count_max - newer.size()));
        auto found = at[messages_before].query(channel, channel, before, wanted);
        std::vector<message_record> rows;
        bool is_too_old = false;
        while (found.next()) {
          auto is_trimmed = found.flag();
          message_record row;
          read(found, row);
          if (is_trimmed)
            is_too_old = row.seq > after;
          else
            rows.push_back(std::move(row));
        }
        if (is_too_old) return errc::too_old;
        std::ranges::sort(rows, std::greater(), &message_record::ts);  // a UNION promises no order
        for (auto& row : rows) {
          if (row.seq <= after) return oldest_first(std::move(newer));
          if (newer.size() == count_max) return errc::too_old;
          newer.push_back(std::move(row));
        }
        if (rows.size() < wanted) return oldest_first(std::move(newer));
        before = newer.back().ts;
        page = std::min(page * 8, longest_page);
      }
    });
  }
  result<std::vector<event_record>> events_after(entity_key stream, seq_t after, std::size_t count_max) override {
    return run<std::vector<event_record>>([&](session& at) -> result<std::vector<event_record>> {
      auto kind = static_cast<std::uint64_t>(stream.kind);
      auto found = at[event_list].query(kind, stream.id, kind, stream.id, after, one_more(count_max));
      std::vector<event_record> newer;
      bool is_too_old = false;
      while (found.next()) {
        auto is_trimmed = found.flag();
        event_record row;
        read(found, row);
        if (is_trimmed)
          is_too_old |= row.seq > after;
        else
          newer.push_back(std::move(row));
      }
      if (is_too_old || newer.size() > count_max) return errc::too_old;
      std::ranges::sort(newer, {}, &event_record::seq);  // a UNION promises no order
      return newer;
    });
  }

  result<token_record> token(const token_hash& hash) override { return one<token_record>(token_by_hash, hash); }
  result<std::vector<token_record>> tokens_of(user_id user, std::size_t count_max) override {
    return many<token_record>(token_list, user, count_max);
  }
  result<app_record> app(app_id id) override { return one<app_record>(app_by_id, id); }

  result<domain_reservation> domain_owner(std::string_view domain) override {
    return one<domain_reservation>(owner_of_domain, text{domain});
  }
  result<std::uint64_t> token_owner(const token_hash& hash) override {
    return one<std::uint64_t>(owner_of_token, hash);
  }
  result<token_record> token_at(std::uint64_t owner, const token_hash& hash) override {
    return one<token_record>(token_by_owner, owner, hash);
  }

 private:
  static std::vector<message_record> oldest_first(std::vector<message_record> newest_first) {
    std::ranges::reverse(newest_first);
    return newest_first;
  }

  /// All of it in one look at the replies between the first and the last root, if they are few.
  static std::optional<std::vector<thread_summary>> gather(session& at, channel_id channel,
                                                           std::span<const message_ts> roots) {
    if (roots.size() < reply_gatherer::roots_min) return std::nullopt;
    auto [first, last] = std::ranges::minmax(roots);
    auto found = at[replies_between].query(channel, first, last, reply_gatherer::replies_max + 1);
    if (found.count() > reply_gatherer::replies_max) return std::nullopt;
    reply_gatherer replies;
    while (found.next()) {
      auto root = found.ts();
      auto user = found.id<user_id>();
      auto ts = found.ts();
      if (!found.flag()) replies.add(root, user, ts);
    }
    return replies.summaries(roots);
  }

  /// One row a person and thread, by her first reply; the index alone answers it.
  static void summarize(connection& db, channel_id channel, std::span<const message_ts> roots,
                        std::map<message_ts, thread_summary>& all) {
    constexpr std::size_t users_shown = 5;
    std::string sql =
        "SELECT thread_ts, user, MIN(ts) AS first_ts, MAX(ts), COUNT(*) FROM messages"
        " FORCE INDEX(messages_by_thread) WHERE channel = ";
    append_literal(sql, channel.value);
    sql += " AND thread_ts IN (";
    for (auto root : roots) {
      if (sql.back() != '(') sql += ',';
      append_literal(sql, root.micros);
    }
    sql += ") AND thread_ts <> 0 AND is_deleted = 0 GROUP BY thread_ts, user ORDER BY first_ts";
    auto people = db.query(sql);
    while (people.next()) {
      auto root = people.ts();
      auto& summary = all[root];
      summary.root = root;
      auto user = people.id<user_id>();
      [[maybe_unused]] auto first_reply = people.ts();
      summary.latest_reply = std::max(summary.latest_reply, people.ts());
      summary.reply_count += static_cast<std::uint32_t>(people.number());
      ++summary.user_count;
      if (summary.users.size() < users_shown) summary.users.push_back(user);
    }
  }

  template <class Record, class... Values>
  result<Record> one(query_id which, const Values&... values) {
    return run<Record>([&](session& at) { return single<Record>(at[which].query(values...)); });
  }
  template <class Record, class... Values>
  result<std::vector<Record>> many(query_id which, const Values&... values) {
    return run<std::vector<Record>>([&](session& at) { return list<Record>(at[which].query(values...)); });
  }

  template <class Value, class Query>
  result<Value> run(Query query) {
    auto now = primary_link::clock::now();
    if (!health_->admit(patience_, now)) return error{errc::service_unavailable, health_->reason()};
    auto answer = repeat_on<Value>(link_, {now + patience_}, [&](connection& db) -> result<Value> {
      if (!session_ || session_->generation() != link_.generation()) session_.emplace(db, link_.generation());
      return query(*session_);
    });
    if (!answer && answer.code() == errc::storage_full)
      return error{errc::service_unavailable, answer.failure().detail};
    return answer;
  }

  primary_link link_;
  std::shared_ptr<shard_health> health_;
  std::chrono::milliseconds patience_;
  std::optional<session> session_;  // on the link's connection
};

}  // namespace

std::unique_ptr<store_reader> make_reader(primary_link link, std::shared_ptr<shard_health> health,
                                          std::chrono::milliseconds patience) {
  return std::make_unique<reader>(std::move(link), std::move(health), patience);
}

}  // namespace throng::mysql
