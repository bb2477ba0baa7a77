// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/shard_directory.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "config/log.hpp"
#include "storage/topology/shard_bootstrap.hpp"

namespace throng {

namespace {

using map_ptr = shard_directory::map_ptr;

std::string shards_prefix(std::string_view keyspace) { return "shards/" + std::string(keyspace) + "/"; }

/// The map that these entries make. `complain` hears of records that don't serve and can't be read.
template <class Complain>
result<shard_map> assemble(std::string_view keyspace, const topology_entry& serving_entry,
                           const std::vector<topology_entry>& shard_entries, Complain complain) {
  const auto ranges = parse_serving(serving_entry);
  if (!ranges) return ranges.failure();
  std::vector<shard_record> serving, others;
  for (const auto& entry : shard_entries) {
    const auto serves =
        std::ranges::any_of(*ranges, [&](const key_range& range) { return entry.key == shard_key(keyspace, range); });
    auto record = parse_shard_record(entry);
    if (record)
      (serves ? serving : others).push_back(std::move(record).value());
    else if (serves)
      return record.failure();
    else
      complain(record.failure().detail);
  }
  for (const auto& range : *ranges)
    if (std::ranges::find(serving, range, &shard_record::range) == serving.end())
      return error{errc::invalid_arguments,
                   serving_entry.key + " names shard " + to_text(range) + ", which has no record"};
  return shard_map::make(std::move(serving), std::move(others), serving_entry.version);
}

/// The current map, and who wants to hear of the next. Any thread; publish() one at a time.
class published_map {
 public:
  explicit published_map(shard_map first) : current_(std::make_shared<const shard_map>(std::move(first))) {}

  map_ptr current() const {
    std::lock_guard lock(mutex_);
    return current_;
  }

  map_ptr wait_for_change(const map_ptr& seen, std::chrono::milliseconds at_most) const {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [&] { return current_ != seen; });
    return current_;
  }

  std::unique_ptr<topology_store::handle> listen(shard_directory::listener changed) {
    auto added = std::make_shared<subscription>(std::move(changed));
    std::lock_guard lock(mutex_);
    std::erase_if(listeners_, [](const auto& each) { return each.expired(); });
    listeners_.push_back(added);
    return std::make_unique<end_of_subscription>(std::move(added));
  }

  void publish(shard_map map) {
    std::vector<std::weak_ptr<subscription>> listeners;
    auto next = std::make_shared<const shard_map>(std::move(map));
    {
      std::lock_guard lock(mutex_);
      current_ = next;
      listeners = listeners_;
    }
    changed_.notify_all();
    for (const auto& weak : listeners)
      if (const auto each = weak.lock()) each->call(next);
  }

 private:
  class subscription {
   public:
    explicit subscription(shard_directory::listener changed) : changed_(std::move(changed)) {}
    void call(const map_ptr& map) {
      std::lock_guard lock(mutex_);
      if (changed_) changed_(map);
    }
    /// Waits for a call under way.
    void end() {
      std::lock_guard lock(mutex_);
      changed_ = nullptr;
    }

   private:
    std::mutex mutex_;
    shard_directory::listener changed_;
  };

  class end_of_subscription final : public topology_store::handle {
   public:
    explicit end_of_subscription(std::shared_ptr<subscription> of) : of_(std::move(of)) {}
    ~end_of_subscription() override { of_->end(); }

   private:
    std::shared_ptr<subscription> of_;
  };

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  map_ptr current_;
  std::vector<std::weak_ptr<subscription>> listeners_;
};

class watching_directory final : public shard_directory {
 public:
  watching_directory(topology_store& topology, std::string keyspace, shard_map first)
      : keyspace_(std::move(keyspace)), map_(std::move(first)) {
    serving_watch_ = topology.watch(serving_key(keyspace_), [this](std::vector<topology_entry> entries) {
      std::lock_guard lock(mutex_);
      // A watch is for a prefix: other keyspaces' names may start with ours.
      const auto ours = std::ranges::find(entries, serving_key(keyspace_), &topology_entry::key);
      serving_ = ours == entries.end() ? topology_entry{} : *ours;
      update();
    });
    shards_watch_ = topology.watch(shards_prefix(keyspace_), [this](std::vector<topology_entry> entries) {
      std::lock_guard lock(mutex_);
      shards_ = std::move(entries);
      update();
    });
  }

