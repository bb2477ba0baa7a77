// SPDX-License-Identifier: Apache-2.0
// One shard on MySQL or MariaDB servers, as a STORE. It asks the SHARD DIRECTORY where the shard's primary is, follows
// it through a failover, and resolves what it can't know by reading back:
//
//   commit(units) ─► guard row (generation, frozen?) and marker row · rows · COMMIT, in one packet if they fit
//        lost before COMMIT was sent ─► nothing happened: again, on whoever is primary then
//        lost after it was sent      ─► is the marker of this batch there? yes: committed. No: a later one is left, so
//                                       that the packet finds it when it comes late, and again. Until known.
//
// While there is no primary, commit() waits for one up to commit_patience and then answers errc::service_unavailable
// (nothing was committed). An unknown outcome is never answered.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "storage/mysql/mysql_connection.hpp"
#include "storage/store.hpp"
#include "storage/topology/shard_directory.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng {

struct mysql_options {
  mysql::connect_options connect;  // the application's account; it has no SUPER, so that read_only stops it
  std::chrono::milliseconds commit_patience{10'000};
  std::chrono::milliseconds read_patience{2'000};
  unsigned lock_retries_max = 20;  // of a batch after deadlocks
  /// Most batches go in one packet. False behind a vtgate: whether it takes such packets depends on its version.
  bool sends_packets = true;
  table_routes routes = table_routes::standard();
  /// Set when the process is going down. A commit whose outcome can't be found out by then ends the process instead of
  /// answering, as errors of the disk do with SQLite; null: it goes on asking.
  std::shared_ptr<const std::atomic<bool>> is_stopping;
};

/// The store is a lookup_writer too, and its readers are lookup_readers (storage/lookups.hpp).
/// Makes the database and its tables where they are missing and brings the schema up to date (on the primary). Errors,
/// in one sentence that names the server: no connection, wrong credentials, a schema newer than this program, a
/// database that is another program's, another shard's data.
result<std::unique_ptr<store>> open_mysql_store(const shard_directory& shards, key_range range,
                                                const mysql_options& options);

/// The text of the tables of one shard, for operators and vtctldclient.
std::string mysql_schema_sql();

}  // namespace throng
