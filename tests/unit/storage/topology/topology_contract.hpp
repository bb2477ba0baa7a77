// SPDX-License-Identifier: Apache-2.0
// What every topology store must do. A store's test defines THRONG_TOPOLOGIES, a list of harness types, and includes
// this file:
//
//   struct my_harness {
//     my_harness();                             // a place of its own, empty; the destructor clears it away
//     std::unique_ptr<topology_store> open();   // on the same data each time; only one is open at once
//   };
//   #define THRONG_TOPOLOGIES my_harness
//   #include "tests/unit/storage/topology/topology_contract.hpp"
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include "storage/topology/topology_key.hpp"
#include "storage/topology/topology_store.hpp"
#include "tests/unit/storage/topology/topology_support.hpp"

namespace throng {
namespace {

constexpr auto any_ttl = 10s;

#define TOPOLOGY_CASE(sentence) TEST_CASE_TEMPLATE("topology: " sentence, Harness, THRONG_TOPOLOGIES)

// -- keys, values, versions ------------------------------------------------------------------------------------------

TOPOLOGY_CASE("a key has the value and the version of its last put; one that isn't there is none") {
  Harness harness;
  auto store = harness.open();
  CHECK_FALSE(get(*store, "shards/throng/-80"));
  auto first = put(*store, "shards/throng/-80", "one", 0);
  CHECK(first > 0);
  CHECK(get(*store, "shards/throng/-80") == topology_entry{"shards/throng/-80", "one", first});
  auto second = put(*store, "shards/throng/-80", "two", first);
  CHECK(second > first);
  CHECK(get(*store, "shards/throng/-80") == topology_entry{"shards/throng/-80", "two", second});
  CHECK_FALSE(get(*store, "shards/throng"));
  CHECK_FALSE(get(*store, "shards/throng/-8"));
}

TOPOLOGY_CASE("a put that expects another version is a conflict and changes nothing") {
  Harness harness;
  auto store = harness.open();
  CHECK(store->put("a", "x", 1).code() == errc::conflict);
  CHECK_FALSE(get(*store, "a"));
  auto first = put(*store, "a", "one", 0);
  auto second = put(*store, "a", "two", first);
  for (auto expected : {topology_version{0}, first, second + 1, ~topology_version{0} >> 1})
    CHECK(store->put("a", "x", expected).code() == errc::conflict);
  CHECK(get(*store, "a") == topology_entry{"a", "two", second});
  auto same = put(*store, "a", "two", second);
  CHECK(same > second);  // the same value is a change too
}

TOPOLOGY_CASE("erase takes away the version that it expects, and only that") {
  Harness harness;
  auto store = harness.open();
  CHECK(store->erase("a", 0).code() == errc::conflict);
  CHECK(store->erase("a", 1).code() == errc::conflict);
  auto first = put(*store, "a", "one", 0);
  auto second = put(*store, "a", "two", first);
  for (auto expected : {topology_version{0}, first, second + 1})
    CHECK(store->erase("a", expected).code() == errc::conflict);
  CHECK(get(*store, "a")->value == "two");
  CHECK(store->erase("a", second).ok());
  CHECK_FALSE(get(*store, "a"));
  CHECK(store->erase("a", second).code() == errc::conflict);
  CHECK(store->put("a", "three", second).code() == errc::conflict);
  CHECK(put(*store, "a", "three", 0) > second);
}

TOPOLOGY_CASE("versions rise over all keys, erased ones and another opening too") {
  Harness harness;
  auto store = harness.open();
  topology_version last = 0;
  auto rises = [&](topology_version version) { return version > std::exchange(last, version); };
  CHECK(rises(put(*store, "b", "", 0)));
  CHECK(rises(put(*store, "a", "", 0)));
  auto c = put(*store, "c", "", 0);
  CHECK(rises(c));
  CHECK(store->erase("c", c).ok());
  store.reset();
  store = harness.open();
  CHECK(rises(put(*store, "c", "", 0)));
  CHECK(rises(put(*store, "b", "", get(*store, "b")->version)));
}

TOPOLOGY_CASE("everything that stays is there after another opening") {
  Harness harness;
  auto store = harness.open();
  put(*store, "a/1", "one", 0);
  put(*store, "a/2", "two", 0);
  auto before = list(*store, "");
  CHECK(before.size() == 2);
  store.reset();
  store = harness.open();
  CHECK(list(*store, "") == before);
}

TOPOLOGY_CASE("list has the keys that start with the prefix, in the order of their bytes") {
  Harness harness;
  auto store = harness.open();
  for (auto key : {"b", "a/b/c", "a", "ab", "a/b", "a-b", "a.b", "a:b", "A", "a0", "aZ", "a_b", "B/a", "az", "a/B"})
    put(*store, key, std::string("of ") + key, 0);
  CHECK(keys_of(*store, "a/") == keys{"a/B", "a/b", "a/b/c"});
  CHECK(keys_of(*store, "a/b") == keys{"a/b", "a/b/c"});
  CHECK(keys_of(*store, "a/b/c") == keys{"a/b/c"});
  CHECK(keys_of(*store, "a") == keys{"a", "a-b", "a.b", "a/B", "a/b", "a/b/c", "a0", "a:b", "aZ", "a_b", "ab", "az"});
  CHECK(keys_of(*store, "") ==
        keys{"A", "B/a", "a", "a-b", "a.b", "a/B", "a/b", "a/b/c", "a0", "a:b", "aZ", "a_b", "ab", "az", "b"});
  CHECK(keys_of(*store, "c").empty());
  CHECK(keys_of(*store, "a/b/").size() == 1);
  CHECK(keys_of(*store, "a/b/c/").empty());
  for (auto& entry : list(*store, "")) CHECK(entry == get(*store, entry.key));
}

TOPOLOGY_CASE("a value is any bytes, none and 512 KiB of them too") {
  Harness harness;
  auto store = harness.open();
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  std::string largest;
  while (largest.size() < topology_value_bytes_max) largest += all_bytes;
  for (const auto& value : {std::string(), std::string("\0", 1), all_bytes, largest, std::string("\"\\\n</é\xff")}) {
    CAPTURE(value.size());
    auto before = get(*store, "v");
    auto version = put(*store, "v", value, before ? before->version : 0);
    CHECK((get(*store, "v") == topology_entry{"v", value, version}));
    CHECK((list(*store, "v") == entries{{"v", value, version}}));
  }
  auto version = get(*store, "v")->version;
  CHECK(store->put("v", largest + "x", version).code() == errc::request_too_large);
  CHECK(get(*store, "v")->version == version);
}

TOPOLOGY_CASE("a key is up to 255 of its characters in segments; others are refused and named") {
  Harness harness;
  auto store = harness.open();
  auto longest = std::string(255, 'k');
  for (const std::string& key :
       {std::string("a"), longest, std::string("..."), std::string(".a"), std::string("a/-80"), std::string("a/..b"),
        std::string("127.0.0.1:13306"), std::string("-"), std::string("A-Z_a-z.0-9:/x")}) {
    CAPTURE(key);
    auto version = put(*store, key, key, 0);
    CHECK(get(*store, key) == topology_entry{key, key, version});
    CHECK(list(*store, key).front().key == key);
    CHECK(store->erase(key, version).ok());
  }
  put(*store, "a/..b", "dots", 0);
  put(*store, "a/.b", "dot", 0);
  CHECK(keys_of(*store, "a/.") == keys{"a/..b", "a/.b"});
  CHECK(keys_of(*store, "a/..") == keys{"a/..b"});
  for (const std::string& key :
       {std::string(), longest + "k", std::string("/a"), std::string("a/"), std::string("a//b"), std::string("a/./b"),
        std::string("a/.."), std::string("."), std::string("../a"), std::string("a b"), std::string("a%2fb"),
        std::string("ü"), std::string("a\0b", 3), std::string("a\n"), std::string("a?b"), std::string("~")}) {
    CAPTURE(key);
    CHECK(store->get(key).code() == errc::invalid_arguments);
    CHECK(store->put(key, "x", 0).code() == errc::invalid_arguments);
    CHECK(store->erase(key, 1).code() == errc::invalid_arguments);
    CHECK(store->hold(key, "x", any_ttl, [] {}).code() == errc::invalid_arguments);
  }
  for (const std::string& prefix :
       {longest + "k", std::string("/"), std::string("a//"), std::string("../"), std::string("é")})
    CHECK(store->list(prefix).code() == errc::invalid_arguments);
  CHECK(keys_of(*store, "").size() == 2);
}

// -- races -----------------------------------------------------------------------------------------------------------

TOPOLOGY_CASE("of many that write over the same version exactly one wins") {
  Harness harness;
  auto store = harness.open();
  for (int round = 0; round < 20; ++round) {
    std::array<topology_version, racers> won{};
    auto before = get(*store, "leader");
    auto expected = before ? before->version : 0;
    race([&](int i) {
      auto outcome = store->put("leader", "racer " + std::to_string(i), expected);
      if (outcome)
        won[static_cast<std::size_t>(i)] = *outcome;
      else if (outcome.code() != errc::conflict)
        won[static_cast<std::size_t>(i)] = ~topology_version{0};
    });
    CHECK(std::ranges::count(won, 0u) == racers - 1);
    auto winner = std::ranges::max_element(won);
    CHECK(get(*store, "leader") == topology_entry{"leader", "racer " + std::to_string(winner - won.begin()), *winner});
  }
}

TOPOLOGY_CASE("of many that erase the same version exactly one has done it") {
  Harness harness;
  auto store = harness.open();
  for (int round = 0; round < 10; ++round) {
    auto version = put(*store, "once", "", 0);
    std::atomic<int> done_count = 0;
    std::atomic<int> other_errors = 0;
    race([&](int) {
      auto outcome = store->erase("once", version);
      if (outcome)
        ++done_count;
      else if (outcome.code() != errc::conflict)
        ++other_errors;
    });
    CHECK(done_count == 1);
    CHECK(other_errors == 0);
    CHECK_FALSE(get(*store, "once"));
  }
}

TOPOLOGY_CASE("a counter that many raise by compare-and-set misses no step") {
  Harness harness;
  auto store = harness.open();
  put(*store, "counter", "0", 0);
  constexpr int steps = 10;
  std::atomic<int> other_errors = 0;
  race([&](int) {
    for (int done_steps = 0; done_steps < steps;) {
      auto now = store->get("counter");
      if (!now || !*now) {
        ++other_errors;
        return;
      }
      auto outcome = store->put("counter", std::to_string(std::stoi((*now)->value) + 1), (*now)->version);
      if (outcome)
        ++done_steps;
      else if (outcome.code() != errc::conflict)
        ++other_errors;
    }
  });
  CHECK(other_errors == 0);
  CHECK(get(*store, "counter")->value == std::to_string(racers * steps));
}

// -- watches ---------------------------------------------------------------------------------------------------------

TOPOLOGY_CASE("a watch is told the state it begins with, and then each change") {
  Harness harness;
  auto store = harness.open();
  auto before = put(*store, "w/a", "one", 0);
  watched seen, nothing;
  auto watch = store->watch("w/", seen.watcher());
  auto empty = store->watch("v/", nothing.watcher());
  CHECK(seen.sees(entries{{"w/a", "one", before}}));
  CHECK(nothing.sees(entries{}));
  auto b = put(*store, "w/b", "two", 0);
  CHECK(seen.sees(entries{{"w/a", "one", before}, {"w/b", "two", b}}));
  auto a = put(*store, "w/a", "three", before);
  CHECK(seen.sees(entries{{"w/a", "three", a}, {"w/b", "two", b}}));
  put(*store, "wx", "not below it", 0);
  REQUIRE(store->erase("w/b", b).ok());
  CHECK(seen.sees(entries{{"w/a", "three", a}}));
  REQUIRE(store->erase("w/a", a).ok());
  CHECK(seen.sees(entries{}));
  a = put(*store, "w/a", "again", 0);
  CHECK(seen.sees(entries{{"w/a", "again", a}}));
}

TOPOLOGY_CASE("a watch sees the last of many changes, and never an older state after a newer") {
  Harness harness;
  auto store = harness.open();
  watched all, one, another;
  auto watch_all = store->watch("", all.watcher());
  auto watch_one = store->watch("k/3", one.watcher());
  auto watch_another = store->watch("k/", another.watcher());
  race([&](int i) {
    auto key = "k/" + std::to_string(i);
    topology_version version = 0;
    for (int n = 0; n < 25; ++n) version = store->put(key, std::to_string(n), version).value();
  });
  auto last = list(*store, "k/");
  CHECK(last.size() == racers);
  CHECK(all.sees(last));
  CHECK(another.sees(last));
  CHECK(one.sees(entries{last.at(3)}));
  CHECK_FALSE(all.is_backward());
  CHECK_FALSE(one.is_backward());
  CHECK_FALSE(another.is_backward());
}

TOPOLOGY_CASE("no watcher is called when its handle has gone, also in the middle of changes") {
  Harness harness;
  auto store = harness.open();
  std::atomic<bool> is_stopping = false;
  std::thread writer([&] {
    topology_version version = 0;
    while (!is_stopping) version = store->put("busy", "x", version).value();
  });
  std::atomic<int> late = 0;
  for (int round = 0; round < 30; ++round) {
    auto gone = std::make_shared<std::atomic<bool>>(false);
    event_count calls;
    auto watch = store->watch("busy", [&, gone](const entries&) {
      if (*gone) ++late;
      calls.happened();
    });
    CHECK(calls.reaches(1 + static_cast<std::size_t>(round % 3)));
    watch.reset();
    *gone = true;
  }
  is_stopping = true;
  writer.join();
  CHECK(late == 0);
}

TOPOLOGY_CASE("a watcher may destroy its own handle") {
  Harness harness;
  auto store = harness.open();
  std::unique_ptr<topology_store::handle> watch;
  std::mutex mutex;
  event_count calls;
  {
    std::lock_guard lock(mutex);
    watch = store->watch("a", [&](const entries&) {
      std::lock_guard assigned(mutex);
      watch.reset();
      calls.happened();
    });
  }
  CHECK(calls.reaches(1));
  watched other;
  auto later = store->watch("a", other.watcher());
  auto version = put(*store, "a", "x", 0);
  CHECK(other.sees(entries{{"a", "x", version}}));
  CHECK(calls.count() == 1);
}

TOPOLOGY_CASE("a watcher may read and write the store") {
  Harness harness;
  auto store = harness.open();
  watched seen;
  auto watch = store->watch("in", [&](const entries& now) {
    auto out = store->get("out").value();
    (void)store->put("out", now.empty() ? "" : now.front().value, out ? out->version : 0);
  });
  auto follower = store->watch("out", seen.watcher());
  auto version = put(*store, "in", "1", 0);
  CHECK(seen.sees_value("1"));
  put(*store, "in", "2", version);
  CHECK(seen.sees_value("2"));
}

// -- held keys -------------------------------------------------------------------------------------------------------

TOPOLOGY_CASE("a held key is there until its handle goes, and nobody else can hold it") {
  Harness harness;
  auto store = harness.open();
  watched seen;
  auto watch = store->watch("nodes/", seen.watcher());
  event_count lost;
  auto first = store->hold("nodes/1", "one", any_ttl, [&] { lost.happened(); });
  REQUIRE(first.ok());
  CHECK(get(*store, "nodes/1")->value == "one");
  CHECK(seen.sees_value("one"));
  CHECK(store->hold("nodes/1", "two", any_ttl, [] {}).code() == errc::conflict);
  CHECK(store->put("nodes/1", "two", 0).code() == errc::conflict);
  auto other = store->hold("nodes/2", "two", any_ttl, [] {});
  REQUIRE(other.ok());
  CHECK(keys_of(*store, "nodes/") == keys{"nodes/1", "nodes/2"});
  auto version = get(*store, "nodes/1")->version;
  first->reset();
  CHECK(seen.sees_value("two"));
  CHECK_FALSE(get(*store, "nodes/1"));
  CHECK(lost.count() == 0);
  auto again = store->hold("nodes/1", "three", any_ttl, [] {});
  REQUIRE(again.ok());
  CHECK(get(*store, "nodes/1")->version > version);
}

TOPOLOGY_CASE("a held key's value is any bytes, up to 64 KiB") {
  Harness harness;
  auto store = harness.open();
  std::string value;
  while (value.size() < held_topology_value_bytes_max) value += static_cast<char>(value.size());
  CHECK(store->hold("a", value + "x", any_ttl, [] {}).code() == errc::request_too_large);
  auto held = store->hold("a", value, any_ttl, [] {});
  REQUIRE(held.ok());
  CHECK((get(*store, "a")->value == value));
}

TOPOLOGY_CASE("a key that stays can't be held, and keeps its value") {
  Harness harness;
  auto store = harness.open();
  auto version = put(*store, "a", "stays", 0);
  CHECK(store->hold("a", "held", any_ttl, [] {}).code() == errc::conflict);
  CHECK(get(*store, "a") == topology_entry{"a", "stays", version});
}

TOPOLOGY_CASE("of many that want to hold a key one does, and the next when it lets go") {
  Harness harness;
  auto store = harness.open();
  for (int round = 0; round < 10; ++round) {
    std::array<std::unique_ptr<topology_store::handle>, racers> held;
    std::atomic<int> other_errors = 0;
    race([&](int i) {
      auto outcome = store->hold("lock", std::to_string(i), any_ttl, [] {});
      if (outcome)
        held[static_cast<std::size_t>(i)] = std::move(*outcome);
      else if (outcome.code() != errc::conflict)
        ++other_errors;
    });
    CHECK(other_errors == 0);
    auto holds = [](const auto& one) { return one != nullptr; };
    CHECK(std::ranges::count_if(held, holds) == 1);
    auto holder = std::ranges::find_if(held, holds);
    CHECK(get(*store, "lock")->value == std::to_string(holder - held.begin()));
  }
}

TOPOLOGY_CASE("a put keeps the holder of a key: it still ends with its handle") {
  Harness harness;
  auto store = harness.open();
  event_count lost;
  auto held = store->hold("a", "one", any_ttl, [&] { lost.happened(); });
  REQUIRE(held.ok());
  put(*store, "a", "two", get(*store, "a")->version);
  CHECK(get(*store, "a")->value == "two");
  CHECK(store->hold("a", "three", any_ttl, [] {}).code() == errc::conflict);
  held->reset();
  CHECK_FALSE(get(*store, "a"));
  CHECK(lost.count() == 0);
}

TOPOLOGY_CASE("who loses a held key is told once, and letting go of it then takes nothing from the next holder") {
  Harness harness;
  auto store = harness.open();
  event_count lost;
  auto first = store->hold("a", "one", any_ttl, [&] { lost.happened(); });
  REQUIRE(first.ok());
  REQUIRE(store->erase("a", get(*store, "a")->version).ok());
  CHECK(lost.reaches(1));
  auto second = store->hold("a", "two", any_ttl, [&] { lost.happened(); });
  REQUIRE(second.ok());
  first->reset();
  CHECK(get(*store, "a")->value == "two");
  second->reset();
  CHECK_FALSE(get(*store, "a"));
  CHECK(lost.count() == 1);
}

TOPOLOGY_CASE("who is told that a held key is lost may let go of it") {
  Harness harness;
  auto store = harness.open();
  std::unique_ptr<topology_store::handle> held;
  event_count gone;
  auto taken = store->hold("a", "one", any_ttl, [&] {
    held.reset();
    gone.happened();
  });
  REQUIRE(taken.ok());
  held = std::move(*taken);
  REQUIRE(store->erase("a", get(*store, "a")->version).ok());
  CHECK(gone.reaches(1));
  CHECK_FALSE(get(*store, "a"));
}

TOPOLOGY_CASE("held keys of handles that are gone aren't there after another opening") {
  Harness harness;
  auto store = harness.open();
  auto held = store->hold("a", "one", any_ttl, [] {});
  REQUIRE(held.ok());
  put(*store, "b", "stays", 0);
  held->reset();
  store.reset();
  store = harness.open();
  CHECK(keys_of(*store, "") == keys{"b"});
}

}  // namespace
}  // namespace throng
