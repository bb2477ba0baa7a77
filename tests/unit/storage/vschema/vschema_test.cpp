// SPDX-License-Identifier: Apache-2.0
#include "storage/vschema/vschema.hpp"

#include <fstream>

#include <doctest/doctest.h>

namespace throng {
namespace {

vschema parse(std::string_view text) {
  auto parsed = parse_vschema(text, "v.json", "throng");
  REQUIRE_MESSAGE(parsed, parsed.failure().detail);
  return std::move(parsed).value();
}

std::string refusal(std::string_view text) {
  const auto parsed = parse_vschema(text, "v.json", "throng");
  if (parsed) return "parsed";
  CHECK(parsed.code() == errc::invalid_arguments);
  CHECK(parsed.failure().detail.find('\n') == std::string::npos);
  return parsed.failure().detail;
}

/// A keyspace with one vindex of each sort, its lookups' table, and these further tables.
std::string with_tables(const std::string& tables) {
  const std::string start = R"({"sharded":true,"vindexes":{"x":{"type":"xxhash"},"n":{"type":"numeric"},)"
                            R"("l":{"type":"lookup","params":{"table":"l_rows","from":"a","to":"k"}},)"
                            R"("u":{"type":"lookup_unique","params":{"table":"l_rows","from":"a,b","to":"k"}}},)"
                            R"("tables":{"l_rows":{"column_vindexes":[{"column":"a","name":"x"}]})";
  return start + (tables.empty() ? "" : ",\n") + tables + "}}";
}
std::string with_vindex(const std::string& vindex) {
  return R"({"sharded":true,"vindexes":{)"
         "\n\"v\":" +
         vindex + R"(},"tables":{"t":{"column_vindexes":[{"column":"a","name":"v"}]}}})";
}

TEST_CASE("vschema: a keyspace as ApplyVSchema takes it is read") {
  const auto schema = parse(R"({
    "sharded": true,
    "vindexes": {
      "hash": {"type": "hash"},
      "by_name": {"type": "consistent_lookup_unique", "owner": "user",
                  "params": {"table": "name_user", "from": "name", "to": "keyspace_id", "ignore_nulls": "true"}}
    },
    "tables": {
      "user": {
        "column_vindexes": [{"column": "User_ID", "name": "hash"}, {"columns": ["name"], "name": "by_name"}],
        "columns": [{"name": "User_ID", "type": "INT64"}, {"name": "name", "type": "VARCHAR", "size": 64, "nullable": true}],
        "column_list_authoritative": true,
        "auto_increment": {"column": "user_id", "sequence": "global.user_seq"}
      },
      "name_user": {"column_vindexes": [{"column": "name", "name": "hash"}]},
      "dual": {"pinned": "00Ff"},
      "zips": {"type": "reference", "source": "global.zips"}
    },
    "require_explicit_routing": false, "foreign_key_mode": "unmanaged",
    "multi_tenant_spec": {"tenant_id_column_name": "t", "tenant_id_column_type": "INT64"}
  })");
  CHECK(schema.is_one_keyspace);
  const auto& keyspace = schema.ours();
  CHECK(keyspace.sharded);
  const auto& by_name = keyspace.vindexes.at("by_name");
  CHECK(by_name.type == vindex_type::consistent_lookup_unique);
  CHECK(by_name.owner == "user");
  CHECK(by_name.params.at("ignore_nulls") == "true");
  CHECK(by_name.line == 5);
  const auto& user = keyspace.tables.at("user");
  REQUIRE(user.column_vindexes.size() == 2);
  CHECK(user.column_vindexes[0].columns == std::vector<std::string>{"user_id"});  // names of columns have no case
  CHECK(user.column_vindexes[1].vindex == "by_name");
  CHECK(user.auto_increment->sequence == "global.user_seq");
  CHECK(user.columns == std::vector<std::string>{"user_id", "name"});
  CHECK(keyspace.tables.at("dual").pinned == std::string("\x00\xff", 2));
  CHECK(keyspace.tables.at("zips").kind == vschema_table::kind_t::reference);
}

TEST_CASE("vschema: camelCase and null mean what they mean to protobuf") {
  const auto schema =
      parse(R"({"sharded":true,"vindexes":{"x":{"type":"xxhash","params":null}},"foreignKeyMode":"managed",
    "tables":{"t":{"columnVindexes":[{"column":"a","name":"x"}],"autoIncrement":null,"columnListAuthoritative":true,
    "pinned":null}},"requireExplicitRouting":true})");
  CHECK(schema.ours().tables.at("t").column_vindexes.size() == 1);
  CHECK(schema.ours().require_explicit_routing);
  CHECK(!schema.ours().tables.at("t").auto_increment);
}

