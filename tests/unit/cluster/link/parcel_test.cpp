// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/parcel.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

TEST_CASE("parcel: a handover arrives as it was, with and without a timer") {
  using std::chrono::milliseconds;
  const entity_key one{entity_kind::channel, 5}, other{entity_kind::session, 6};
  handover_parcel out{slot_id{77},
                      {{one, "state", milliseconds(0), true, {}}, {other, "", std::nullopt, false, {{1}, {3}}}}};
  const auto in = decode_parcel(encode(out));
  REQUIRE(in.ok());
  const auto& handed = std::get<handover_parcel>(in->what);
  CHECK(handed.slot == slot_id{77});
  REQUIRE(handed.entities.size() == 2);
  CHECK(handed.entities[0].key == one);
  CHECK(handed.entities[0].state == "state");
  CHECK(handed.entities[0].wakes_in == milliseconds(0));
  CHECK(handed.entities[0].stays_active);
  CHECK(handed.entities[1].key == other);
  CHECK_FALSE(handed.entities[1].wakes_in);
  CHECK_FALSE(handed.entities[1].stays_active);
  CHECK(handed.entities[1].subscribers == std::vector<node_index>{{1}, {3}});
}

TEST_CASE("parcel: where asks went on to arrives as it was") {
  const auto in = decode_parcel(encode(passed_asks_parcel{{{1ULL << 60, {{3}, 77}}, {2, {}}}}));
  REQUIRE(in.ok());
  const auto& passed = std::get<passed_asks_parcel>(in->what);
  REQUIRE(passed.asks.size() == 2);
  CHECK(passed.asks[0].correlation == 1ULL << 60);
  CHECK(passed.asks[0].at == node_start{{3}, 77});
  CHECK(passed.asks[1].at == node_start{});
}

TEST_CASE("parcel: slots that can't be and kinds that aren't known are refused") {
  CHECK(decode_parcel(encode(handover_parcel{slot_id{4096}, {}})).code() == errc::unknown_message);
  CHECK(decode_parcel("").code() == errc::unknown_message);
  const char of_the_future[] = {static_cast<char>(0xfa), 0x3e, 0x00};  // field 1007, empty
  CHECK(decode_parcel(std::string_view(of_the_future, 3)).code() == errc::unknown_message);
  CHECK(decode_parcel("no parcel").code() == errc::unknown_message);
}

}  // namespace
}  // namespace throng
