// SPDX-License-Identifier: Apache-2.0
// Vitess's published results: hash_test.go, hash_auto_test.go, xxhash_test.go, numeric_test.go, binary_test.go of
// go/vt/vtgate/vindexes, and the documentation's examples.
#include "storage/vschema/vindex.hpp"

#include <limits>
#include <set>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::string_view_literals;

std::string hex(std::string_view bytes) {
  constexpr auto digits = "0123456789abcdef"sv;
  std::string out;
  for (unsigned char byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::string place(vindex_type type, const vindex_value& value) {
  const auto id = keyspace_id_of(type, value);
  return id ? hex(*id) : "nowhere";
}

TEST_CASE("vindex: hash is what Vitess computes") {
  const auto of = [](std::uint64_t value) { return place(vindex_type::hash, value); };
  CHECK(of(0) == "8ca64de9c1b123a7");
  CHECK(of(1) == "166b40b44aba4bd6");
  CHECK(of(2) == "06e7ea22ce92708f");
  CHECK(of(3) == "4eb190c9a2fa169c");
  CHECK(of(4) == "d2fd8867d50d2dfe");
  CHECK(of(5) == "70bb023c810ca87a");
  CHECK(of(6) == "f098480ac4c4be71");
  CHECK(of(11) == "aefc44491cfe474c");
  CHECK(of(397) == "5584fa738baaf516");
  CHECK(of(29999) == "fcd63e56d3374d88");
  CHECK(of(1ull << 56) == "0d9f279ba5d87260");
  CHECK(of(1ull << 59) == "20b9e767b2fb1456");
  CHECK(hash_ksid(1) == 0x166b40b44aba4bd6);
}

TEST_CASE("vindex: hash takes a negative number by its bits, a text by its number, and nothing else") {
  CHECK(place(vindex_type::hash, std::int64_t{-1}) == place(vindex_type::hash, ~std::uint64_t{0}));
  CHECK(place(vindex_type::hash, "1"sv) == "166b40b44aba4bd6");
  for (auto value : {vindex_value(), vindex_value("aa"sv), vindex_value(""sv), vindex_value("-1"sv),
                     vindex_value("1 "sv), vindex_value("18446744073709551616"sv)})
    CHECK(place(vindex_type::hash, value) == "nowhere");
}

TEST_CASE("vindex: xxhash is what Vitess computes") {
  const auto of = [](const vindex_value& value) { return place(vindex_type::xxhash, value); };
  CHECK(of("test1"sv) == "d01ab7e4d6978f0b");
  CHECK(of("test2"sv) == "87eb11714c0a0e89");
  CHECK(of("testaverylongvaluetomakesurethisworks"sv) == "81d8c38e0d850e6a");
  CHECK(of(std::int64_t{1}) == "d46405367612b4b7");
  CHECK(of({}) == "99e9d85137db46ef");
  CHECK(of(""sv) == "99e9d85137db46ef");
  CHECK(of(std::int64_t{-1}) == "d8e2a6a7c8c7623d");
  CHECK(of(std::numeric_limits<std::uint64_t>::max()) == "477cfa8d6d8f1f8d");
  CHECK(of(std::numeric_limits<std::int64_t>::max()) == "b37eb01f7bffafd8");
  CHECK(of(std::uint64_t{9223372036854775807}) == "b37eb01f7bffafd8");
  CHECK(of(std::numeric_limits<std::int64_t>::min()) == "102c27ddb26a609e");
}

TEST_CASE("vindex: xxhash of an id is the keyspace id that places its entity") {
  for (std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{12345678901}, ~std::uint64_t{0}})
    CHECK(keyspace_id_of(vindex_type::xxhash, id) == to_bytes(keyspace_id(id)));
}

TEST_CASE("vindex: numeric is the number, the largest byte first") {
  CHECK(place(vindex_type::numeric, std::int64_t{1}) == "0000000000000001");
  CHECK(place(vindex_type::numeric, std::int64_t{8}) == "0000000000000008");
  CHECK(place(vindex_type::numeric, 0x8010000000000000u) == "8010000000000000");
  CHECK(place(vindex_type::numeric, "7"sv) == "0000000000000007");
  for (auto value : {vindex_value(), vindex_value("aa"sv), vindex_value("1.1"sv), vindex_value(std::int64_t{-1})})
    CHECK(place(vindex_type::numeric, value) == "nowhere");
}

TEST_CASE("vindex: binary is all of the bytes, not only those that route") {
  CHECK(keyspace_id_of(vindex_type::binary, "test"sv) == "test");
  CHECK(keyspace_id_of(vindex_type::binary, "\0a longer value than eight\xff"sv) ==
        "\0a longer value than eight\xff"sv);
  CHECK(keyspace_id_of(vindex_type::binary, ""sv) == "");
  CHECK(keyspace_id_of(vindex_type::binary, std::int64_t{65}) == "65");
}

TEST_CASE("vindex: what routes are the first 8 bytes, filled up with zeros") {
  CHECK(to_ksid("") == 0);
  CHECK(to_ksid("\x80"sv) == 0x8000000000000000);
  CHECK(to_ksid("\x12\x34\x56\x78\x9a\xbc\xde\xf0\xff"sv) == 0x123456789abcdef0);
  CHECK(to_ksid(to_bytes(0x0102030405060708)) == 0x0102030405060708);
}

TEST_CASE("vindex: types are known by Vitess's names, and others aren't known") {
  for (auto name : {"xxhash"sv, "hash"sv, "numeric"sv, "binary"sv, "lookup"sv, "lookup_unique"sv, "consistent_lookup"sv,
                    "consistent_lookup_unique"sv}) {
    REQUIRE(parse_vindex_type(name));
    CHECK(to_string(*parse_vindex_type(name)) == name);
    CHECK(known_vindex_types().find(name) != std::string::npos);
    CHECK(is_lookup(*parse_vindex_type(name)) == (name.find("lookup") != name.npos));
    CHECK(is_unique(*parse_vindex_type(name)) == (name != "lookup" && name != "consistent_lookup"));
  }
  for (auto name :
       {""sv, "XXHASH"sv, "unicode_loose_xxhash"sv, "unicode_loose_md5"sv, "lookup_hash"sv, "region_json"sv})
    CHECK(!parse_vindex_type(name));
}

}  // namespace
}  // namespace throng