  map_ptr current() const override { return map_.current(); }
  map_ptr wait_for_change(const map_ptr& seen, std::chrono::milliseconds at_most) const override {
    return map_.wait_for_change(seen, at_most);
  }
  std::unique_ptr<topology_store::handle> listen(listener changed) override { return map_.listen(std::move(changed)); }
  bool is_forgotten() const override { return is_forgotten_; }

 private:
  /// Under mutex_, so that maps are published in the order of what the watches said.
  void update() {
    if (!serving_ || !shards_) return;
    is_forgotten_ = serving_->key.empty();
    auto map = serving_->key.empty()
                   ? result<shard_map>(error{errc::not_found, serving_key(keyspace_) + " is gone"})
                   : assemble(keyspace_, *serving_, *shards_, [this](const std::string& what) { complain(what); });
    if (!map) {
      // Each watch tells its half of a change, so this may be over in a moment.
      complain(map.failure().detail);
    } else if (*map != *map_.current()) {
      last_complaint_.clear();
      map_.publish(std::move(map).value());
    }
  }

  void complain(const std::string& what) {
    if (what == last_complaint_) return;
    last_complaint_ = what;
    log::warn("shard directory stays with the last map of keyspace {} for now: {}", keyspace_, what);
  }

  const std::string keyspace_;
  published_map map_;
  std::mutex mutex_;
  std::optional<topology_entry> serving_;  // without a key: it is gone
  std::optional<std::vector<topology_entry>> shards_;
  std::string last_complaint_;
  std::atomic<bool> is_forgotten_{false};
  std::unique_ptr<topology_store::handle> serving_watch_, shards_watch_;  // end first
};

class set_directory final : public fixed_shard_directory {
 public:
  explicit set_directory(shard_map first) : map_(std::move(first)) {}
  map_ptr current() const override { return map_.current(); }
  map_ptr wait_for_change(const map_ptr& seen, std::chrono::milliseconds at_most) const override {
    return map_.wait_for_change(seen, at_most);
  }
  std::unique_ptr<topology_store::handle> listen(listener changed) override { return map_.listen(std::move(changed)); }
  void set(shard_map map) override {
    std::lock_guard lock(mutex_);
    map_.publish(std::move(map));
  }

 private:
  published_map map_;
  std::mutex mutex_;
};

}  // namespace

result<shard_map> read_shard_map(topology_store& topology, std::string_view keyspace) {
  // The serving entry first: whoever writes it has written the records that it names before.
  const auto serving = topology.get(serving_key(keyspace));
  if (!serving) return serving.failure();
  if (!*serving) return error{errc::not_found, "the topology knows no shards of keyspace " + std::string(keyspace)};
  const auto shards = topology.list(shards_prefix(keyspace));
  if (!shards) return shards.failure();
  return assemble(keyspace, **serving, *shards, [](const std::string&) {});
}

result<std::unique_ptr<shard_directory>> open_shard_directory(topology_store& topology, std::string keyspace,
                                                              const std::string& bootstrap) {
  auto map = read_shard_map(topology, keyspace);
  if (!map && map.code() == errc::not_found) {
    const auto shards = parse_bootstrap(bootstrap, keyspace);
    if (!shards) return error{shards.code(), "storage.mysql.shards: " + shards.failure().detail};
    if (const auto registered = register_shards(topology, keyspace, *shards); !registered) return registered.failure();
    map = read_shard_map(topology, keyspace);
  }
  if (!map) return map.failure();
  return std::unique_ptr<shard_directory>(
      std::make_unique<watching_directory>(topology, std::move(keyspace), std::move(map).value()));
}

std::unique_ptr<fixed_shard_directory> make_fixed_shard_directory(shard_map map) {
  return std::make_unique<set_directory>(std::move(map));
}

}  // namespace throng
