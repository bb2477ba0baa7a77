// SPDX-License-Identifier: Apache-2.0
#include "net/admin/reflect.hpp"

#include <doctest/doctest.h>

#include "actors/protocol.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/keyspace.hpp"

namespace throng {

TEST_CASE("reflection: ids and ts are written as people know them") {
  ChannelSnapshot state;
  state.mutable_channel()->set_id(make_channel_id(4096, channel_kind::channel).value);
  state.mutable_channel()->set_team(1);
  state.mutable_channel()->set_name("general");
  state.add_members(35);
  state.add_members(36);
  state.set_seq(7);
  state.set_last_ts(1'700'000'000'000'001);
  std::string text;
  json_writer out(text);
  write_state(out, state);
  CHECK(text ==
        R"({"channel":{"id":")" + to_text(make_channel_id(4096, channel_kind::channel)) +
            R"(","team":"T1","name":"general"},"members":["UZ","U10"],"seq":7,"last_ts":"1700000000.000001"})");
}

TEST_CASE("reflection: a ticket is never shown") {
  SessionSnapshot state;
  state.set_id(5);
  state.set_ticket("the secret bytes");
  auto* cursor = state.add_cursors();
  cursor->set_kind(static_cast<std::uint32_t>(entity_kind::user));
  cursor->set_id(36);
  std::string text;
  json_writer out(text);
  write_state(out, state);
  CHECK(text == R"({"id":"S5","cursors":[{"kind":5,"id":"user:U10"}],"ticket":"***"})");
}

}  // namespace throng
