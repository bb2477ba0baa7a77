// SPDX-License-Identifier: Apache-2.0
// TOPOLOGY STORE: the few small facts that all nodes must agree on: shards and their primaries, later nodes and slots.
// Texts under keys ("shards/throng/-80"), compare-and-set, watches, and registrations that end with their owner.
// Implementations: storage/topology/embedded_topology.hpp (a file, one node); cluster/consul_topology.hpp (many nodes).
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

/// Rises with each change, over all keys: a key that was erased and made again has a larger one. 0: no such key.
using topology_version = std::uint64_t;

struct topology_entry {
  std::string key;    // 1–255 of a-z A-Z 0-9 - _ . : / (storage/topology/topology_key.hpp has the fine print)
  std::string value;  // at most 512 KiB
  topology_version version = 0;
  friend bool operator==(const topology_entry&, const topology_entry&) = default;
};

/// Any thread. Calls may block, each for a few seconds at most: don't call from an actor or an io thread.
/// Errors: errc::conflict where the version isn't the expected one; errc::invalid_arguments and errc::request_too_large
/// for keys and values that no store takes; errc::service_unavailable when the store can't be reached: then it isn't
/// known whether a write was done, and the caller reads again.
/// Handles must be gone before their store.
class topology_store {
 public:
  /// Ends its watch or registration when it goes; no callback runs after that. A callback may destroy its own handle;
  /// otherwise the destructor waits for a callback that is running, so it mustn't hold what the callback waits for.
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
  /// A key that isn't there is errc::conflict too: of several that erase a version, one has done it.
  virtual result<> erase(std::string_view key, topology_version expected) = 0;

  /// Calls `changed` with all entries of `prefix`, once soon and then after every change (several changes may be told
  /// as one), on a thread of the store's, which all its watchers share: it mustn't block. Never an older state after a
  /// newer one. While the store is away nothing is called; after that the state of then is. REQUIRES: a sound prefix.
  using watcher = std::function<void(std::vector<topology_entry>)>;
  virtual std::unique_ptr<handle> watch(std::string prefix, watcher changed) = 0;

  /// A key that exists as long as this process lives and the handle does: at most `ttl` longer when it is killed or cut
  /// off. The value has at most 64 KiB. errc::conflict while there is such a key, whoever has it. It can be put and
  /// erased like others: a put keeps its holder, an erase ends the hold. `lost` is called, once, when the store no
  /// longer vouches for it.
  virtual result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value,
                                               std::chrono::milliseconds ttl, std::function<void()> lost) = 0;
};

}  // namespace throng
