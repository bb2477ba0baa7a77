// SPDX-License-Identifier: Apache-2.0
#include "storage/vschema/table_routes.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <doctest/doctest.h>

#include "storage/model/assert.hpp"
#include "storage/mysql/mysql_schema.hpp"
#include "storage/vschema/vindex.hpp"
#include "storage/vschema/vschema.hpp"

namespace throng {
namespace {

std::string standard_text() {
  std::ifstream in(THRONG_SOURCE_DIR "/config/vschema.json", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string changed(const std::string& from, const std::string& to) {
  auto text = standard_text();
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

result<table_routes> make(const std::string& text) {
  const auto schema = parse_vschema(text, "v.json", "throng");
  REQUIRE_MESSAGE(schema, schema.failure().detail);
  return table_routes::make(*schema);
}

std::string refusal(const std::string& from, const std::string& to) {
  const auto made = make(changed(from, to));
  if (made) return "made";
  CHECK(made.code() == errc::invalid_arguments);
  const auto& detail = made.failure().detail;
  REQUIRE(detail.starts_with("v.json:"));
  return detail.substr(detail.find(": ") + 2);  // the line moves with the file
}

/// The statement that makes a table.
std::string created(const std::string& table) {
  for (const auto& step : mysql::migrations())
    for (auto statement : step.statements)
      if (statement.find(" " + table + "(") != std::string::npos) return std::string(statement);
  return {};
}

TEST_CASE("table routes: config/vschema.json is the standard") {
  const auto loaded = load_vschema(THRONG_SOURCE_DIR "/config/vschema.json", "throng");
  REQUIRE_MESSAGE(loaded, loaded.failure().detail);
  const auto made = table_routes::make(*loaded);
  REQUIRE_MESSAGE(made, made.failure().detail);
  CHECK(*made == table_routes::standard());
}

TEST_CASE("table routes: the VSchema has every sharded table of the database, and columns that are there") {
  const auto schema = parse_vschema(standard_text(), "v.json", "throng").value();
  const auto& tables = schema.ours().tables;
  std::size_t local = 0;  // tables of which each server has its own
  for (const auto& [name, table] : tables) local += table.kind == vschema_table::kind_t::reference;
  CHECK(local == 3);
  CHECK(tables.size() == mysql::sharded_tables().size() + local);
  for (const auto& layout : mysql::sharded_tables()) {
    REQUIRE_MESSAGE(tables.contains(layout.name), layout.name);
    const auto has = [&](std::string_view column) {
      return std::ranges::find(layout.columns, column) != layout.columns.end();
    };
    for (const auto& vindex : tables.find(layout.name)->second.column_vindexes)
      for (const auto& column : vindex.columns) CHECK_MESSAGE(has(column), layout.name << "." << column);
  }
  for (const auto& [name, vindex] : schema.ours().vindexes) {
    if (!is_lookup(vindex.type)) continue;
    const auto made = created(vindex.params.at("table"));
    CHECK_MESSAGE(made.find(" " + vindex.params.at("from") + " ") != std::string::npos, name);
    CHECK_MESSAGE(made.find(" " + vindex.params.at("to") + " ") != std::string::npos, name);
  }
}

/// An operation on a row of which only that part matters.
template <class Op>
Op on(auto change) {
  Op op{};
  change(op.row);
  return op;
}

TEST_CASE("table routes: rows of an entity are where the entity's slot is") {
  const auto routes = table_routes::standard();
  const channel_id channel{77};
  const auto place = keyspace_id(77);
  const auto slot = slot_of(key_of(channel));
  const auto of_channel = [&](auto& row) { row.channel = channel; };
  CHECK(routes.of(on<insert_message>(of_channel)) == place);
  CHECK(routes.of(on<put_message>(of_channel)) == place);
  CHECK(routes.of(on<put_member>(of_channel)) == place);
  CHECK(routes.of(on<put_channel>([&](auto& row) { row.id = channel; })) == place);
  CHECK(routes.of(erase_member{channel, {5}}) == place);
  CHECK(routes.of(on<insert_event>([&](auto& row) { row.stream = key_of(channel); })) == place);
  CHECK(slot_of(place) == slot);
  CHECK(slot_of(routes.of_slot(slot)) == slot);  // and so is its fence

  CHECK(routes.of(on<put_user>([](auto& row) { row.id = {5}, row.team = {6}; })) == keyspace_id(5));
  CHECK(routes.of(on<put_membership>([&](auto& row) { row.user = {5}, row.channel = channel; })) == keyspace_id(5));
  CHECK(routes.of(erase_membership{{5}, channel}) == keyspace_id(5));
  CHECK(routes.of(on<put_workspace>([](auto& row) { row.id = {6}; })) == keyspace_id(6));
  CHECK(routes.of(on<put_directory>([](auto& row) { row.team = {6}, row.id = 5; })) == keyspace_id(6));
  CHECK(routes.of(on<put_app>([](auto& row) { row.id = {9}; })) == keyspace_id(9));
  CHECK_THROWS_AS(routes.of(trim_rows{}), broken_invariant);
}

TEST_CASE("table routes: a token is beside its user, or its app if it has no user") {
  const auto routes = table_routes::standard();
  CHECK(routes.of(on<put_token>([](auto& row) { row.user = {5}, row.app = {9}; })) == keyspace_id(5));
  CHECK(routes.of(on<put_token>([](auto& row) { row.app = {9}; })) == keyspace_id(9));
}

TEST_CASE("table routes: lookups are by the domain's text and by the hash's first bytes") {
  const auto routes = table_routes::standard();
  CHECK(routes.of_domain("test1") == 0xd01ab7e4d6978f0b);  // Vitess's vector
  token_hash hash{};
  hash[0] = 0x80;
  hash[7] = 1;
  hash[8] = 0xff;
  CHECK(routes.of_token_hash(hash) == 0x8000000000000001);
  CHECK(routes.of_token_hash(hash) == keyspace_id(hash));
}

TEST_CASE("table routes: what the VSchema may choose changes the place") {
  const auto with_apps = [](const std::string& type) {
    auto text = changed(R"("by_ksid": {"type": "numeric"})",
                        R"("by_ksid": {"type": "numeric"}, "for_apps": {"type": ")" + type + "\"}");
    const std::string from = R"("apps": {"column_vindexes": [{"column": "id", "name": "by_id"}]})";
    return text.replace(text.find(from), from.size(),
                        R"("apps": {"column_vindexes": [{"column": "id", "name": "for_apps"}]})");
  };
  CHECK(make(with_apps("hash")).value().of_app({1}) == 0x166b40b44aba4bd6);
  CHECK(make(with_apps("numeric")).value().of_app({1}) == 1);
  CHECK(make(with_apps("xxhash")).value().of_app({1}) == keyspace_id(1));
  CHECK(make(with_apps("hash")).value().of(on<put_app>([](auto& row) { row.id = {1}; })) == 0x166b40b44aba4bd6);

  const auto domains =
      make(changed(R"("by_domain": {"type": "xxhash"})", R"("by_domain": {"type": "binary"})")).value();
  CHECK(domains.of_domain("acme") == 0x61636d6500000000);
  CHECK(domains.of_domain("acme-corporation") == 0x61636d652d636f72);
  const auto hashes = make(changed(R"("by_hash": {"type": "binary"})", R"("by_hash": {"type": "xxhash"})")).value();
  token_hash hash{};
  const std::string_view bytes(reinterpret_cast<const char*>(hash.data()), hash.size());
  CHECK(hashes.of_token_hash(hash) == xxhash_ksid(bytes));
}

TEST_CASE("table routes: a VSchema that doesn't fit is refused by table") {
  const std::string because = ", because its rows are fenced by slot, and slots are cut by xxhash; found ";
  CHECK(refusal(R"("messages": {"column_vindexes": [{"column": "channel", "name": "by_id"}]},)", "") ==
        "table messages is missing; expected it by xxhash on channel");
  CHECK(refusal(R"("messages": {"column_vindexes": [{"column": "channel")",
                R"("messages": {"column_vindexes": [{"column": "user")") ==
        "table messages: expected it by xxhash on channel" + because + "xxhash on user");
  CHECK(refusal(R"("by_id": {"type": "xxhash"})", R"("by_id": {"type": "hash"})") ==
        "table channels: expected it by xxhash on id" + because + "hash on id");
  CHECK(
      refusal(R"("by_ksid": {"type": "numeric"})", R"("by_ksid": {"type": "xxhash"})") ==
      "table fences: expected it by numeric on ksid, because a fence is in the shard of its slot's first keyspace id; "
      "found xxhash on ksid");
  CHECK(refusal(R"("by_domain": {"type": "xxhash"})", R"("by_domain": {"type": "numeric"})") ==
        "table workspace_domains: expected it by xxhash or binary on domain, because a domain is a text; found numeric "
        "on "
        "domain");
  CHECK(refusal(R"("apps": {)", R"("app": {"column_vindexes": [{"column": "id", "name": "by_id"}]}, "apps": {)") ==
        "Throng has no table app (did you mean apps?); other programs' tables belong into a keyspace of their own");
  CHECK(refusal(R"("apps": {)", R"("apps": {"pinned": "80", )") ==
        "table apps: expected an ordinary table, neither pinned nor with auto_increment");
  CHECK(refusal(R"("writers": {"type": "reference"})",
                R"("writers": {"column_vindexes": [{"column": "id", "name": "by_id"}]})") ==
        "table writers: expected the type reference without a source, because every shard has one");
  CHECK(refusal(R"(,
    "writers": {"type": "reference"})",
                "") == "made");
  CHECK(make(R"({"sharded": false})").failure().detail ==
        "v.json:1: keyspace throng is not sharded; expected \"sharded\": true (one shard is a range too: \"-\")");
  auto all = R"({"keyspaces": {"throng": )" + standard_text() +
             R"(}, "routing_rules": {"rules": [{"from_table": "a", "to_tables": ["b"]}]}})";
  CHECK(make(all).failure().detail.ends_with("routing rules are vtgate's; Throng follows none"));
}

TEST_CASE("table routes: lookups are those that Throng keeps") {
  CHECK(refusal(R"("table": "token_owners", "from": "hash", "to": "keyspace_id")",
                R"("table": "token_owners", "from": "hash", "to": "owner")") ==
        "vindex token_by_hash: expected the params table token_owners, from hash, to keyspace_id");
  CHECK(refusal(R"("table": "token_owners", )", R"("table": "throng.token_owners", )") == "made");
  CHECK(refusal(R"("table": "workspace_domains", )", R"("table": "token_owners", )") ==
        "vindex workspace_by_domain: expected the params table workspace_domains, from domain, to keyspace_id");
  CHECK(refusal(R"("type": "lookup_unique")", R"("type": "lookup_unique", "owner": "workspaces")") ==
        "vindex workspace_by_domain: expected no owner, because Throng writes the rows of workspace_domains itself");
  CHECK(refusal(R"("type": "lookup_unique")", R"("type": "consistent_lookup_unique")") == "made");
  CHECK(refusal(R"("type": "lookup_unique")", R"("type": "lookup")") ==
        "table workspaces: Throng keeps no lookup on domain");
  CHECK(refusal(R"("users": {"column_vindexes": [{"column": "id", "name": "by_id"})",
                R"("users": {"column_vindexes": [{"column": "id", "name": "by_id"}, )"
                R"({"column": "email", "name": "token_by_hash"})") ==
        "table users: Throng keeps no lookup_unique on email");
  CHECK(refusal(R"(, {"column": "domain", "name": "workspace_by_domain"})", "") == "made");
}

}  // namespace
}  // namespace throng