TEST_CASE("vschema: all keyspaces of a cell are read, and names reach from one into the other") {
  const auto schema = parse(R"({"keyspaces": {
    "throng": {"sharded": true, "vindexes": {"x": {"type": "xxhash"}},
      "tables": {"t": {"column_vindexes": [{"column": "a", "name": "x"}],
                       "auto_increment": {"column": "a", "sequence": "t_seq"}}}},
    "global": {"tables": {"t_seq": {"type": "sequence"}}}},
    "routing_rules": {"rules": []}, "shard_routing_rules": null})");
  CHECK(!schema.is_one_keyspace);
  CHECK(schema.keyspaces.size() == 2);
  CHECK(schema.keyspaces.at("global").tables.at("t_seq").kind == vschema_table::kind_t::sequence);
  CHECK(schema.rules_line == 0);

  CHECK(refusal(R"({"keyspaces": {"other": {}}})") ==
        "v.json:1: keyspaces: expected throng, where Throng's tables are");
  CHECK(
      parse("{\"keyspaces\": {\"throng\": {}},\n\"routing_rules\": {\"rules\": [{\"from_table\": \"a\", \"to_tables\": "
            "[\"b\"]}]}}")
          .rules_line == 2);
  CHECK(refusal(R"({"keyspaces": {"throng": {}}, "routing_rules": {"rules": [{"from": "a"}]}})") ==
        "v.json:1: routing_rules.rules[0]: from is no field of it; expected from_table, to_tables");
}

TEST_CASE("vschema: what is no JSON is refused with its line") {
  CHECK(refusal("") == "v.json:1: not JSON: The document is empty.");
  CHECK(refusal("{\n\"sharded\": true,\n}").starts_with("v.json:3: not JSON: "));
  CHECK(refusal("{\"a\":\n\n \"\xff\"}").starts_with("v.json:3: not JSON: "));
  CHECK(refusal("[]") == "v.json:1: keyspace: expected an object, found a list");
  CHECK(refusal("7") == "v.json:1: keyspace: expected an object, found 7");
  CHECK(refusal("null") == "v.json:1: keyspace: expected an object, found null");
}

