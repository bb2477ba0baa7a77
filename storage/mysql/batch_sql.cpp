// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/batch_sql.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

namespace throng::mysql {

namespace {

/// A table's statements, but for the rows.
struct table_words {
  std::string_view into;          // INSERT INTO this VALUES
  unsigned columns;               // of it
  std::string_view on_duplicate;  // what a put changes of a row that is there
  std::string_view keys;          // DELETE FROM table WHERE this IN (…); empty: rows are never erased
};

// `ksid` isn't among what a put changes: it follows from the key. VALUES() is what both MySQL and MariaDB understand.
constexpr table_words workspaces_words{"workspaces(id, domain, data, ksid)", 4,
                                       "domain = VALUES(domain), data = VALUES(data)", ""};
constexpr table_words domains_words{"workspace_domains(domain, workspace, workspace_ksid, reserved, ksid)", 5,
                                    "workspace = VALUES(workspace), workspace_ksid = VALUES(workspace_ksid),"
                                    " reserved = VALUES(reserved)",
                                    "workspace_domains WHERE domain"};
constexpr table_words directory_words{"directory(team, kind, id, data, ksid)", 5, "data = VALUES(data)", ""};
constexpr table_words users_words{"users(id, team, data, ksid)", 4, "team = VALUES(team), data = VALUES(data)", ""};
constexpr table_words memberships_words{
    "memberships(user, channel, last_read, is_open, is_listed, is_private, ksid)", 7,
    "last_read = VALUES(last_read), is_open = VALUES(is_open), is_listed = VALUES(is_listed),"
    " is_private = VALUES(is_private)",
    "memberships WHERE (user, channel)"};
constexpr table_words channels_words{"channels(id, team, data, ksid)", 4, "team = VALUES(team), data = VALUES(data)",
                                     ""};
constexpr table_words members_words{"members(channel, user, joined, ksid)", 4, "joined = VALUES(joined)",
                                    "members WHERE (channel, user)"};
constexpr table_words messages_words{
    "messages(channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data, ksid)", message_columns,
    "seq = VALUES(seq), user = VALUES(user), thread_ts = VALUES(thread_ts), in_channel = VALUES(in_channel),"
    " is_deleted = VALUES(is_deleted), client_msg_id = VALUES(client_msg_id), data = VALUES(data)",
    ""};
constexpr table_words events_words{"events(kind, id, seq, at, data, ksid)", 6, "", ""};
constexpr table_words tokens_words{
    "tokens(owner, hash, type, team, user, app, scopes, created, expires, is_revoked, ksid)", 11,
    "type = VALUES(type), team = VALUES(team), user = VALUES(user), app = VALUES(app), scopes = VALUES(scopes),"
    " created = VALUES(created), expires = VALUES(expires), is_revoked = VALUES(is_revoked)",
    "tokens WHERE (owner, hash)"};
constexpr table_words token_owners_words{"token_owners(hash, owner, owner_ksid, ksid)", 4,
                                         "owner = VALUES(owner), owner_ksid = VALUES(owner_ksid)", ""};
constexpr table_words apps_words{"apps(id, data, ksid)", 3, "data = VALUES(data)", ""};

std::string_view view(const token_hash& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }
std::int64_t micros(wall_time time) { return time.time_since_epoch().count(); }
std::uint64_t kind_of(entity_key key) { return static_cast<std::uint64_t>(key.kind); }

// -- the columns of a row, in the order of table_words::into ---------------------------------------------------------

/// A token's lookup row; the other rows are the records themselves.
struct token_owner {
  const token_record* token;
};
struct domain_row {
  const workspace_record* workspace;
};

template <class Out>
void columns(Out& out, const workspace_record& row, const table_routes& routes) {
  out(row.id.value, row.domain, row.data, routes.of_key(row.id.value));
}
template <class Out>
void columns(Out& out, const domain_row& row, const table_routes& routes) {
  // Reserved at 0: the workspace is there, and whoever looks sees it.
  auto workspace = row.workspace->id.value;
  out(row.workspace->domain, workspace, routes.of_key(workspace), std::int64_t{0},
      routes.of_domain(row.workspace->domain));
}
template <class Out>
void columns(Out& out, const directory_record& row, const table_routes& routes) {
  out(row.team.value, static_cast<std::uint64_t>(row.kind), row.id, row.data, routes.of_key(row.team.value));
}
template <class Out>
void columns(Out& out, const user_record& row, const table_routes& routes) {
  out(row.id.value, row.team.value, row.data, routes.of_key(row.id.value));
}
template <class Out>
void columns(Out& out, const membership_record& row, const table_routes& routes) {
  out(row.user.value, row.channel.value, row.last_read.micros, row.is_open, row.is_listed, row.is_private,
      routes.of_key(row.user.value));
}
template <class Out>
void columns(Out& out, const channel_record& row, const table_routes& routes) {
  out(row.id.value, row.team.value, row.data, routes.of_key(row.id.value));
}
template <class Out>
void columns(Out& out, const member_record& row, const table_routes& routes) {
  out(row.channel.value, row.user.value, micros(row.joined), routes.of_key(row.channel.value));
}
template <class Out>
void columns(Out& out, const message_record& row, const table_routes& routes) {
  out(row.channel.value, row.ts.micros, row.seq, row.user.value, row.thread_ts.micros, row.in_channel, row.is_deleted,
      row.client_msg_id, row.data, routes.of_key(row.channel.value));
}
template <class Out>
void columns(Out& out, const event_record& row, const table_routes& routes) {
  out(kind_of(row.stream), row.stream.id, row.seq, micros(row.at), row.data, routes.of_key(row.stream.id));
}
template <class Out>
void columns(Out& out, const token_record& row, const table_routes& routes) {
  auto owner = table_routes::owner_of(row);
  out(owner, view(row.hash), static_cast<std::uint64_t>(row.type), row.team.value, row.user.value, row.app.value,
      row.scopes, micros(row.created), micros(row.expires), row.is_revoked, routes.of_key(owner));
}
template <class Out>
void columns(Out& out, const token_owner& row, const table_routes& routes) {
  auto owner = table_routes::owner_of(*row.token);
  out(view(row.token->hash), owner, routes.of_key(owner), routes.of_token_hash(row.token->hash));
}
template <class Out>
void columns(Out& out, const app_record& row, const table_routes& routes) {
  out(row.id.value, row.data, routes.of_app(row.id));
}

std::size_t bytes_of(const auto& row) {
  if constexpr (requires { row.data; })
    return row.data.size();
  else
    return 0;
}

// -- where the columns go --------------------------------------------------------------------------------------------

sql_value value_of(std::uint64_t number) { return number; }
sql_value value_of(std::int64_t number) { return number; }
sql_value value_of(bool flag) { return std::int64_t{flag}; }
sql_value value_of(std::string_view bytes) { return bytes; }

void append(std::string& sql, std::uint64_t number) { append_literal(sql, number); }
void append(std::string& sql, std::int64_t number) { append_literal(sql, number); }
void append(std::string& sql, bool flag) { sql += flag ? '1' : '0'; }
void append(std::string& sql, std::string_view bytes) { append_literal(sql, bytes); }
void append(std::string& sql, const std::string& bytes) { append_literal(sql, std::string_view(bytes)); }
void append(std::string& sql, const token_hash& hash) { append_literal(sql, view(hash)); }

/// "(1,2,_binary'x')"
struct as_text {
  std::string& sql;
  template <class... Columns>
  void operator()(const Columns&... each) {
    auto before = '(';
    ((sql += std::exchange(before, ','), append(sql, each)), ...);
    sql += ')';
  }
};

struct as_values {
  std::vector<sql_value>& values;
  template <class... Columns>
  void operator()(const Columns&... each) {
    (values.push_back(value_of(each)), ...);
  }
};

template <class... Parts>
void append_key(std::string& sql, const std::tuple<Parts...>& key) {
  std::apply(as_text{sql}, key);
}
template <class First, class Second>
void append_key(std::string& sql, const std::pair<First, Second>& key) {
  as_text{sql}(key.first, key.second);
}
void append_key(std::string& sql, const auto& key) { append(sql, key); }

// -- statements ------------------------------------------------------------------------------------------------------

class statements {
 public:
  explicit statements(const placement& where) : where_(where) {}

