// SPDX-License-Identifier: Apache-2.0
// Registering and finding instances of a service, with a real Consul.
#include "cluster/consul_services.hpp"

#include "tests/cluster/topology/child_process.hpp"
#include "tests/cluster/topology/consul_harness.hpp"
#include "tests/unit/storage/topology/topology_support.hpp"

namespace throng {
namespace {

using instances = consul_services::instances;

class seen_instances {
 public:
  std::function<void(instances)> watcher() {
    return [this](instances now) {
      std::lock_guard lock(mutex_);
      last_ = std::move(now);
      changed_.notify_all();
    };
  }
  bool sees(const instances& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, topology_deadline, [&] { return last_ && *last_ == wanted; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<instances> last_;
};

consul_instance node(std::string id, std::string name) {
  return {std::move(id), std::move(name),       "127.0.0.1",
          4100,          {"gateway", "wörker"}, {{"incarnation", "7"}, {"zone", "a b"}}};
}

struct services_fixture {
  consul_options options = shared_consul().options();
  std::shared_ptr<consul_client> client = std::make_shared<consul_client>(options);
  consul_services services{client};
};

TEST_CASE("consul services: an instance is found by its service's name until its handle goes") {
  services_fixture f;
  seen_instances seen, other;
  auto watch = f.services.watch("found", seen.watcher());
  auto watch_other = f.services.watch("other", other.watcher());
  CHECK(seen.sees({}));
  auto one = f.services.register_instance(node("found-1", "found"), 5s);
  REQUIRE(one.ok());
  CHECK(seen.sees({node("found-1", "found")}));
  auto two = f.services.register_instance(node("found-2", "found"), 5s);
  REQUIRE(two.ok());
  CHECK(seen.sees({node("found-1", "found"), node("found-2", "found")}));
  CHECK(f.services.healthy("found").value() == instances{node("found-1", "found"), node("found-2", "found")});
  one->reset();
  CHECK(seen.sees({node("found-2", "found")}));
  two->reset();
  CHECK(seen.sees({}));
  CHECK(other.sees({}));
}

TEST_CASE("consul services: an instance that Consul has forgotten registers itself again") {
  services_fixture f;
  seen_instances seen;
  auto watch = f.services.watch("forgotten", seen.watcher());
  auto one = f.services.register_instance(node("forgotten-1", "forgotten"), 1s);
  REQUIRE(one.ok());
  CHECK(seen.sees({node("forgotten-1", "forgotten")}));
  REQUIRE(f.client->ask({.method = "PUT", .target = "/v1/agent/service/deregister/forgotten-1"}).ok());
  // A watcher may miss the moment without it; what Consul says from now on is what was registered since.
  const instances wanted{node("forgotten-1", "forgotten")};
  const auto until = std::chrono::steady_clock::now() + topology_deadline;
  auto now = f.services.healthy("forgotten");
  for (; now.ok() && *now != wanted && std::chrono::steady_clock::now() < until; now = f.services.healthy("forgotten"))
    std::this_thread::sleep_for(10ms);
  REQUIRE(now.ok());
  CHECK(*now == wanted);
}

TEST_CASE("consul services: one that doesn't report is unhealthy after its ttl") {
  auto options = shared_consul().options();
  // Before this process has threads: the thread sanitizer doesn't follow a fork of several.
  child_process child([&] {
    consul_services own(std::make_shared<consul_client>(options));
    auto one = own.register_instance(node("killed-1", "killed"), 1s);
    child_process::tell(one.ok() ? 'y' : 'n');
    ::pause();
  });
  auto is_registered = child.told();
  CHECK(is_registered == 'y');
  services_fixture f;
  seen_instances seen;
  auto watch = f.services.watch("killed", seen.watcher());
  CHECK(seen.sees({node("killed-1", "killed")}));
  child.kill9();
  CHECK(seen.sees({}));
  (void)f.client->ask({.method = "PUT", .target = "/v1/agent/service/deregister/killed-1"});  // tidy up
}

TEST_CASE("consul services: a Consul that comes back empty, or only now, gets everybody's registration") {
  consul_agent agent;
  auto client = std::make_shared<consul_client>(agent.options());
  consul_services services(client);
  seen_instances seen;
  auto watch = services.watch("throng", seen.watcher());
  auto one = services.register_instance(node("n1", "throng"), 3s);
  REQUIRE(one.ok());
  CHECK(seen.sees({node("n1", "throng")}));
  agent.kill9();
  auto two = services.register_instance(node("n2", "throng"), 3s);
  CHECK(two.ok());
  agent.start();
  CHECK(seen.sees({node("n1", "throng"), node("n2", "throng")}));
}

TEST_CASE("consul services: what can't be registered is refused with a sentence") {
  services_fixture f;
  for (auto name : {"", "a/b", "..", "a b", "ü"}) {
    CAPTURE(name);
    CHECK(f.services.register_instance(node("id", name), 5s).code() == errc::invalid_arguments);
    CHECK(f.services.register_instance(node(name, "name"), 5s).code() == errc::invalid_arguments);
    CHECK(f.services.healthy(name).code() == errc::invalid_arguments);
  }
  auto wordy = node("wordy", "wordy");
  wordy.meta["too long"] = std::string(2000, 'x');
  auto refused = f.services.register_instance(wordy, 5s);
  CHECK(refused.code() == errc::invalid_arguments);
  CHECK(refused.failure().detail.starts_with("Consul answered 400: "));
}

}  // namespace
}  // namespace throng