TEST_CASE("vschema: deep, huge and endless files are refused, not crashed on") {
  std::string deep(100'000, '[');
  CHECK(refusal(deep).find("v.json:1: ") == 0);
  deep = "{\"vindexes\":";
  for (int i = 0; i < 1000; ++i) deep += "{\"a\":";
  CHECK(!parse_vschema(deep, "v.json", "throng"));
  CHECK(!parse_vschema(std::string(vschema_bytes_max + 1, ' '), "v.json", "throng"));
  std::string wide = "{\"tables\":{";
  for (int i = 0; i < 20'000; ++i) wide += (i ? ",\n\"t" : "\n\"t") + std::to_string(i) + "\":{}";
  CHECK(parse(wide + "}}").ours().tables.at("t19999").line == 20'001);
  CHECK(refusal("{\"" + std::string(1000, 'x') + "\":1}").size() < 300);
}

TEST_CASE("vschema: unknown fields are refused at their line, with the one that was meant") {
  CHECK(refusal("{\n\"shraded\": true}") ==
        "v.json:2: keyspace: shraded is no field of it (did you mean sharded?); expected sharded, vindexes, tables, "
        "require_explicit_routing, foreign_key_mode, multi_tenant_spec");
  CHECK(refusal("{\"tables\":{\"t\":{\n\"column_vindex\":[]}}}")
            .starts_with(
                "v.json:2: tables.t: column_vindex is no field of it (did you mean column_vindexes?); expected "));
  CHECK(refusal(with_tables("\"t\":{\"column_vindexes\":[{\"colum\":\"a\",\"name\":\"x\"}]}")) ==
        "v.json:2: tables.t.column_vindexes[0]: colum is no field of it (did you mean column?); expected column, name, "
        "columns");
  CHECK(refusal("{\"a\\nb\":1}").starts_with("v.json:1: keyspace: \"a\\nb\" is no field of it; expected "));
}

TEST_CASE("vschema: wrong types and repeated names are refused") {
  CHECK(refusal(R"({"sharded":"true"})") == "v.json:1: sharded: expected true or false, found \"true\"");
  CHECK(refusal(R"({"tables":[]})") == "v.json:1: tables: expected an object, found a list");
  CHECK(refusal(R"({"tables":{"t":null}})") == "v.json:1: tables.t: expected an object, found null");
  CHECK(refusal(R"({"tables":{"t":{"column_vindexes":{}}}})") ==
        "v.json:1: tables.t.column_vindexes: expected a list, found an object");
  CHECK(refusal(R"({"vindexes":{"v":{"type":1}}})") == "v.json:1: vindexes.v.type: expected a text, found 1");
  CHECK(refusal(R"({"vindexes":{"v":{"type":"xxhash","params":{"a":1}}}})") ==
        "v.json:1: vindexes.v.params.a: expected a text, found 1");
  CHECK(refusal(R"({"foreign_key_mode":"some"})") ==
        "v.json:1: foreign_key_mode: expected one of unspecified, disallow, unmanaged, managed, found \"some\"");
  CHECK(refusal("{\"sharded\":true,\n\"sharded\":true}") == "v.json:2: keyspace: sharded is there twice");
  CHECK(refusal("{\"requireExplicitRouting\":true,\n\"require_explicit_routing\":true}") ==
        "v.json:2: keyspace: require_explicit_routing is there twice");
  CHECK(refusal("{\"tables\":{\"t\":{},\n\"t\":{}}}") == "v.json:2: tables.t is there twice");
  CHECK(refusal(R"({"tables":{"":{}}})") == "v.json:1: tables: a name is empty");
  CHECK(refusal(with_tables(R"("t":{"type":"view"})")) ==
        "v.json:2: tables.t.type: expected \"sequence\", \"reference\" or nothing, found \"view\"");
  CHECK(refusal(with_tables(R"("t":{"pinned":"0"})")) ==
        "v.json:2: tables.t.pinned: expected a keyspace id: hex digits in pairs, at most 64, found \"0\"");
  CHECK(refusal(with_tables(R"("t":{"columns":[{"name":"A"},{"name":"a"}]})")) ==
        "v.json:2: tables.t.columns[1]: column a is there twice");
}

TEST_CASE("vschema: an unknown vindex is refused by name, with those that are known") {
  const std::string known =
      "xxhash, hash, numeric, binary, lookup, lookup_unique, consistent_lookup, consistent_lookup_unique";
  CHECK(refusal(with_vindex(R"({"type":"unicode_loose_xxhash"})")) ==
        "v.json:2: vindexes.v.type: no vindex unicode_loose_xxhash here; expected one of " + known);
  CHECK(refusal(with_vindex("{}")) == "v.json:2: vindexes.v: expected a type, one of " + known);
  CHECK(refusal(with_vindex(R"({"type":"xxhash"})")) == "parsed");
}

TEST_CASE("vschema: a table must have a vindex, and one that is there") {
  CHECK(refusal(with_tables("")) == "parsed");
  CHECK(refusal(with_tables(R"("t":{})")) ==
        "v.json:2: table t: expected column_vindexes, the first of which places the rows");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"column":"a","name":"xx"}]})")) ==
        "v.json:2: table t: there is no vindex xx (did you mean x?)");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"column":"a","name":"l"}]})")) ==
        "v.json:2: table t: its first vindex must be unique, and l is a lookup");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"column":"a","columns":["a"],"name":"x"}]})")) ==
        "v.json:2: tables.t.column_vindexes[0]: expected column or columns, not both");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"name":"x"}]})")) ==
        "v.json:2: tables.t.column_vindexes[0]: expected the name of a column");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"column":"a"}]})")) ==
        "v.json:2: tables.t.column_vindexes[0]: expected name, the vindex's");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"columns":["a","b"],"name":"x"}]})")) ==
        "v.json:2: table t: vindex x takes 1 column, not 2");
  CHECK(refusal(with_tables(R"("t":{"column_vindexes":[{"column":"a","name":"x"},{"column":"a","name":"u"}]})")) ==
        "v.json:2: table t: vindex u takes 2 columns, not 1");
  CHECK(refusal(R"({"tables":{"t":{}}})") == "parsed");  // an unsharded keyspace needs none
}