  template <class Key, class Row>
  void table(const table_words& words, const row_changes<Key, Row>& changes) {
    for (auto kind : {change_kind::insert, change_kind::put}) {
      for (const auto& [key, change] : changes.in_order())
        if (change.kind == kind) row(words, kind, *change.row);
      end(words, kind);
    }
    std::vector<Key> gone;
    for (const auto& [key, change] : changes.in_order())
      if (change.kind == change_kind::erase) gone.push_back(key);
    erase<Key>(words, gone);
  }

  template <class Row>
  void row(const table_words& words, change_kind kind, const Row& row) {
    if (bytes_of(row) > large_row_bytes) return large_row(words, kind, row);
    if (open_.empty())
      begin(words);
    else
      open_ += ',';
    as_text text{open_};
    columns(text, row, where_.routes);
    if (open_.size() > statement_bytes) end(words, kind);
  }
  void end(const table_words& words, change_kind kind) {
    if (open_.empty()) return;
    if (kind == change_kind::put) open_ += on_duplicate(words);
    all_.push_back({std::exchange(open_, {}), {}});
  }

  template <class Key>
  void erase(const table_words& words, std::span<const Key> gone) {
    for (std::size_t first = 0; first < gone.size(); first += listed_keys_max) {
      auto some = gone.subspan(first, std::min(listed_keys_max, gone.size() - first));
      all_.push_back({"DELETE FROM " + std::string(words.keys) + " IN (" + literals(some) + ")", {}});
    }
  }

