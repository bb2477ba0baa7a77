// SPDX-License-Identifier: Apache-2.0
// What a batch does to the rows of one table: one change for each primary key, the last one winning, in the order of
// the keys. Pure; owned by one BATCH PLAN. What a unit did can be taken back until it is kept.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace throng::mysql {

enum class change_kind : std::uint8_t {
  insert,  // the row must be new to the database
  put,     // over whatever is there
  erase,   // whether it is there or not
};

/// Rows are pointed at: they must outlive this.
template <class Key, class Row>
class row_changes {
 public:
  struct change {
    change_kind kind{};
    const Row* row = nullptr;  // null: erased
  };

  const change* find(const Key& key) const {
    auto found = changes_.find(key);
    return found == changes_.end() ? nullptr : &found->second;
  }
  void set(const Key& key, change to) {
    auto [at, is_new] = changes_.try_emplace(key, to);
    before_.push_back({at, is_new ? std::nullopt : std::optional(std::exchange(at->second, to))});
  }

  void keep() { before_.clear(); }
  void undo() {
    for (; !before_.empty(); before_.pop_back()) {
      auto& [at, was] = before_.back();
      if (was)
        at->second = *was;
      else
        changes_.erase(at);
    }
  }

  bool empty() const { return changes_.empty(); }
  const std::map<Key, change>& in_order() const { return changes_; }

 private:
  using place = typename std::map<Key, change>::iterator;

  std::map<Key, change> changes_;
  std::vector<std::pair<place, std::optional<change>>> before_;  // of what isn't kept yet, the newest last
};

}  // namespace throng::mysql
