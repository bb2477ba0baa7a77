// SPDX-License-Identifier: Apache-2.0
// OBSERVED TOPOLOGY: one node's own way to a store that all share: it can be cut off alone, hear nothing new for a
// while, and die at one of its writes, just before or just after it is done. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/topology/topology_store.hpp"

namespace throng::test {

class observed_topology final : public topology_store {
 public:
  explicit observed_topology(topology_store& shared) : shared_(shared) {}

  bool is_away = false;
  /// Dies at the write after so many more; `dies_after`: when it is done, and nobody is told any more.
  std::optional<int> writes_left;
  bool dies_after = false;
  /// Where it died; empty: it hasn't.
  std::string died_at;

  /// Deaf, it hears nothing; then it hears what it has missed, as one change.
  void set_deaf(bool is_deaf) {
    is_deaf_ = is_deaf;
    if (is_deaf) return;
    for (auto& [number, missed] : std::exchange(missed_, {}))
      if (const auto found = watchers_.find(number); found != watchers_.end()) found->second(std::move(missed));
  }

  result<std::optional<topology_entry>> get(std::string_view key) override {
    if (is_gone()) return errc::service_unavailable;
    return shared_.get(key);
  }
  result<std::vector<topology_entry>> list(std::string_view prefix) override {
    if (is_gone()) return errc::service_unavailable;
    return shared_.list(prefix);
  }
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override {
    return write<topology_version>(key, [&] { return shared_.put(key, value, expected); });
  }
  result<> erase(std::string_view key, topology_version expected) override {
    return write<unit>(key, [&] { return shared_.erase(key, expected); });
  }
  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override {
    const auto number = ++last_watch_;
    watchers_[number] = std::move(changed);
    auto inner = shared_.watch(std::move(prefix), [this, number](std::vector<topology_entry> entries) {
      if (is_deaf_ || is_gone())
        missed_[number] = std::move(entries);
      else
        watchers_.at(number)(std::move(entries));
    });
    return std::make_unique<end_of_watch>(*this, number, std::move(inner));
  }
  result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                                       std::function<void()> lost) override {
    if (is_gone()) return errc::service_unavailable;
    return shared_.hold(key, value, ttl, std::move(lost));
  }

 private:
  class end_of_watch final : public handle {
   public:
    end_of_watch(observed_topology& view, int number, std::unique_ptr<handle> inner)
        : view_(view), number_(number), inner_(std::move(inner)) {}
    ~end_of_watch() override {
      inner_.reset();
      view_.watchers_.erase(number_);
      view_.missed_.erase(number_);
    }

   private:
    observed_topology& view_;
    const int number_;
    std::unique_ptr<handle> inner_;
  };

  bool is_gone() const { return is_away || !died_at.empty(); }
  template <class Value, class Do>
  result<Value> write(std::string_view key, Do change) {
    if (is_gone()) return errc::service_unavailable;
    const bool dies = writes_left && (*writes_left)-- == 0;
    if (!dies) return change();
    died_at = key;
    if (dies_after) (void)change();  // it never hears how that went
    return errc::service_unavailable;
  }

  topology_store& shared_;
  bool is_deaf_ = false;
  int last_watch_ = 0;
  std::map<int, watcher> watchers_;
  std::map<int, std::vector<topology_entry>> missed_;
};

}  // namespace throng::test
