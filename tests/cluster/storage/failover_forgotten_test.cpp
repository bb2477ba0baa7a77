// SPDX-License-Identifier: Apache-2.0
// The topology loses all it knew, as Consul does that is started again without its data, while a shard serves.
#include "tests/cluster/storage/failover_shard.hpp"

using namespace throng;
using namespace throng::failover;

namespace {

void forget(failover_shard& shard) { REQUIRE(shard.topology->erase(shard.key, shard.record().version)); }
bool is_there(failover_shard& shard) {
  const auto entry = shard.topology->get(shard.key);
  return entry && entry->has_value();
}

/// A store whose versions begin anew without anybody seeing it empty: another node was quicker to put back what it
/// knew.
class renewed_topology final : public topology_store {
 public:
  explicit renewed_topology(std::unique_ptr<topology_store> real) : real_(std::move(real)) {}
  void renew() { ahead_ = 0; }

  result<std::optional<topology_entry>> get(std::string_view key) override {
    auto entry = real_->get(key);
    if (entry && *entry) (*entry)->version += ahead_;
    return entry;
  }
  result<std::vector<topology_entry>> list(std::string_view prefix) override {
    auto entries = real_->list(prefix);
    if (entries) *entries = told(std::move(*entries));
    return entries;
  }
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override {
    auto version = real_->put(key, value, expected == 0 ? 0 : expected - ahead_);
    if (version) *version += ahead_;
    return version;
  }
  result<> erase(std::string_view key, topology_version expected) override {
    return real_->erase(key, expected - ahead_);
  }
  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override {
    return real_->watch(std::move(prefix), [this, changed = std::move(changed)](std::vector<topology_entry> entries) {
      changed(told(std::move(entries)));
    });
  }
  result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                                       std::function<void()> lost) override {
    return real_->hold(key, value, ttl, std::move(lost));
  }

 private:
  std::vector<topology_entry> told(std::vector<topology_entry> entries) const {
    for (auto& each : entries) each.version += ahead_;
    return entries;
  }

  std::unique_ptr<topology_store> real_;
  std::atomic<topology_version> ahead_{1'000};
};

}  // namespace

TEST_CASE("failover: versions that have begun anew unseen don't keep a dead primary in its place") {
  failover_shard shard(2);
  auto renewed = std::make_unique<renewed_topology>(std::move(shard.topology));
  auto& topology = *renewed;
  shard.topology = std::move(renewed);
  shard.supervise();
  const auto before = shard.record();
  REQUIRE(eventually(20s, [&] { return shard.record().in_sync.size() == 2; }));
  topology.renew();
  shard.primary().kill9();
  CHECK_MESSAGE(eventually(20s, [&] { return shard.record().primary != before.primary; }), shard.describe());
}

TEST_CASE(
    "failover: a topology that has forgotten a shard is told of it again, and the next primary that dies is replaced") {
  failover_shard shard(2);
  shard.supervise();
  acked_writers writers(shard);
  REQUIRE(writers.get_more(200));
  const auto before = shard.record();

  forget(shard);
  REQUIRE(eventually(20s, [&] { return is_there(shard); }));
  CHECK(shard.record().primary == before.primary);
  CHECK(shard.record().term > before.term);
  REQUIRE(eventually(20s, [&] { return shard.record().in_sync.size() == 2; }));
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());

  shard.primary().kill9();
  REQUIRE_MESSAGE(eventually(20s, [&] { return shard.record().primary != before.primary; }), shard.describe());
  REQUIRE_MESSAGE(writers.get_more(200), shard.describe());
  writers.stop();
  CHECK(writers.lost() == 0);
}

TEST_CASE("failover: who remembers an older primary names the one that takes writes") {
  failover_shard shard(2);
  shard.supervise();
  const auto older = shard.record();
  REQUIRE(shard.supervisors.front()->reparent(shard.replica().address()));
  const auto newer = shard.record();
  REQUIRE(newer.primary != older.primary);
  shard.supervisors.clear();

  forget(shard);
  REQUIRE(restore_shard(*shard.topology, older, shard.how));
  CHECK(shard.record().primary == newer.primary);
  CHECK(shard.record().in_sync == std::vector{newer.primary});
}

TEST_CASE("failover: a record that was erased on purpose stays away, one that serves doesn't") {
  failover_shard shard(2);
  shard.supervise();
  const auto last = shard.record();
  shard.supervisors.clear();
  const std::vector<key_range> others{*parse_key_range("-80"), *parse_key_range("80-")};
  const auto others_serve = shard.topology->put(serving_key(last.keyspace), serving_to_json(others), 0);
  REQUIRE(others_serve);
  forget(shard);
  REQUIRE(restore_shard(*shard.topology, last, shard.how));
  CHECK_FALSE(is_there(shard));
  const std::vector<key_range> all{last.range};
  REQUIRE(shard.topology->put(serving_key(last.keyspace), serving_to_json(all), *others_serve));  // by who was quicker
  REQUIRE(restore_shard(*shard.topology, last, shard.how));
  CHECK(is_there(shard));
}
