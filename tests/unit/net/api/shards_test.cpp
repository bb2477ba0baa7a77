// SPDX-License-Identifier: Apache-2.0
// What the API does where rows lie in several shards.
#include <doctest/doctest.h>

#include "actors/protocol.hpp"
#include "tests/unit/net/api/fake_shards.hpp"
#include "tests/unit/net/api/town.hpp"

using namespace throng;
using namespace throng::test;

namespace {

void put(store& into, std::uint64_t id, const std::string& domain) {
  WorkspaceData data;
  data.set_id(id);
  data.set_name("The " + domain);
  commit_unit unit;
  unit.ops.push_back(put_workspace{{team_id{id}, domain, data.SerializeAsString()}});
  auto outcome = into.commit({&unit, 1});
  REQUIRE(outcome);
  REQUIRE(outcome->front());
}

std::string warnings_of(const heard& answer) { return answer.text("response_metadata.warnings"); }

}  // namespace

TEST_CASE("shards: admin.teams.list merges the shards' workspaces in order, page by page") {
  fake_shards shards({"-80", "80-"});
  put(shards.of("-80"), 1, "one");
  put(shards.of("80-"), 2, "two");
  put(shards.of("80-"), 3, "three");
  put(shards.of("-80"), 4, "four");
  put(shards.of("80-"), 5, "five");
  api_town town;
  town.services().shards = shards.access();

  const auto first = town.call("admin.teams.list", api_town::admin, "limit=3");
  CHECK(first.each("teams", "domain") == std::vector<std::string>{"one", "two", "three"});
  CHECK(warnings_of(first).empty());
  const auto rest =
      town.call("admin.teams.list", api_town::admin, "limit=3&cursor=" + first.text("response_metadata.next_cursor"));
  CHECK(rest.each("teams", "domain") == std::vector<std::string>{"four", "five"});
  CHECK(rest.text("response_metadata.next_cursor").empty());
}

TEST_CASE("shards: a page without a shard's rows says so; without any shard there is none") {
  fake_shards shards({"-80", "80-"});
  put(shards.of("-80"), 1, "one");
  put(shards.of("80-"), 2, "two");
  api_town town;
  town.services().shards = shards.access();

  shards.away = "80-";
  const auto partial = town.call("admin.teams.list", api_town::admin);
  CHECK(partial.each("teams", "domain") == std::vector<std::string>{"one"});
  CHECK(warnings_of(partial) == R"(["partial: shard 80- is away"])");

  fake_shards one({"-"});
  one.away = "-";
  town.services().shards = one.access();
  CHECK(town.call("admin.teams.list", api_town::admin).code() == "service_unavailable");
}