  std::vector<batch_statement> finish() { return std::move(all_); }

 private:
  template <class Row>
  void large_row(const table_words& words, change_kind kind, const Row& row) {
    batch_statement one{"INSERT INTO " + std::string(words.into) + " VALUES(?", {}};
    for (unsigned i = 1; i < words.columns; ++i) one.text += ",?";
    one.text += ')';
    if (kind == change_kind::put) one.text += on_duplicate(words);
    as_values values{one.values};
    columns(values, row, where_.routes);
    all_.push_back(std::move(one));
  }
  void begin(const table_words& words) {
    open_ = "INSERT INTO ";
    open_ += words.into;
    open_ += " VALUES ";
  }
  static std::string on_duplicate(const table_words& words) {
    return " ON DUPLICATE KEY UPDATE " + std::string(words.on_duplicate);
  }

  const placement& where_;
  std::string open_;  // the INSERT that rows are added to; empty: none
  std::vector<batch_statement> all_;
};

/// Lookup rows before what they point at.
void add_domains(statements& all, const batch_plan& plan) {
  for (auto kind : {change_kind::insert, change_kind::put}) {
    for (const auto& [domain, change] : plan.domains.in_order())
      if (change.kind == kind) all.row(domains_words, kind, domain_row{change.row});
    all.end(domains_words, kind);
  }
  std::vector<std::string_view> gone;
  for (const auto& [domain, change] : plan.domains.in_order())
    if (change.kind == change_kind::erase) gone.push_back(domain);
  all.erase<std::string_view>(domains_words, gone);
}

void add_tokens(statements& all, const batch_plan& plan, const placement& where) {
  for (const auto& [hash, change] : plan.tokens.in_order())
    if (where.keeps(hash)) all.row(token_owners_words, change_kind::put, token_owner{change.row});
  all.end(token_owners_words, change_kind::put);
  all.erase<std::pair<std::uint64_t, token_hash>>(tokens_words, plan.moved_tokens);
  all.table(tokens_words, plan.tokens);
}

/// Bytes that a literal can't have as they are, by what goes after the backslash; 0 for the others.
constexpr auto escapes = [] {
  std::array<char, 256> table{};
  table['\0'] = '0', table['\''] = '\'', table['"'] = '"', table['\\'] = '\\';
  table['\n'] = 'n', table['\r'] = 'r', table['\x1a'] = 'Z';
  return table;
}();

template <class Number>
void append_number(std::string& sql, Number number) {
  std::array<char, 24> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  sql.append(text.data(), end);
}

}  // namespace

void append_literal(std::string& sql, std::uint64_t number) { append_number(sql, number); }
void append_literal(std::string& sql, std::int64_t number) { append_number(sql, number); }
void append_literal(std::string& sql, std::string_view bytes) {
  sql += "_binary'";
  auto from = bytes.begin();
  for (auto at = from; at != bytes.end(); ++at) {
    auto escape = escapes[static_cast<unsigned char>(*at)];
    if (escape == 0) continue;
    sql.append(from, at);
    sql += '\\';
    sql += escape;
    from = at + 1;
  }
  sql.append(from, bytes.end());
  sql += '\'';
}

std::string literal(std::string_view bytes) {
  std::string sql;
  append_literal(sql, bytes);
  return sql;
}

template <class Key>
std::string literals(std::span<const Key> keys) {
  std::string sql;
  for (const auto& key : keys) {
    if (!sql.empty()) sql += ',';
    append_key(sql, key);
  }
  return sql;
}
template std::string literals(std::span<const std::uint64_t>);
template std::string literals(std::span<const std::string_view>);
template std::string literals(std::span<const token_hash>);
template std::string literals(std::span<const message_key>);
template std::string literals(std::span<const event_key>);
template std::string literals(std::span<const pair_key>);
template std::string literals(std::span<const std::pair<std::uint64_t, token_hash>>);

std::vector<batch_statement> statements_of(const batch_plan& plan, const placement& where) {
  statements all(where);
  add_domains(all, plan);
  all.table(workspaces_words, plan.workspaces);
  all.table(directory_words, plan.directory);
  all.table(users_words, plan.users);
  all.table(memberships_words, plan.memberships);
  all.table(channels_words, plan.channels);
  all.table(members_words, plan.members);
  all.table(messages_words, plan.messages);
  all.table(events_words, plan.events);
  add_tokens(all, plan, where);
  all.table(apps_words, plan.apps);
  return all.finish();
}

std::optional<std::vector<std::string>> packet_of(std::string first, const batch_plan& plan, const placement& where,
                                                  std::uint64_t bytes_max) {
  if (!plan.trims.empty()) return std::nullopt;
  std::vector<std::string> packet{std::move(first)};
  std::uint64_t bytes = packet.front().size();
  for (auto& each : statements_of(plan, where)) {
    bytes += each.text.size();
    if (!each.values.empty() || bytes > std::min<std::uint64_t>(statement_bytes, bytes_max)) return std::nullopt;
    packet.push_back(std::move(each.text));
  }
  packet.emplace_back("COMMIT");
  return packet;
}

std::string insert_posts_sql(std::size_t rows) {
  std::string sql = "INSERT INTO ";
  sql += messages_words.into;
  sql +=
      " VALUES (?,?,?,?,?,?,?,?,?,(SELECT IF(state = 0 AND generation = ? AND (SELECT batch FROM writers WHERE id = ?"
      " LOCK IN SHARE MODE) < ?, ?, NULL) FROM shard_guard WHERE id = 0 LOCK IN SHARE MODE))";
  for (std::size_t i = 1; i < rows; ++i) sql += ",(?,?,?,?,?,?,?,?,?,?)";
  return sql;
}

void append_values(std::vector<sql_value>& values, const message_record& row, const table_routes& routes) {
  as_values to{values};
  columns(to, row, routes);
}

std::string put_fences_sql(std::span<const fence> guards, fence_holder by, const table_routes& routes) {
  std::string sql = "INSERT INTO fences(slot, epoch, ksid, holder) VALUES ";
  for (const auto& guard : guards) {
    if (sql.back() == ')') sql += ',';
    as_text{sql}(std::uint64_t{guard.slot.value}, guard.epoch, routes.of_slot(guard.slot), by.value);
  }
  return sql + " ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), holder = VALUES(holder)";
}

}  // namespace throng::mysql
