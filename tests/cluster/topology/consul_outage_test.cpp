// SPDX-License-Identifier: Apache-2.0
// The Consul topology while its Consul is killed, forgets, stands still, or loses the process that held a key.
#include "cluster/consul_answers.hpp"
#include "tests/cluster/topology/child_process.hpp"
#include "tests/cluster/topology/consul_harness.hpp"
#include "tests/unit/storage/topology/topology_support.hpp"

namespace throng {
namespace {

using steady = std::chrono::steady_clock;
using memory = consul_agent::memory;

/// Tries until it is done: what a caller does that must get through an outage.
template <class Try>
bool until_done(Try once) {
  const consul_options defaults;  // by name: g++ 12 ends over a temporary of it in a template
  consul_client only_for_its_pauses(defaults);
  for (auto began = steady::now(); steady::now() - began < topology_deadline;) {
    if (once()) return true;
    only_for_its_pauses.pause(20ms, {});
  }
  return false;
}

TEST_CASE("consul: killed and back with nothing, watches go on, held keys are lost and can be held again") {
  consul_agent agent;
  auto store = open_topology(agent.options(), "throng/");
  watched seen;
  auto watch = store->watch("a", seen.watcher());
  event_count lost;
  auto held = store->hold("node", "one", 2s, [&] { lost.happened(); });
  REQUIRE(held.ok());
  put(*store, "a", "before", 0);
  CHECK(seen.sees_value("before"));

  agent.kill9();
  auto began = steady::now();
  CHECK(store->get("a").code() == errc::service_unavailable);
  CHECK(store->put("a", "x", 1).code() == errc::service_unavailable);
  CHECK(steady::now() - began < 3s);
  auto calls = seen.calls();
  CHECK(lost.reaches(1));  // it can't be renewed, and so isn't vouched for any more
  CHECK(steady::now() - began < 5s);
  CHECK(seen.calls() == calls);

  agent.start();
  CHECK(seen.sees(entries{}));
  CHECK(until_done([&] { return store->put("a", "after", 0).ok(); }));
  CHECK(seen.sees_value("after"));
  held->reset();
  auto again = store->hold("node", "two", 2s, [] {});
  REQUIRE(again.ok());
  CHECK(get(*store, "node")->value == "two");
  CHECK(lost.count() == 1);
}

TEST_CASE("consul: killed and back with its disk, nothing is lost, held keys neither, and versions rise on") {
  consul_agent agent(memory::disk);
  auto store = open_topology(agent.options(), "throng/");
  watched seen;
  auto watch = store->watch("a", seen.watcher());
  event_count lost;
  auto held = store->hold("node", "one", 60s, [&] { lost.happened(); });
  REQUIRE(held.ok());
  auto before = put(*store, "a", "before", 0);
  CHECK(seen.sees_value("before"));
  agent.kill9();
  agent.start();
  CHECK(until_done([&] { return store->get("a").ok(); }));
  CHECK(get(*store, "a") == topology_entry{"a", "before", before});
  CHECK(get(*store, "node")->value == "one");
  auto after = put(*store, "a", "after", before);
  CHECK(after > before);
  CHECK(seen.sees_value("after"));
  CHECK_FALSE(seen.is_backward());
  CHECK(store->hold("node", "two", 60s, [] {}).code() == errc::conflict);
  held->reset();
  CHECK_FALSE(get(*store, "node"));
  CHECK(lost.count() == 0);
}

TEST_CASE("consul: while it stands still calls end in time, and afterwards everything goes on") {
  consul_agent agent;
  auto options = agent.options();
  options.call_timeout = 500ms;
  auto client = std::make_shared<consul_client>(options);
  auto store = std::move(*open_consul_topology(client, ""));
  watched seen;
  auto watch = store->watch("a", seen.watcher());
  event_count lost;
  auto held = store->hold("node", "one", 60s, [&] { lost.happened(); });
  REQUIRE(held.ok());
  auto version = put(*store, "a", "before", 0);
  CHECK(seen.sees_value("before"));

  agent.pause();
  for (int i = 0; i < 3; ++i) {
    auto began = steady::now();
    CHECK(store->get("a").code() == errc::service_unavailable);
    CHECK(store->list("").code() == errc::service_unavailable);
    CHECK(store->erase("a", version).code() == errc::service_unavailable);
    CHECK(steady::now() - began < 5s);
  }
  CHECK(client->is_away());
  CHECK(seen.calls() >= 1);
  agent.resume();

  CHECK(until_done([&] { return store->get("a").ok(); }));
  CHECK_FALSE(client->is_away());
  // The erase that wasn't answered may have been done, also only now: that is what its error says.
  CHECK(until_done([&] {
    auto now = store->get("a");
    return now && store->put("a", "after", *now ? (*now)->version : 0).ok();
  }));
  CHECK(seen.sees_value("after"));
  CHECK(get(*store, "node")->value == "one");
  CHECK(lost.count() == 0);
}

TEST_CASE("consul: a key that couldn't be let go of while it stood still can be held again soon after") {
  consul_agent agent;
  auto options = agent.options();
  options.call_timeout = 300ms;
  auto store = open_topology(options, "");
  event_count lost;
  auto held = store->hold("node", "one", 1h, [&] { lost.happened(); });
  REQUIRE(held.ok());
  agent.pause();
  auto began = steady::now();
  held->reset();
  CHECK(steady::now() - began < 5s);
  agent.resume();
  std::unique_ptr<topology_store::handle> again;
  CHECK(until_done([&] {
    auto taken = store->hold("node", "two", 10s, [] {});
    if (taken) again = std::move(*taken);
    return taken.ok();
  }));
  CHECK(get(*store, "node")->value == "two");
  CHECK(lost.count() == 0);
}

TEST_CASE("consul: two stores see one another's keys, and only one of them holds a key") {
  consul_harness harness;
  auto one = harness.open();
  auto other = harness.open();
  watched seen;
  auto watch = other->watch("a", seen.watcher());
  auto version = put(*one, "a", "x", 0);
  CHECK(get(*other, "a") == topology_entry{"a", "x", version});
  CHECK(seen.sees(entries{{"a", "x", version}}));
  CHECK(other->put("a", "y", 0).code() == errc::conflict);
  event_count lost;
  auto held = one->hold("node", "one", 10s, [&] { lost.happened(); });
  REQUIRE(held.ok());
  CHECK(other->hold("node", "two", 10s, [] {}).code() == errc::conflict);
  REQUIRE(other->erase("node", get(*other, "node")->version).ok());
  CHECK(lost.reaches(1));
  CHECK(other->hold("node", "two", 10s, [] {}).ok());
}

TEST_CASE("consul: a key held by a process that is killed is free after twice its ttl, and no session stays behind") {
  consul_harness harness;
  // Before this process has threads: the thread sanitizer doesn't follow a fork of several.
  child_process child([&] {
    auto own = harness.open();
    auto held = own->hold("node", "child", 1s, [] { ::_exit(4); });
    child_process::tell(held.ok() ? 'y' : 'n');
    ::pause();
  });
  auto is_held = child.told();
  CHECK(is_held == 'y');
  auto store = harness.open();
  CHECK(get(*store, "node")->value == "child");
  watched seen;
  auto watch = store->watch("node", seen.watcher());
  CHECK(seen.sees_value("child"));
  CHECK(store->hold("node", "two", 1s, [] {}).code() == errc::conflict);
  child.kill9();
  auto began = steady::now();
  CHECK(seen.sees(entries{}));
  CHECK(steady::now() - began < 5s);
  {
    auto held = store->hold("node", "two", 1s, [] {});
    REQUIRE(held.ok());
    CHECK(store->hold("node", "three", 1s, [] {}).code() == errc::conflict);
  }
  CHECK_FALSE(get(*store, "node"));
  consul_client client(harness.options);
  auto sessions = client.ask({.target = "/v1/session/list"});
  REQUIRE(sessions.ok());
  CHECK(sessions->body.find(harness.root) == std::string::npos);
}

TEST_CASE("consul: a held key doesn't depend on the health of the agent's node") {
  consul_harness harness;
  auto store = harness.open();
  auto held = store->hold("node", "one", 10s, [] {});
  REQUIRE(held.ok());
  consul_client client(harness.options);
  auto sessions = client.ask({.target = "/v1/session/list"});
  REQUIRE(sessions.ok());
  CHECK(sessions->body.find("throng: " + harness.root + "node") != std::string::npos);
  CHECK(sessions->body.find("serfHealth") == std::string::npos);
}

TEST_CASE("consul: a held key outlives its ttl many times while its holder lives") {
  consul_harness harness;
  auto store = harness.open();
  event_count lost;
  auto held = store->hold("node", "one", 3s, [&] { lost.happened(); });
  REQUIRE(held.ok());
  consul_client client(harness.options);
  client.pause(12s, {});  // the passing of time is what is tested
  CHECK(get(*store, "node")->value == "one");
  CHECK(lost.count() == 0);
}

TEST_CASE("consul: what others left below the root is passed over") {
  consul_harness harness;
  auto store = harness.open();
  consul_client client(harness.options);
  for (auto path : {"folder/", "a%20b", "a+b", "%C3%BC"})
    REQUIRE(client.ask({.method = "PUT", .target = "/v1/kv/" + harness.root + path, .body = "x"}).ok());
  put(*store, "a", "x", 0);
  CHECK(keys_of(*store, "") == keys{"a"});
  watched seen;
  auto watch = store->watch("", seen.watcher());
  CHECK(seen.sees_value("x"));
}

TEST_CASE("consul: several agents are as good as one while one is there") {
  consul_harness harness;
  harness.options.agents = {"127.0.0.1:1", harness.options.agents.front(), "localhost:2"};
  auto store = harness.open();
  watched seen;
  auto watch = store->watch("a", seen.watcher());
  put(*store, "a", "x", 0);
  CHECK(seen.sees_value("x"));
}

}  // namespace
}  // namespace throng