TEST_CASE("vschema: a lookup needs its table and columns, and an owner that has it") {
  const auto lookup = [](const std::string& params, const std::string& more = "") {
    return R"({"type":"lookup_unique","params":{)" + params + "}" + more + "}";
  };
  CHECK(refusal(with_vindex(lookup(R"("from":"a","to":"k")"))) ==
        "v.json:2: vindex v: expected the param table; a lookup needs table, from and to");
  CHECK(refusal(with_vindex(R"({"type":"lookup"})")) ==
        "v.json:2: vindex v: expected the param table; a lookup needs table, from and to");
  CHECK(refusal(with_vindex(lookup(R"("table":"t","from":"","to":"k")"))) ==
        "v.json:2: vindex v: expected the param from; a lookup needs table, from and to");
  const std::string good = R"("table":"t","from":"a","to":"k")";
  CHECK(refusal(with_vindex(lookup(good))) == "parsed");
  CHECK(refusal(with_vindex(lookup(good + R"(,"no_verfy":"true")"))) ==
        "v.json:2: vindex v: unknown param no_verfy (did you mean no_verify?)");
  CHECK(refusal(with_vindex(lookup(good + R"(,"no_verify":"yes")"))) ==
        "v.json:2: vindex v: expected no_verify \"true\" or \"false\", found yes");
  CHECK(refusal(with_vindex(lookup(good + R"(,"read_lock":"some")"))) ==
        "v.json:2: vindex v: expected read_lock exclusive, shared or none, found some");
  CHECK(refusal(with_vindex(lookup(R"("table":"z","from":"a","to":"k")"))) ==
        "v.json:2: vindex v: there is no table z");
  CHECK(refusal(with_vindex(lookup(R"("table":"throng.z","from":"a","to":"k")"))) ==
        "v.json:2: vindex v: there is no table throng.z");
  // Another keyspace's tables aren't in this file.
  CHECK(refusal(with_vindex(lookup(R"("table":"global.z","from":"a","to":"k")"))) == "parsed");
  CHECK(refusal(with_vindex(lookup(good, R"(,"owner":"t")"))) ==
        "v.json:2: table t: its first vindex can't be one that it owns");
  CHECK(refusal(with_vindex(lookup(good, R"(,"owner":"z")"))) ==
        "v.json:2: vindex v: its owner z is no table of the keyspace");
  CHECK(refusal(with_vindex(R"({"type":"xxhash","owner":"t"})")) == "v.json:2: vindex v: only a lookup has an owner");
  CHECK(refusal(with_vindex(R"({"type":"xxhash","params":{"a":"b"}})")) ==
        "v.json:2: vindex v: xxhash takes no params");
  CHECK(refusal(R"({"sharded":true,"vindexes":{"x":{"type":"xxhash"},
      "l":{"type":"lookup","owner":"t","params":{"table":"t","from":"b","to":"k"}}},
      "tables":{"t":{"column_vindexes":[{"column":"a","name":"x"}]}}})") ==
        "v.json:2: vindex l: its owner t has no column with it");
}

TEST_CASE("vschema: sequences are unsharded or pinned, and what names one finds one") {
  CHECK(refusal(with_tables(R"("s":{"type":"sequence"})")) ==
        "v.json:2: table s: a sequence must be in an unsharded keyspace, or pinned");
  CHECK(refusal(with_tables(R"("s":{"type":"sequence","pinned":"80"})")) == "parsed");
  CHECK(refusal(R"({"tables":{"s":{"type":"sequence"}}})") == "parsed");
  const auto numbered = [](const std::string& sequence) {
    return with_tables(R"("t":{"column_vindexes":[{"column":"a","name":"x"}],
"auto_increment":{"column":"a","sequence":")" +
                       sequence + R"("}},"s":{"type":"sequence","pinned":"80"})");
  };
  CHECK(refusal(numbered("s")) == "parsed");
  CHECK(refusal(numbered("throng.s")) == "parsed");
  CHECK(refusal(numbered("global.s")) == "parsed");
  CHECK(refusal(numbered("r")) == "v.json:3: table t: its sequence: there is no table r");
  CHECK(refusal(numbered("l_rows")) == "v.json:3: table t: its sequence: the table l_rows is not of type sequence");
  CHECK(refusal(with_tables(R"("t":{"auto_increment":{"column":"a"},"pinned":"80"})")) ==
        "v.json:2: tables.t.auto_increment: expected sequence, a table's name");
  CHECK(refusal(R"({"keyspaces":{"throng":{"tables":{"t":{"auto_increment":{"column":"a","sequence":"s"}}}},
      "a":{"tables":{"s":{"type":"sequence"}}},"b":{"tables":{"s":{"type":"sequence"}}}}})") ==
        "v.json:1: table t: its sequence: s is in several keyspaces; expected KEYSPACE.TABLE");
  CHECK(refusal(R"({"keyspaces":{"throng":{"tables":{"t":{"auto_increment":{"column":"a","sequence":"c.s"}}}}}})") ==
        "v.json:1: table t: its sequence: there is no table c.s");
}

TEST_CASE("vschema: a reference table's source is of another keyspace") {
  CHECK(refusal(with_tables(R"("t":{"type":"reference","source":"throng.l_rows"})")) ==
        "v.json:2: table t: expected source KEYSPACE.TABLE of another keyspace, found throng.l_rows");
  CHECK(refusal(with_tables(R"("t":{"type":"reference","source":"rows"})")) ==
        "v.json:2: table t: expected source KEYSPACE.TABLE of another keyspace, found rows");
  CHECK(refusal(with_tables(R"("t":{"source":"a.b","pinned":"80"})")) ==
        "v.json:2: table t: only a reference table has a source");
}

TEST_CASE("vschema: a file that can't be read is named") {
  CHECK(load_vschema("/nowhere/v.json", "throng").failure().detail ==
        "/nowhere/v.json: can't be read; expected a VSchema, such as config/vschema.json");
  CHECK(load_vschema("/tmp", "throng").failure().detail ==
        "/tmp: can't be read; expected a VSchema, such as config/vschema.json");
}

}  // namespace
}  // namespace throng
