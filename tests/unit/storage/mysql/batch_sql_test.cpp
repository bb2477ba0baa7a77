// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/batch_sql.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "storage/mysql/mysql_schema.hpp"

using namespace throng;
using namespace throng::mysql;

namespace {

const placement everywhere{table_routes::standard(), {}};
const std::vector<epoch_t> no_epochs(slot_count);

std::vector<batch_statement> statements_for(std::span<const commit_unit> units, batch_facts facts = {}) {
  facts.epochs = no_epochs;
  auto plan = plan_batch(units, facts, everywhere);
  auto all = statements_of(plan, everywhere);
  for (auto& each : all)  // they point into the plan's rows, which are the units'
    for (auto& value : each.values)
      if (auto* bytes = std::get_if<std::string_view>(&value)) CHECK(bytes->data() != nullptr);
  return all;
}

message_record post(std::int64_t ts, std::string data = "post") {
  message_record row;
  row.channel = {400};
  row.ts = {ts};
  row.data = std::move(data);
  return row;
}

}  // namespace

TEST_CASE("batch sql: literals escape what ends or changes a string, and nothing else") {
  CHECK(literal("") == "_binary''");
  CHECK(literal("it's") == "_binary'it\\'s'");
  CHECK(literal(std::string_view("a\0b\n\r\x1a\"\\", 8)) == "_binary'a\\0b\\n\\r\\Z\\\"\\\\'");
  CHECK(literal("\xbf'\xe2\x82") == "_binary'\xbf\\'\xe2\x82'");
}

TEST_CASE("batch sql: posts of a batch are one statement, in the order of their key") {
  std::vector<commit_unit> units{{{}, {insert_message{post(2)}}}, {{}, {insert_message{post(1, "o'clock")}}}};
  auto all = statements_for(units);
  REQUIRE(all.size() == 1);
  auto ksid = std::to_string(keyspace_id(400));
  CHECK(all[0].text ==
        "INSERT INTO messages(channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data, ksid)"
        " VALUES (400,1,0,0,0,1,0,_binary'',_binary'o\\'clock'," +
            ksid + "),(400,2,0,0,0,1,0,_binary'',_binary'post'," + ksid + ")");
  CHECK(all[0].values.empty());
}

