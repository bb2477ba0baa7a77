// SPDX-License-Identifier: Apache-2.0
// SIM TOPOLOGY: a topology store for tests in one thread: watchers hear of changes in deliver(), and it can go away,
// forget everything, and keep the keys of the dead for their ttl.
#pragma once

#include <list>
#include <map>
#include <utility>

#include "cluster/clock.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng::test {

class sim_topology final : public topology_store {
 public:
  explicit sim_topology(const time_source& clock) : clock_(clock) {}

  result<std::optional<topology_entry>> get(std::string_view key) override {
    if (is_away) return errc::service_unavailable;
    const auto found = entries_.find(std::string(key));
    return found == entries_.end() ? std::optional<topology_entry>() : std::optional(found->second);
  }
  result<std::vector<topology_entry>> list(std::string_view prefix) override {
    if (is_away) return errc::service_unavailable;
    return below(prefix);
  }
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override {
    if (is_away) return errc::service_unavailable;
    const auto found = entries_.find(std::string(key));
    if ((found == entries_.end() ? 0 : found->second.version) != expected) return errc::conflict;
    entries_[std::string(key)] = {std::string(key), std::string(value), ++last_version_};
    touch(key);
    return last_version_;
  }
  result<> erase(std::string_view key, topology_version expected) override {
    if (is_away) return errc::service_unavailable;
    const auto found = entries_.find(std::string(key));
    if (found == entries_.end() || found->second.version != expected) return errc::conflict;
    remove(std::string(key));
    return done;
  }
  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override {
    watches_.push_back({std::move(prefix), std::move(changed), true});
    return std::make_unique<end_of_watch>(*this, std::prev(watches_.end()));
  }
  result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                                       std::function<void()> lost) override {
    if (is_away) return errc::service_unavailable;
    if (entries_.contains(std::string(key))) return errc::conflict;
    entries_[std::string(key)] = {std::string(key), std::string(value), ++last_version_};
    touch(key);
    const auto number = ++last_hold_;
    holds_[number] = {std::string(key), ttl, clock_.now(), std::move(lost), false};
    return std::unique_ptr<handle>(std::make_unique<end_of_hold>(*this, number));
  }

  /// Time passes, and watchers hear what there is, unless it is away.
  void deliver() {
    std::vector<std::function<void()>> losses;
    for (auto at = holds_.begin(); at != holds_.end();) {
      auto& each = at->second;
      if (!is_away && !each.is_abandoned) each.renewed = clock_.now();
      const bool is_over = clock_.now() - each.renewed >= each.ttl;
      if (is_over && each.lost) losses.push_back(std::exchange(each.lost, {}));
      if (is_over && !is_away) {
        remove_held(each.key);
        at = holds_.erase(at);
      } else {
        ++at;
      }
    }
    for (auto& lost : losses) lost();
    if (is_away) return;
    for (auto& each : watches_)
      if (std::exchange(each.has_changed, false)) each.changed(below(each.prefix));
  }
  /// As a server that was started again on an empty disk.
  void forget() {
    entries_.clear();
    last_version_ = 0;
    for (auto& each : watches_) each.has_changed = true;
    auto lost = std::exchange(holds_, {});
    for (auto& [_, each] : lost)
      if (each.lost) each.lost();
  }

  bool is_away = false;
  /// Handles that go now are those of a process that was killed: their keys stay for their ttl.
  bool abandons = false;

 private:
  struct held {
    std::string key;
    std::chrono::milliseconds ttl;
    steady_time renewed;
    std::function<void()> lost;
    bool is_abandoned;
  };
  struct watched {
    std::string prefix;
    watcher changed;
    bool has_changed;
  };
  class end_of_watch final : public handle {
   public:
    end_of_watch(sim_topology& store, std::list<watched>::iterator which) : store_(store), which_(which) {}
    ~end_of_watch() override { store_.watches_.erase(which_); }

   private:
    sim_topology& store_;
    std::list<watched>::iterator which_;
  };
  class end_of_hold final : public handle {
   public:
    end_of_hold(sim_topology& store, std::uint64_t number) : store_(store), number_(number) {}
    ~end_of_hold() override {
      const auto found = store_.holds_.find(number_);
      if (found == store_.holds_.end()) return;
      found->second.lost = {};
      if (store_.abandons || store_.is_away) {
        found->second.is_abandoned = true;
        return;
      }
      const auto key = found->second.key;
      store_.holds_.erase(found);
      store_.remove(key);
    }

   private:
    sim_topology& store_;
    const std::uint64_t number_;
  };

  void touch(std::string_view key) {
    for (auto& each : watches_) each.has_changed |= key.starts_with(each.prefix);
  }
  /// An erased key ends its hold.
  void remove(const std::string& key) {
    remove_held(key);
    std::erase_if(holds_, [&](auto& each) {
      if (each.second.key != key) return false;
      if (each.second.lost) each.second.lost();
      return true;
    });
  }
  void remove_held(const std::string& key) {
    entries_.erase(key);
    touch(key);
  }
  std::vector<topology_entry> below(std::string_view prefix) const {
    std::vector<topology_entry> found;
    for (const auto& [key, entry] : entries_)
      if (key.starts_with(prefix)) found.push_back(entry);
    return found;
  }

  const time_source& clock_;
  std::map<std::string, topology_entry> entries_;
  topology_version last_version_ = 0;
  std::list<watched> watches_;
  std::map<std::uint64_t, held> holds_;
  std::uint64_t last_hold_ = 0;
};

}  // namespace throng::test
