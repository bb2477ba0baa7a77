// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_answers.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

TEST_CASE("consul answers: keys come sorted, with their bytes, flags, session and version") {
  auto pairs = parse_consul_pairs(R"([
    {"LockIndex":0,"Key":"b","Flags":18446744073709551615,"Value":"AAH/","CreateIndex":7,"ModifyIndex":9},
    {"LockIndex":1,"Key":"a/b","Flags":0,"Value":null,"Session":"adf4238a-882b","CreateIndex":7,"ModifyIndex":12}
  ])");
  REQUIRE(pairs.ok());
  REQUIRE(pairs->size() == 2);
  CHECK(pairs->at(0).key == "a/b");
  CHECK(pairs->at(0).value.empty());
  CHECK(pairs->at(0).session == "adf4238a-882b");
  CHECK(pairs->at(0).modify_index == 12);
  CHECK(pairs->at(1).value == std::string("\0\1\xff", 3));
  CHECK(pairs->at(1).flags == ~std::uint64_t{0});
  CHECK(pairs->at(1).session.empty());
  CHECK(parse_consul_pairs("[]")->empty());
  CHECK(parse_consul_pairs("null")->empty());
}

TEST_CASE("consul answers: what isn't a list of keys is an error that says why") {
  for (auto body :
       {"", "x", "{}", "[", "[1]", "[{}]", R"([{"Key":"a"}])", R"([{"Key":"a","ModifyIndex":0}])",
        R"([{"Key":"a","ModifyIndex":-1}])", R"([{"Key":"a","ModifyIndex":1.5}])", R"([{"Key":1,"ModifyIndex":1}])",
        R"([{"Key":"a","ModifyIndex":1,"Value":"***"}])", R"([{"Key":"a","ModifyIndex":1,"Value":{}}])",
        R"([{"Key":"a","ModifyIndex":1,"Session":5}])", R"([{"Key":"a","ModifyIndex":1,"Flags":"x"}])",
        R"([{"Key":"a","ModifyIndex":18446744073709551616}])", R"([{"Key":"b","ModifyIndex":1},null])"}) {
    CAPTURE(body);
    auto pairs = parse_consul_pairs(body);
    REQUIRE_FALSE(pairs.ok());
    CHECK(pairs.code() == errc::invalid_json);
    CHECK(pairs.failure().detail.starts_with("Consul's list of keys isn't one: "));
  }
}

TEST_CASE("consul answers: a session's id is fit for a path") {
  CHECK(parse_consul_session_id(R"({"ID":"adf4238a-882b-9ddc-4a9d-5b6758e4159e"})").value() ==
        "adf4238a-882b-9ddc-4a9d-5b6758e4159e");
  for (auto body : {"", "null", "[]", "{}", R"({"ID":""})", R"({"ID":3})", R"({"ID":"../kv"})", R"({"ID":"a b"})",
                    R"({"ID":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})"}) {
    CAPTURE(body);
    CHECK(parse_consul_session_id(body).code() == errc::invalid_json);
  }
}

TEST_CASE("consul answers: yes and no, and nothing else") {
  CHECK(parse_consul_flag("true").value());
  CHECK_FALSE(parse_consul_flag("false\n").value());
  for (auto body : {"", "True", "1", "truefalse", "null"}) CHECK(parse_consul_flag(body).code() == errc::invalid_json);
}

TEST_CASE("consul answers: the operations that a transaction failed at") {
  using numbers = std::vector<std::size_t>;
  CHECK(
      parse_consul_failed_operations(R"({"Results":null,"Errors":[{"OpIndex":0,"What":"x"},{"OpIndex":1}]})").value() ==
      numbers{0, 1});
  for (auto body : {"", "{}", R"({"Errors":null})", R"({"Errors":[]})", R"({"Errors":[{"What":"x"}]})"}) {
    CAPTURE(body);
    CHECK(parse_consul_failed_operations(body).code() == errc::invalid_json);
  }
}

TEST_CASE("consul answers: instances of a service, by id, with their node's address if they have none") {
  auto found = parse_consul_instances(R"([
    {"Node":{"Address":"10.0.0.2"},"Service":{"ID":"n2","Service":"throng","Tags":null,"Address":"","Meta":null,"Port":0},
     "Checks":[]},
    {"Node":{"Address":"10.0.0.1"},"Service":{"ID":"n1","Service":"throng","Tags":["a","b"],"Address":"127.0.0.1",
     "Meta":{"incarnation":"4"},"Port":65535}}
  ])");
  REQUIRE(found.ok());
  CHECK(found.value() == std::vector<consul_instance>{
                             {"n1", "throng", "127.0.0.1", 65535, {"a", "b"}, {{"incarnation", "4"}}},
                             {"n2", "throng", "10.0.0.2", 0, {}, {}},
                         });
  CHECK(parse_consul_instances("[]")->empty());
  for (auto body : {"", "{}", "[{}]", R"([{"Service":{"ID":"a","Service":"b","Port":65536}}])",
                    R"([{"Service":{"ID":"a","Service":"b","Port":-1}}])",
                    R"([{"Service":{"ID":"a","Service":"b","Port":1,"Tags":[1]}}])",
                    R"([{"Service":{"ID":"a","Service":"b","Port":1,"Meta":{"a":1}}}])",
                    R"([{"Service":{"ID":"a","Service":"b","Port":1,"Address":7}}])"}) {
    CAPTURE(body);
    CHECK(parse_consul_instances(body).code() == errc::invalid_json);
  }
}

TEST_CASE("consul answers: an index that goes backwards or makes no sense starts again") {
  CHECK(next_consul_index(0, "12") == 12);
  CHECK(next_consul_index(12, "12") == 12);
  CHECK(next_consul_index(12, " 13 ") == 13);
  CHECK(next_consul_index(12, "11") == 0);
  for (auto header : {"", "0", "-1", "x", "12x", "1e9", "99999999999999999999999"}) {
    CAPTURE(header);
    CHECK(next_consul_index(0, header) == 0);
    CHECK(next_consul_index(5, header) == 0);
  }
}

}  // namespace
}  // namespace throng
