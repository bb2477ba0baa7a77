// SPDX-License-Identifier: Apache-2.0
// MYSQL ADMIN: what keeps the shards' servers in order (a SUPERVISOR for each shard, the RESHARD RUNNER), and what the
// shell and /metrics see of all of it.
#pragma once

#include <memory>
#include <vector>

#include "config/configuration.hpp"
#include "net/admin/admin_services.hpp"
#include "net/admin/storage_admin.hpp"
#include "storage/model/time.hpp"
#include "storage/router/sharded_storage.hpp"
#include "storage/topology/shard_directory.hpp"

namespace throng {

class mysql_admin : public storage_admin {
 public:
  /// From now on figures are of this, and a reshard that was left goes on. Once, before tick() and the shell's calls.
  virtual void watch(const sharded_storage& storage) = 0;
  /// Once a second; doesn't block.
  virtual void tick(steady_time now) = 0;
  virtual void add_metrics(std::vector<metric>& all) const = 0;
  /// Block. What they end is no longer there for the shell.
  virtual void end_reshard() = 0;
  virtual void end_supervision() = 0;
};

/// Starts supervising, if the configuration says so; `topology` is null for a vtgate, which does that itself. Waits
/// for the servers of shards that were never supervised. Errors: errc::invalid_arguments for servers that can't be
/// supervised; who didn't answer.
result<std::unique_ptr<mysql_admin>> make_mysql_admin(const configuration& settings, topology_store* topology,
                                                      shard_directory& shards);

}  // namespace throng
