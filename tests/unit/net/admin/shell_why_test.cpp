// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_why.hpp"

#include <doctest/doctest.h>

using namespace throng;

namespace {

wall_time at(std::int64_t micros) { return wall_time(std::chrono::microseconds(1'700'000'000'000'000 + micros)); }
std::string name_of(node_index node) { return "n" + std::to_string(node.value); }
const entity_key plans = key_of(make_channel_id(400, channel_kind::channel));

std::vector<std::string> steps_of(const shell_table& table) {
  std::vector<std::string> all;
  for (const auto& row : table.rows) all.push_back(row[1].text + " " + row[2].text + " " + row[3].text);
  return all;
}

}  // namespace

TEST_CASE("why: a post that came over a link, from the call to its readers") {
  passage past{plans, 5, 17, {node_index{2}, at(0), at(250), at(260), at(300), at(1'300), 99}, at(1'310), 2};
  auto hops = hops_of(past, "n1", name_of);
  hops.push_back(hop_of({plans, 17, {99}, at(1'600), delivery_note::step_t::written, 1, 3}, "n2"));
  hops.push_back(hop_of({plans, 17, {99}, at(1'500), delivery_note::step_t::encoded, 0, 1}, "n2"));
  hops.push_back(hop_of({plans, 17, {99}, at(1'700), delivery_note::step_t::answered, 0, 1}, "n2"));
  const auto table = why_table(std::move(hops));
  CHECK(steps_of(table) ==
        std::vector<std::string>{"+0.000 ms n2 asked", "+0.250 ms n1 arrived", "+0.260 ms n1 delivered",
                                 "+0.300 ms n1 begun", "+1.300 ms n1 committed", "+1.310 ms n1 published",
                                 "+1.500 ms n2 encoded", "+1.600 ms n2 written", "+1.700 ms n2 answered"});
  CHECK(table.rows[0][0].text == "1700000000.000000");
  CHECK(table.rows[1][4].text == "over the link from n2");
  CHECK(table.rows[4][4].text.starts_with("as seq 17 in epoch 5; "));
  CHECK(table.rows[5][4].text == "to 2 nodes");
  CHECK(table.rows[6][4].text == "for 1 io loop");
  CHECK(table.rows[7][4].text == "to 3 readers on io loop 1");
}

TEST_CASE("why: a node's part comes back as it was") {
  const std::vector<why_hop> hops{{at(5), "n1", "asked", "channel:C1 is asked to post it"},
                                  {at(7), "n2", "written", "to 3 \"readers\""}};
  const auto text = table_reply(why_part(hops));
  const auto document = parse_json(text);
  REQUIRE(document.ok());
  const auto back = hops_of(document->root());
  REQUIRE(back.size() == 2);
  CHECK(back[1].at == hops[1].at);
  CHECK(back[1].node == "n2");
  CHECK(back[1].step == "written");
  CHECK(back[1].what == hops[1].what);
  const auto strange = parse_json(R"({"ok":true,"rows":[["soon","n1","asked","x"],[1,2],"no",["1.000000","n1"]]})");
  CHECK(hops_of(strange->root()).empty());
}

TEST_CASE("why: what the store says") {
  message_record row;
  row.seq = 17;
  row.user = {11};
  CHECK(stored_hop(plans, {99}, row, "n1").what.starts_with("as seq 17 of "));
  row.is_deleted = true;
  CHECK(stored_hop(plans, {99}, row, "n1").what.find("deleted since") != std::string::npos);
  CHECK(stored_hop(plans, {99}, errc::message_not_found, "n1").what.ends_with("has no such message"));
  CHECK(stored_hop(plans, {99}, errc::service_unavailable, "n1").what.starts_with("the store doesn't say: "));
}

TEST_CASE("why: a post of this node's own came over no link") {
  passage past{plans, 5, 17, {node_index{1}, at(0), {}, at(10), at(20), at(30), 99}, at(40), 0};
  for (const auto& each : hops_of(past, "n1", name_of)) {
    CHECK(each.step != "arrived");
    CHECK(each.node == "n1");
  }
}
