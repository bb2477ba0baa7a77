// SPDX-License-Identifier: Apache-2.0
// SHARD DIRECTORY: this node's current SHARD MAP, kept fresh by a watch on the topology store.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "storage/model/time.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

/// Any thread.
class shard_directory {
 public:
  using map_ptr = std::shared_ptr<const shard_map>;
  using listener = std::function<void(map_ptr)>;

  virtual ~shard_directory() = default;
  virtual map_ptr current() const = 0;  // never null
  /// Blocks until current() isn't `seen` any more, or until `at_most` has passed; the then current one.
  virtual map_ptr wait_for_change(const map_ptr& seen, std::chrono::milliseconds at_most) const = 0;
  /// The topology doesn't say any more who serves: it was restarted, empty. The last map stays.
  virtual bool is_forgotten() const { return false; }
  /// Called with each new map, in order, on the watch's thread; must not block, and must not end its own handle. Ends
  /// with the handle, which may outlive the directory.
  virtual std::unique_ptr<topology_store::handle> listen(listener changed) = 0;
};

/// What the topology says now, read for once (supervisors and reshards compare with it before they act).
/// Errors: errc::not_found if the keyspace serves nowhere; errc::invalid_json and errc::invalid_arguments for entries
/// that make no map; those of the topology. A record that is wrong but doesn't serve is left out.
result<shard_map> read_shard_map(topology_store& topology, std::string_view keyspace);

/// Reads the topology, and registers `bootstrap` (text as storage.mysql.shards has it, "-80=h:1,h:2 80-=h:3,h:4", the
/// first server of a shard being its first primary) if the topology knows no shard of `keyspace` yet. Errors: those of
/// read_shard_map(); a bootstrap that can't be parsed, overlaps or gaps (the same as shard_map::make); no shards at
/// all. Later, entries that make no map are logged, and the last good map stays. `topology` must outlive the directory.
result<std::unique_ptr<shard_directory>> open_shard_directory(topology_store& topology, std::string keyspace,
                                                              const std::string& bootstrap);
/// For tests: the map is what set() was last given.
class fixed_shard_directory : public shard_directory {
 public:
  virtual void set(shard_map map) = 0;
};
std::unique_ptr<fixed_shard_directory> make_fixed_shard_directory(shard_map map);

}  // namespace throng
