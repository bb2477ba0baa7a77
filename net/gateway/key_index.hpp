// SPDX-License-Identifier: Apache-2.0
// KEY_INDEX: from an entity's key to the number of its place in somebody's vector. Open addressing with linear probing
// and backward-shift deletion: 24 bytes a place, two thirds full at most, where std::unordered_map takes about 60 an
// entry; a gateway keeps tens of entries for each connection. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/model/keyspace.hpp"

namespace throng {

class key_index {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  std::uint32_t find(entity_key key) const {
    if (places_.empty()) return none;
    for (auto at = home(key);; at = next(at)) {
      if (places_[at].value == none || places_[at].key == key) return places_[at].value;
    }
  }

  /// REQUIRES: `key` is not in it; `value` is not `none`.
  void insert(entity_key key, std::uint32_t value) {
    if ((size_ + 1) * 3 > places_.size() * 2) grow();
    place_at(key, value);
    ++size_;
  }

  /// REQUIRES: `key` is in it.
  void erase(entity_key key) {
    auto hole = home(key);
    while (places_[hole].key != key || places_[hole].value == none) hole = next(hole);
    for (auto at = next(hole); places_[at].value != none; at = next(at)) {
      // What lies behind the hole moves into it unless its home is behind the hole too.
      if (distance(home(places_[at].key), at) < distance(hole, at)) continue;
      places_[hole] = places_[at];
      hole = at;
    }
    places_[hole].value = none;
    --size_;
  }

  std::size_t size() const { return size_; }

 private:
  struct place {
    entity_key key;
    std::uint32_t value = none;
  };
  std::size_t home(entity_key key) const {
    return (std::hash<entity_key>{}(key) >> 20) & (places_.size() - 1);  // the product's low bits mix badly
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (places_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & (places_.size() - 1); }

  void place_at(entity_key key, std::uint32_t value) {
    auto at = home(key);
    while (places_[at].value != none) at = next(at);
    places_[at] = {key, value};
  }
  void grow() {
    auto old = std::move(places_);
    places_.assign(old.empty() ? 16 : old.size() * 2, place{});
    for (const auto& each : old)
      if (each.value != none) place_at(each.key, each.value);
  }

  std::vector<place> places_;
  std::size_t size_ = 0;
};

}  // namespace throng
