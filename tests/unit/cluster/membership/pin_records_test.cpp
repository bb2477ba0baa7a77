// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/pin_records.hpp"

#include <doctest/doctest.h>

#include "cluster/membership/cluster_picture.hpp"
#include "tests/support/sim_node.hpp"
#include "tests/support/sim_topology.hpp"

namespace throng::test {
namespace {

constexpr entity_key channel{entity_kind::channel, 42};
constexpr entity_key user{entity_kind::user, UINT64_MAX};

result<std::vector<pin_record>> parsed(std::string text) { return parse_pin_records({"pins", std::move(text), 1}); }

std::vector<pin_record> stored(sim_topology& topology) {
  auto entry = topology.get(pins_key);
  REQUIRE((entry.ok() && *entry));
  auto pins = parse_pin_records(**entry);
  REQUIRE(pins.ok());
  return *pins;
}

TEST_CASE("pins: what is written is read again, sorted by entity") {
  const std::vector<pin_record> pins{{user, "n2"}, {channel, "a \"node\""}};
  auto read = parsed(to_json(pins));
  REQUIRE(read.ok());
  CHECK(*read == std::vector<pin_record>{{channel, "a \"node\""}, {user, "n2"}});
}

TEST_CASE("pins: what can't be is refused, and the key is named") {
  for (const auto* text :
       {"", "{}", "{\"pins\":1}", "{\"pins\":[1]}", "{\"pins\":[{\"kind\":\"channel\",\"id\":\"1\"}]}",
        "{\"pins\":[{\"kind\":\"chan\",\"id\":\"1\",\"node\":\"n\"}]}",
        "{\"pins\":[{\"kind\":\"channel\",\"id\":\"1x\",\"node\":\"n\"}]}",
        "{\"pins\":[{\"kind\":\"channel\",\"id\":\"18446744073709551616\",\"node\":\"n\"}]}",
        "{\"pins\":[{\"kind\":\"channel\",\"id\":\"1\",\"node\":\"n\"},{\"kind\":\"channel\",\"id\":\"1\",\"node\":"
        "\"m\"}]}"}) {
    CAPTURE(text);
    auto read = parsed(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.code() == errc::invalid_json);
    CHECK(read.failure().detail.starts_with("pins"));
  }
}

TEST_CASE("pins: they are changed one at a time, and bounded") {
  virtual_time clock;
  sim_topology topology(clock);
  CHECK(change_pin(topology, channel, std::nullopt).code() == errc::not_found);
  REQUIRE(change_pin(topology, channel, "n1").ok());
  REQUIRE(change_pin(topology, user, "n1").ok());
  REQUIRE(change_pin(topology, channel, "n2").ok());
  CHECK(stored(topology) == std::vector<pin_record>{{channel, "n2"}, {user, "n1"}});
  REQUIRE(change_pin(topology, channel, std::nullopt).ok());
  CHECK(stored(topology) == std::vector<pin_record>{{user, "n1"}});
  for (std::size_t i = 1; i < pins_max; ++i) REQUIRE(change_pin(topology, {entity_kind::channel, i}, "n3").ok());
  CHECK(change_pin(topology, {entity_kind::channel, pins_max}, "n3").code() == errc::overloaded);
  CHECK(change_pin(topology, {entity_kind::channel, 1}, "n1").ok());
  CHECK(stored(topology).size() == pins_max);
  topology.is_away = true;
  CHECK(change_pin(topology, channel, "n1").code() == errc::service_unavailable);
}

TEST_CASE("pins: those to nodes that aren't there, or drain, don't count") {
  cluster_picture picture({{1}, 1, "n1", "", "", ""}, {});
  const auto record = [](std::uint16_t node, bool is_draining) {
    node_record one;
    one.who = {{node}, 1, "n" + std::to_string(node), "", "", ""};
    one.is_draining = is_draining;
    return topology_entry{node_record_key(one.who.name), to_json(one), 1};
  };
  const auto pin_of = [](std::uint64_t id, std::string node) { return pin_record{{entity_kind::channel, id}, node}; };
  picture.set_pins({{"pins", to_json({pin_of(1, "n1"), pin_of(2, "n2"), pin_of(3, "n3"), pin_of(4, "n4")}), 1}});
  picture.set_records({record(2, false), record(3, true)}, {});
  const entity_pin first{{entity_kind::channel, 1}, {1}}, second{{entity_kind::channel, 2}, {2}};
  CHECK(picture.effective_pins(false) == std::vector<entity_pin>{first, second});
  CHECK(picture.effective_pins(true) == std::vector<entity_pin>{second});
  picture.set_pins({{"pins", "nonsense", 2}});
  CHECK(picture.effective_pins(true) == std::vector<entity_pin>{second});
  CHECK(picture.are_pins_kept());
  picture.set_pins({});
  CHECK(picture.effective_pins(true) == std::vector<entity_pin>{second});
  CHECK_FALSE(picture.are_pins_kept());
}

}  // namespace
}  // namespace throng::test
