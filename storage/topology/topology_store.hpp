// SPDX-License-Identifier: Apache-2.0
// TOPOLOGY STORE: the few small facts that all nodes must agree on: shards and their primaries, later nodes and slots.
// Texts under keys ("shards/throng/-80"), compare-and-set, watches, and registrations that end with their owner.
// Implementations: storage/topology/embedded_topology.hpp (a file, one node); Consul's comes with the links.
// tests/unit/storage/topology/topology_contract.hpp is what each of them passes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

/// Rises with each change of its key; 0: there is no such key.
using topology_version = std::uint64_t;

struct topology_entry {
  std::string key;    // 1–255 of a-z A-Z 0-9 - _ . : /
  std::string value;  // at most 512 KiB
  topology_version version = 0;
  friend bool operator==(const topology_entry&, const topology_entry&) = default;
};

/// Any thread. Calls may block, each for a few seconds at most: don't call from an actor or an io thread.
/// Errors: errc::conflict where the version isn't the expected one; errc::service_unavailable when the store can't be
/// reached: then it isn't known whether a write was done, and the caller reads again.
class topology_store {
 public:
  /// Ends its watch or registration when it goes; no callback runs after that.
  class handle {
   public:
    virtual ~handle() = default;
  };

  virtual ~topology_store() = default;

  virtual result<std::optional<topology_entry>> get(std::string_view key) = 0;
  /// Of all keys that start with `prefix`, in ascending order.
  virtual result<std::vector<topology_entry>> list(std::string_view prefix) = 0;
  /// Writes if the key's version is `expected` (0: if there is none). The new version.
  virtual result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) = 0;
  virtual result<> erase(std::string_view key, topology_version expected) = 0;

  /// Calls `changed` with all entries of `prefix`, once soon and then after every change (several changes may be told
  /// as one), on a thread of the store's. While the store is away nothing is called; after that the state of then is.
  using watcher = std::function<void(std::vector<topology_entry>)>;
  virtual std::unique_ptr<handle> watch(std::string prefix, watcher changed) = 0;

  /// A key that exists as long as this process lives and the handle does: at most `ttl` longer when it is killed or cut
  /// off. errc::conflict while someone else has it. `lost` is called, once, when the store no longer vouches for it.
  virtual result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value,
                                               std::chrono::milliseconds ttl, std::function<void()> lost) = 0;
};

}  // namespace throng
