// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_store.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "config/log.hpp"
#include "storage/lookups.hpp"
#include "storage/model/random_number.hpp"
#include "storage/mysql/batch_fate.hpp"
#include "storage/mysql/mysql_lookups.hpp"
#include "storage/mysql/mysql_prepare.hpp"
#include "storage/mysql/mysql_reader.hpp"
#include "storage/mysql/mysql_writer.hpp"
#include "storage/mysql/primary_link.hpp"

namespace throng {

namespace {

using mysql::batch_fate;
using mysql::batch_mark;
using mysql::failure;
using mysql::primary_link;
using mysql::shard_health;
using clock = primary_link::clock;

std::int64_t millis_since(clock::time_point since) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - since).count();
}

class mysql_store final : public store, public lookup_writer {
 public:
  mysql_store(const shard_directory& shards, key_range range, const mysql_options& options)
      : shards_(shards),
        range_(range),
        options_(options),
        where_{options.routes, range},
        read_health_(std::make_shared<shard_health>(to_text(range), "reads")),
        link_(make_link(std::make_shared<shard_health>(to_text(range), "writes"), options.sends_packets)),
        lookups_(make_link(std::make_shared<shard_health>(to_text(range), "lookups")), where_, options.commit_patience),
        mark_{random_number(), 0} {}

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override;
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    std::lock_guard one_at_a_time(mutex_);
    return mysql::repeat_on<unit>(link_, tries(), [&](auto&) { return writer().raise_fences(guards, by); });
  }
  result<std::vector<fence>> fences() override {
    std::lock_guard one_at_a_time(mutex_);
    return mysql::repeat_on<std::vector<fence>>(link_, tries(), [&](auto&) { return writer().fences(); });
  }
  std::unique_ptr<store_reader> make_reader() override {
    return mysql::make_reader(make_link(read_health_), read_health_, options_.read_patience);
  }

  result<> reserve_domain(std::string_view domain, team_id team, wall_time now,
                          const domain_reservation* instead_of) override {
    return lookups_.reserve_domain(domain, team, now, instead_of);
  }
  result<> forget_domain(std::string_view domain, team_id team) override {
    return lookups_.forget_domain(domain, team);
  }
  result<> put_token_owner(const token_hash& hash, std::uint64_t owner) override {
    return lookups_.put_token_owner(hash, owner);
  }
  result<> erase_token(std::uint64_t owner, const token_hash& hash) override {
    return lookups_.erase_token(owner, hash);
  }

 private:
  primary_link make_link(std::shared_ptr<shard_health> health, bool sends_packets = false) const {
    auto connect = options_.connect;
    connect.sends_packets = sends_packets;
    return {shards_, range_, std::move(connect), std::move(health)};
  }
  mysql::tries_left tries() const { return {clock::now() + options_.commit_patience, options_.lock_retries_max}; }
  mysql::writer& writer();
  bool is_committed(const mysql::writer& attempt, std::size_t units, const failure& why);
  bool are_with_heirs(std::span<const mysql::post_identity> posts) const;
  [[noreturn]] void end_process(std::size_t units) const;

  const shard_directory& shards_;
  const key_range range_;
  const mysql_options options_;
  const mysql::placement where_;
  const std::shared_ptr<shard_health> read_health_;

  std::mutex mutex_;  // raise_fences() is called at the start, and commit() by the queue's thread
  primary_link link_;
  std::optional<mysql::writer> writer_;
  std::uint64_t writer_generation_ = 0;  // of link_, when writer_ was made
  mysql::lookups lookups_;
  batch_mark mark_;
};

/// On the connection to the primary of now.
mysql::writer& mysql_store::writer() {
  auto& db = link_.get();
  if (!writer_ || writer_generation_ != link_.generation()) {
    writer_.reset();
    writer_.emplace(db, where_);
    writer_generation_ = link_.generation();
  }
  return *writer_;
}