TEST_CASE("batch sql: one packet is the claim, the statements and a COMMIT, unless it gets too large") {
  std::vector<commit_unit> units{{{}, {insert_message{post(1)}, put_message{post(2)}}}};
  batch_facts facts;
  facts.epochs = no_epochs;
  const auto packet_for = [&](std::span<const commit_unit> of, std::uint64_t bytes_max) {
    return packet_of("CLAIM", plan_batch(of, facts, everywhere), everywhere, bytes_max);
  };
  auto packet = packet_for(units, 1'000'000);
  REQUIRE(packet);
  const auto all = statements_for(units);
  REQUIRE(packet->size() == all.size() + 2);
  CHECK(packet->front() == "CLAIM");
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(packet->at(i + 1) == all[i].text);
  CHECK(packet->back() == "COMMIT");
  CHECK_FALSE(packet_for(units, 100));
  std::vector<commit_unit> large{{{}, {insert_message{post(1, std::string(large_row_bytes + 1, 'x'))}}}};
  CHECK_FALSE(packet_for(large, 100'000'000));
  std::vector<commit_unit> many;
  for (int i = 0; i < 10; ++i) many.push_back({{}, {insert_message{post(i, std::string(500'000, 'x'))}}});
  CHECK_FALSE(packet_for(many, 100'000'000));
  std::vector<commit_unit> trims{{{}, {insert_message{post(1)}, trim_rows{}}}};
  CHECK_FALSE(packet_for(trims, 1'000'000));
}

TEST_CASE("batch sql: what must be new, what is put and what is erased are three statements") {
  std::vector<commit_unit> units{{{},
                                  {insert_message{post(1)}, put_message{post(2)}, put_member{{{1}, {2}, {}}},
                                   erase_member{{1}, {3}}, erase_member{{1}, {2}}}}};
  auto all = statements_for(units);
  REQUIRE(all.size() == 3);
  CHECK(all[0].text == "DELETE FROM members WHERE (channel, user) IN ((1,2),(1,3))");
  CHECK(all[1].text.find("ON DUPLICATE") == std::string::npos);
  CHECK(all[2].text.find(" ON DUPLICATE KEY UPDATE seq = VALUES(seq), ") != std::string::npos);
}

TEST_CASE("batch sql: an INSERT of posts has a question mark for each value, and three for its claim") {
  for (std::size_t rows : {1u, 2u, 100u}) {
    std::vector<sql_value> values;
    for (std::size_t i = 0; i < rows; ++i) append_values(values, post(static_cast<std::int64_t>(i)), everywhere.routes);
    CHECK(std::ranges::count(insert_posts_sql(rows), '?') == static_cast<std::ptrdiff_t>(values.size() + 3));
    CHECK(values[message_columns - 1] == sql_value(keyspace_id(400)));
  }
}

TEST_CASE("batch sql: large rows go with parameters, and a statement stays below a packet") {
  std::vector<commit_unit> units;
  for (std::int64_t ts = 1; ts <= 20; ++ts)
    units.push_back({{}, {insert_message{post(ts, std::string(large_row_bytes, '\''))}}});
  units.push_back({{}, {insert_message{post(21, std::string(large_row_bytes + 1, '\''))}}});
  auto all = statements_for(units);
  std::size_t large = 0;
  for (const auto& each : all) {
    CHECK(each.text.size() < 8u << 20);
    large += !each.values.empty();
  }
  CHECK(large == 1);
  CHECK(all.size() > 5);
  const auto& last = *std::ranges::find_if(all, [](const auto& each) { return !each.values.empty(); });
  CHECK(std::ranges::count(last.text, '?') == static_cast<std::ptrdiff_t>(last.values.size()));
}

TEST_CASE("batch sql: many erased keys are several statements") {
  std::vector<commit_unit> units{{}};
  for (std::uint64_t user = 1; user <= 2 * listed_keys_max + 1; ++user)
    units[0].ops.push_back(erase_member{{1}, {user}});
  CHECK(statements_for(units).size() == 3);
}

TEST_CASE("batch sql: a token and its lookup row go together, and its old owner's row goes") {
  token_record token;
  token.hash = {9};
  token.user = {70};
  std::vector<commit_unit> units{{{}, {put_token{token}}}};
  batch_facts facts;
  facts.token_owners[token.hash] = 71;
  auto all = statements_for(units, facts);
  REQUIRE(all.size() == 3);
  CHECK(all[0].text.starts_with("INSERT INTO token_owners("));
  CHECK(all[1].text.starts_with("DELETE FROM tokens WHERE (owner, hash) IN ((71,_binary'"));
  CHECK(all[2].text.starts_with("INSERT INTO tokens("));
}

TEST_CASE("batch sql: every column of every sharded table is written") {
  workspace_record workspace{{1}, "acme", ""};
  std::vector<commit_unit> units{
      {{},
       {put_workspace{workspace}, put_directory{{{1}, directory_record::kind_t::user, 1, ""}}, put_user{{{1}, {1}, ""}},
        put_membership{{{1}, {1}, {}}}, put_channel{{{1}, {1}, ""}}, put_member{{{1}, {1}, {}}},
        insert_message{post(1)}, insert_event{{{entity_kind::channel, 1}, 1, {}, ""}}, put_token{{}},
        put_app{{{1}, ""}}}}};
  auto all = statements_for(units);
  all.push_back({put_fences_sql(std::vector{fence{{1}, 2}}, {7}, everywhere.routes), {}});
  for (const auto& table : sharded_tables()) {
    if (table.name.starts_with("trimmed_")) continue;  // of a trim
    CAPTURE(table.name);
    auto into = "INSERT INTO " + std::string(table.name) + "(";
    auto found = std::ranges::find_if(all, [&](const auto& each) { return each.text.starts_with(into); });
    REQUIRE(found != all.end());
    std::string columns;
    for (auto column : table.columns) columns += (columns.empty() ? "" : ", ") + std::string(column);
    CHECK(found->text.substr(into.size(), columns.size() + 1) == columns + ")");
  }
}
