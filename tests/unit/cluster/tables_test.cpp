// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "cluster/slot_table.hpp"
#include "cluster/subscriber_table.hpp"
#include "cluster/wake_queue.hpp"

namespace throng {

using std::chrono::seconds;

TEST_CASE("slot table: a single node owns every slot, one epoch above what the store has seen") {
  const auto table = slot_table::single_node(node_index{1}, {{slot_id{7}, 41}, {slot_id{4095}, 1}});
  CHECK(table.owned_by(node_index{1}) == slot_count);
  CHECK(table.owned_by(node_index{2}) == 0);
  CHECK(table.owner_of(slot_id{7}).epoch == 42);
  CHECK(table.owner_of(slot_id{4095}).epoch == 2);
  CHECK(table.owner_of(slot_id{0}).epoch == 1);
  const auto fences = table.fences_of(node_index{1});
  REQUIRE(fences.size() == slot_count);
  CHECK(fences[7] == fence{slot_id{7}, 42});
}

TEST_CASE("slot table: what follows is above what it was told of, and nothing else has changed") {
  const auto table = slot_table::single_node({1}, {{slot_id{5}, 7}});
  const auto told = table.above(std::vector<fence>{{{5}, 3}, {{6}, 9}, {{slot_count}, 4}});
  CHECK(told.version() == table.version());
  CHECK(told.owner_of({5}).epoch == 8);
  CHECK(told.owner_of({6}).epoch == 9);
  CHECK(told.owner_of({7}) == table.owner_of({7}));
  const auto next = told.after(std::vector<slot_move>{{{6}, {1}, {1}}});
  CHECK(next.owner_of({6}) == slot_table::owner{{1}, 10, {1}});
  CHECK(next.owner_of({5}).epoch == 8);
}

TEST_CASE("subscriber table: a node is listed once, and a stream nobody wants costs nothing") {
  subscriber_table table;
  const entity_key stream{entity_kind::channel, 5};
  CHECK(table.add(stream, node_index{1}));
  CHECK_FALSE(table.add(stream, node_index{1}));
  CHECK(table.add(stream, node_index{2}));
  CHECK(table.subscribers(stream).size() == 2);
  CHECK(table.remove(stream, node_index{1}));
  CHECK_FALSE(table.remove(stream, node_index{1}));
  REQUIRE(table.subscribers(stream).size() == 1);
  CHECK(table.subscribers(stream).front().node == node_index{2});
  table.add(entity_key{entity_kind::user, 5}, node_index{2});
  CHECK(table.stream_count() == 2);
  table.remove_node(node_index{2});
  CHECK(table.stream_count() == 0);
  CHECK(table.subscribers(stream).empty());
}

TEST_CASE("wake queue: entities come out in the order of their times, each once, the last time set counts") {
  wake_queue queue;
  const steady_time start{};
  const entity_key a{entity_kind::user, 1}, b{entity_kind::user, 2}, c{entity_kind::user, 3};
  queue.set(a, start + seconds(3));
  queue.set(b, start + seconds(1));
  queue.set(c, start + seconds(2));
  queue.set(a, start + seconds(1));
  queue.cancel(c);
  CHECK(queue.due(start).empty());
  CHECK(queue.due(start + seconds(1)) == std::vector<entity_key>{b, a});
  CHECK(queue.empty());
  CHECK(queue.due(start + seconds(9)).empty());
}

}  // namespace throng
