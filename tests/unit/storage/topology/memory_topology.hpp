// SPDX-License-Identifier: Apache-2.0
// A topology store in memory, for tests: watches are called by whoever writes, before the write returns. Any thread.
#pragma once

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <utility>

#include "storage/topology/topology_store.hpp"

namespace throng {

class memory_topology final : public topology_store {
 public:
  result<std::optional<topology_entry>> get(std::string_view key) override {
    std::lock_guard lock(mutex_);
    if (is_away) return errc::service_unavailable;
    const auto found = entries_.find(std::string(key));
    if (found == entries_.end()) return std::optional<topology_entry>();
    return std::optional(found->second);
  }
  result<std::vector<topology_entry>> list(std::string_view prefix) override {
    std::lock_guard lock(mutex_);
    if (is_away) return errc::service_unavailable;
    return below(prefix);
  }
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override {
    std::lock_guard lock(mutex_);
    if (is_away) return errc::service_unavailable;
    auto& entry = entries_[std::string(key)];
    if (entry.version != expected) return errc::conflict;
    entry = {std::string(key), std::string(value), ++last_version_};
    const auto version = entry.version;
    tell(key);
    return version;
  }
  result<> erase(std::string_view key, topology_version expected) override {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(std::string(key));
    if (found == entries_.end() || found->second.version != expected) return errc::conflict;
    entries_.erase(found);
    tell(key);
    return done;
  }
  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override {
    std::lock_guard lock(mutex_);
    changed(below(prefix));
    watches_.push_back({std::move(prefix), std::move(changed)});
    return std::make_unique<end_of_watch>(*this, std::prev(watches_.end()));
  }
  result<std::unique_ptr<handle>> hold(std::string_view, std::string_view, std::chrono::milliseconds,
                                       std::function<void()>) override {
    return errc::service_unavailable;
  }

  /// As a server that was started again on an empty disk.
  void forget() {
    std::lock_guard lock(mutex_);
    entries_.clear();
    last_version_ = 0;
    for (const auto& [_, changed] : watches_) changed({});
  }

  bool is_away = false;

 private:
  using watches = std::list<std::pair<std::string, watcher>>;
  class end_of_watch final : public handle {
   public:
    end_of_watch(memory_topology& store, watches::iterator which) : store_(store), which_(which) {}
    ~end_of_watch() override {
      std::lock_guard lock(store_.mutex_);
      store_.watches_.erase(which_);
    }

   private:
    memory_topology& store_;
    watches::iterator which_;
  };

  std::vector<topology_entry> below(std::string_view prefix) const {
    std::vector<topology_entry> found;
    for (const auto& [key, entry] : entries_)
      if (key.starts_with(prefix)) found.push_back(entry);
    return found;
  }
  void tell(std::string_view key) {
    for (const auto& [prefix, changed] : watches_)
      if (key.starts_with(prefix)) changed(below(prefix));
  }

  std::recursive_mutex mutex_;
  std::map<std::string, topology_entry> entries_;
  topology_version last_version_ = 0;
  watches watches_;
};

}  // namespace throng
