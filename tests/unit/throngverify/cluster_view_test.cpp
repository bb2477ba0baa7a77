// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/cluster_view.hpp"

#include <doctest/doctest.h>

#include "tools/throngverify/cluster_script.hpp"
#include "tools/throngverify/mover.hpp"

using namespace throng;
using namespace throng::verify;

TEST_CASE("cluster view: what the shell says, and what is wrong with it") {
  const std::string two =
      R"j({"ok":true,"columns":["NODE","NUMBER","STATE","SLOTS","MOVING","LINK","ROUND TRIP","CLIENTS"],
    "rows":[["n1",1,"settled",2048,0,"self","",""],["n2",2,"settled",2048,0,"up","0.58 ms",""]],
    "note":"n2 coordinates (term 3)"})j";
  const auto view = parse_cluster_view(two);
  REQUIRE(view);
  CHECK(view->coordinator == "n2");
  REQUIRE(view->members.size() == 2);
  CHECK(view->members[1].link == "up");
  CHECK(trouble_in(*view, 2).empty());
  CHECK(trouble_in(*view, 3) == "2 members instead of 3");
  auto other = *view;
  other.members[1].state = "moving";
  CHECK(trouble_in(other, 2) == "n2 is moving");
  other = *view;
  other.members[1].link = "down";
  CHECK(trouble_in(other, 2) == "no link to n2");
  other = *view;
  other.members[0].slots = 1;
  CHECK(trouble_in(other, 2) == "not all slots have an owner");
  CHECK_FALSE(parse_cluster_view("not JSON"));
  CHECK_FALSE(parse_cluster_view(R"({"ok":false,"error":"not_found"})"));
}

TEST_CASE("cluster view: an entity is where it runs, not where it was lent from") {
  const auto found = [](const std::string& rows) {
    return home_in(R"j({"ok":true,"columns":["ENTITY","STATE","SLOT","NODE"],"rows":[)j" + rows + R"j(],"note":""})j");
  };
  const std::string lent = R"(["channel:C1","lent to n1",7,"n2"])",
                    guest = R"(["channel:C1","active, lent from n2",7,"n1"])";
  CHECK(found(lent + "," + guest) == "n1");
  CHECK(found(guest + "," + lent) == "n1");
  CHECK(found(R"(["channel:C1","not active",7,"n3"])") == "n3");
  CHECK(found(lent).empty());
  CHECK(home_in("").empty());
  const auto table = [](const std::string& rows) {
    return R"j({"ok":true,"columns":["ENTITY","STATE","SLOT","NODE"],"rows":[)j" + rows + R"j(],"note":""})j";
  };
  CHECK(runs_at(table(lent + "," + guest), "n1"));
  CHECK_FALSE(runs_at(table(lent + "," + guest), "n2"));
  CHECK_FALSE(runs_at(table(R"(["channel:C1","not active",7,"n3"])"), "n3"));
}

TEST_CASE("mover: whose a slot is, if one node says so") {
  const auto homes = parse_slot_homes(
      R"j({"ok":true,"columns":["SLOT","EPOCH","ENTITIES","STREAMS","MAILBOX","NODE"],
    "rows":[[7,3,1,0,0,"n1"],[8,3,1,0,0,"n2"],[9,3,1,0,0,"n1"],[9,3,1,0,0,"n3"],[4096,1,1,0,0,"n1"]],"note":""})j");
  CHECK(homes == std::map<slot_id, std::string>{{slot_id{7}, "n1"}, {slot_id{8}, "n2"}});
  CHECK(parse_slot_homes("").empty());
  CHECK(parse_slot_homes(R"({"ok":false,"error":"not_found"})").empty());
}

TEST_CASE("cluster script: where tools/cluster says that the nodes are") {
  const auto doors = parse_doors(
      "n1 serves clients at http://127.0.0.1:21363, operators at http://127.0.0.1:21364\n"
      "n2 serves clients at http://127.0.0.1:22000, operators at http://127.0.0.1:22001\n\n"
      "Its admin token is in /x. A workspace:\n");
  REQUIRE(doors.size() == 2);
  CHECK(doors[1].name == "n2");
  CHECK(doors[1].client.port == 22000);
  CHECK(doors[0].admin == "http://127.0.0.1:21364");
}