result<std::vector<result<>>> mysql_store::commit(std::span<const commit_unit> units) {
  if (units.empty()) return std::vector<result<>>{};
  std::lock_guard one_at_a_time(mutex_);
  auto answer = [&](std::vector<result<>> outcomes) {
    for (std::size_t i = 0; i < units.size(); ++i)
      if (!outcomes[i] && units[i].lineage) units[i].lineage->store(true);
    return outcomes;
  };
  bool is_careful = false;
  for (auto left = tries();;) {
    ++mark_.batch;
    bool is_unknown = false;
    try {
      auto outcomes = writer().commit(units, mark_, is_careful);
      link_.was_fine();
      if (!outcomes) return outcomes.failure();
      return answer(*std::move(outcomes));
    } catch (const failure& why) {
      is_unknown = writer_ && writer_->is_commit_sent();
      if (is_unknown) {
        auto attempt = std::exchange(writer_, std::nullopt);
        attempt->forget_statements();
        link_.drop();
        if (is_committed(*attempt, units.size(), why)) return answer(attempt->take_outcomes());
        ++mark_.batch;  // fate_of() has used it up
      } else {
        is_careful |= why.is_duplicate_key();
        auto refusal = link_.to_error(why);
        const bool is_worth_a_try = link_.recover(why, left);
        if (!link_.is_open()) writer_.reset();  // its statements would keep the connection
        if (!is_worth_a_try) return refusal;
      }
    }
  }
}

/// The server may have committed, or not: asks whoever is the primary, until it is known. A transaction that still
/// hangs there keeps its mark's row locked, so that no answer comes before its end.
bool mysql_store::is_committed(const mysql::writer& attempt, std::size_t units, const failure& why) {
  auto since = clock::now();
  log::warn("the shard {}: whether {} writes were committed isn't known: {}; asking", link_.name(), units, why.what());
  while (true) {
    try {
      const auto fate = mysql::fate_of(mark_, attempt.posts(), link_.get());
      const bool is_there = fate == batch_fate::moved ? are_with_heirs(attempt.posts()) : fate == batch_fate::committed;
      log::info("the shard {}: the {} writes were {}committed, as is known after {} ms", link_.name(), units,
                is_there ? "" : "not ", millis_since(since));
      link_.was_fine();
      return is_there;
    } catch (const failure& again) {
      link_.has_failed(again);
      link_.drop();
    }
    if (options_.is_stopping && options_.is_stopping->load()) end_process(units);
    link_.wait(clock::now() + std::chrono::seconds(1));
  }
}

/// Of posts whose shard a reshard has frozen, copied and emptied since: what was committed there is with the shards
/// that have its range now, and nothing can come late. Throws failure.
bool mysql_store::are_with_heirs(std::span<const mysql::post_identity> posts) const {
  const auto map = shards_.current();
  std::map<std::size_t, std::vector<mysql::post_identity>> by_shard;
  for (const auto& post : posts) by_shard[map->index_of(options_.routes.of_key(post.channel.value))].push_back(post);
  return std::ranges::all_of(by_shard, [&](const auto& each) {
    const auto& heir = map->serving()[each.first];
    primary_link link(shards_, heir.range, options_.connect, std::make_shared<shard_health>(heir.name(), "heirs"));
    return mysql::are_all_there(link.get(), each.second);
  });
}

/// There is no answer that is true, and nobody will be there to give it later.
void mysql_store::end_process(std::size_t units) const {
  log::error("the shard {}: ending without knowing whether {} writes were committed", to_text(range_), units);
  log::stop();
  std::_Exit(1);
}

}  // namespace

result<std::unique_ptr<store>> open_mysql_store(const shard_directory& shards, key_range range,
                                                const mysql_options& options) {
  auto map = shards.current();
  const auto* shard = map->find(range);
  if (!shard) return error{errc::service_unavailable, "the topology knows no shard " + to_text(range)};
  if (shard->primary.empty())
    return error{errc::service_unavailable, "the shard " + shard->name() + " has no primary now"};
  if (auto ready = mysql::prepare_database(shard->primary, range, options.connect); !ready) return ready.failure();
  return std::unique_ptr<store>(std::make_unique<mysql_store>(shards, range, options));
}

}  // namespace throng
