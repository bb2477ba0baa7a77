// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_storage.hpp"

#include <doctest/doctest.h>

namespace throng {

namespace {

std::vector<std::string> line(const shell_table& table, std::size_t row) {
  std::vector<std::string> words;
  for (const auto& cell : table.rows.at(row)) words.push_back(cell.text);
  return words;
}

shard_view two_servers() {
  shard_view shard;
  shard.keyspace = "throng";
  shard.range = "-80";
  shard.primary = "127.0.0.1:1";
  shard.term = 3;
  shard.in_sync = 1;
  shard.servers = {{"127.0.0.1:1", true, "in sync", std::chrono::milliseconds(0)},
                   {"127.0.0.1:2", false, "behind", std::chrono::milliseconds(250)}};
  shard.waiting_units = 7;
  shard.commits_per_second = 1234.56;
  shard.commit_p99 = std::chrono::microseconds(4'321);
  shard.diagnosis = "a replica is behind";
  return shard;
}

}  // namespace

TEST_CASE("shell shards: a line for each shard, or for each of its servers") {
  auto away = two_servers();
  away.range = "80-";
  away.primary.clear();
  away.is_serving = false;
  const auto shards = shards_table({two_servers(), away});
  CHECK(line(shards, 0) == std::vector<std::string>{"throng", "-80", "yes", "127.0.0.1:1", "3", "1 of 2", "7", "1234.6",
                                                    "4.32", "a replica is behind"});
  CHECK(line(shards, 1)[3] == "none");
  CHECK(line(shards, 1)[2] == "no");
  const auto servers = servers_table({two_servers()});
  CHECK(line(servers, 0) == std::vector<std::string>{"-80", "127.0.0.1:1", "primary", "", "in sync"});
  CHECK(line(servers, 1) == std::vector<std::string>{"-80", "127.0.0.1:2", "replica", "250 ms", "behind"});
}

TEST_CASE("shell rows: a column for each shard and one for all; estimates and absent shards are marked") {
  storage_admin::row_counts counts;
  counts.tables = {{"messages", "-80", 10, true}, {"messages", "80-", 5, true}, {"users", "-80", 3, false}};
  auto table = rows_table(counts);
  CHECK(table.columns == std::vector<std::string>{"TABLE", "-80", "80-", "ALL"});
  CHECK(line(table, 0) == std::vector<std::string>{"messages", "~10", "~5", "~15"});
  CHECK(line(table, 1) == std::vector<std::string>{"users", "3", "-", "3"});
  CHECK(table.note == "~: estimates; rows --exact counts");

  counts.tables = {{"users", "-80", 3, false}};
  counts.missing = {"80-"};
  table = rows_table(counts);
  CHECK(table.columns == std::vector<std::string>{"TABLE", "-80"});
  CHECK(table.note == "partial: shard 80- is away");
}

TEST_CASE("shell explain: the same statement again and again is one line, and the note says what was mixed in") {
  using std::chrono::microseconds;
  explained_call call{"conversations.history", "ok", {}, false, microseconds(5'500), 0};
  call.statements = {{"80-", "SELECT a", 1, microseconds(100)},
                     {"80-", "SELECT a", 2, microseconds(150)},
                     {"-80", "SELECT a", 1, microseconds(250)}};
  auto table = explain_table(call);
  REQUIRE(table.rows.size() == 2);
  CHECK(line(table, 0) == std::vector<std::string>{"80-", "SELECT a", "2", "3", "0.25"});
  CHECK(line(table, 1) == std::vector<std::string>{"-80", "SELECT a", "1", "1", "0.25"});
  CHECK(table.note ==
        "conversations.history: ok in 5.50 ms; 3 statements on 2 shards, 4 rows, 0.50 ms in the database; no other API "
        "call ran meanwhile");
  call.other_calls = 2;
  call.is_cut = true;
  table = explain_table(call);
  CHECK(table.note.find("; the rest isn't shown; 2 other API calls ran meanwhile, whose") != std::string::npos);
}

TEST_CASE("shell explain: tokens don't reach the log, and arguments become a form") {
  CHECK(without_tokens("explain auth.test token=xoxp-1-2 a=b") == "explain auth.test token=*** a=b");
  CHECK(without_tokens("explain x \"token=xoxp-1\"") == "explain x \"token=***\"");
  CHECK(without_tokens("explain x token=a token=b") == "explain x token=*** token=***");
  CHECK(without_tokens("shards") == "shards");
  CHECK(form_of({"chat.postMessage", "channel=C1", "text=a b&c=ü"}, 1).value() == "channel=C1&text=a%20b%26c%3D%C3%BC");
  CHECK(form_of({"x"}, 1).value().empty());
  CHECK(form_of({"x", "channel"}, 1).code() == errc::invalid_arguments);
  CHECK(form_of({"x", "=1"}, 1).code() == errc::invalid_arguments);
}

}  // namespace throng
