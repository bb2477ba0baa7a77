// SPDX-License-Identifier: Apache-2.0
#include "cluster/coordinator/placement_wishes.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

placement_wishes some() {
  placement_wishes wishes;
  wishes.balances = false;
  wishes.draining = {"n2", "n3"};
  wishes.weights = {{"n1", 300}};
  wishes.pins = {{17, "n1"}, {4095, "n2"}};
  wishes.change = {7, 1234, "plan 3", {{{5}, {1}, {2}}, {{9}, {1}, {2}}, {{6}, {2}, {1}}}, true, true, {"n4"}, {}};
  wishes.version = 55;
  return wishes;
}

TEST_CASE("placement wishes survive being written down") {
  CHECK(*parse_placement_wishes({"placement", to_json(some()), 55}) == some());
  CHECK(*parse_placement_wishes({"placement", to_json({}), 0}) == placement_wishes{});
}

TEST_CASE("a change that moves every slot has room in the topology") {
  auto wishes = some();
  wishes.change.moves.clear();
  for (std::uint16_t slot = 0; slot < slot_count; ++slot)
    wishes.change.moves.push_back({{slot}, {static_cast<std::uint16_t>(slot % 5)}, {1000}});
  for (std::uint16_t slot = 0; slot < pinned_slots_max; ++slot) wishes.pins[slot] = "node-with-a-name";
  CHECK(to_json(wishes).size() < 80'000);
}

TEST_CASE("placement wishes that can't be are refused, with what is wrong") {
  auto said = [](std::string json) {
    auto read = parse_placement_wishes({"placement", std::move(json), 1});
    return read ? std::string("read") : read.failure().detail;
  };
  CHECK(said("{") != "read");
  CHECK(said("{}") == "placement: \"balances\" must be true or false");
  const std::string start = R"({"balances":true,"draining":[],"weights":{)";
  CHECK(said(start + R"(},"pins":[]})") == "read");
  CHECK(said(start + R"("n1":-1},"pins":[]})") == "placement: \"weights\" must be a number from 0 to 1000000");
  CHECK(said(start + R"(},"pins":[{"slot":4096,"node":"n1"}]})") ==
        "placement: \"slots\" must be a number from 0 to 4095");
  CHECK(
      said(
          start +
          R"(},"pins":[],"change":{"id":1,"made_for":2,"what":"x","is_undoing":false,"moves":[{"from":1,"to":0,"slots":[1]}]}})") ==
      "placement: \"to\" must be a node");
}

TEST_CASE("what has become of a change is seen by the table's mark") {
  const placement_change change{3, 10, "plan 1", {{{1}, {0}, {1}}, {{2}, {0}, {1}}}};
  auto table = slot_table::unowned(10, {});
  CHECK(state_of({}, table) == change_state::none);
  CHECK(state_of(change, table) == change_state::waiting);
  CHECK(state_of(change, table.after({})) == change_state::overtaken);
  const auto begun = table.after(std::span(change.moves).first(1), {3, 1});
  CHECK(state_of(change, begun) == change_state::under_way);
  CHECK(state_of(change, *slot_table::decode(begun.encode())) == change_state::under_way);
  CHECK(state_of(change, begun.after({})) == change_state::under_way);  // others move something meanwhile
  CHECK(state_of(change, begun.after({}, {3, 2})) == change_state::finished);
  CHECK(state_of(change, begun.after({}, {4, 0})) == change_state::finished);
}

}  // namespace
}  // namespace throng
