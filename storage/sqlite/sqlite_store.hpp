// SPDX-License-Identifier: Apache-2.0
// The embedded store: one SQLite file in WAL mode with synchronous=FULL, so what is committed survives power loss.
// One connection writes; every reader has its own. Only one process can have the file open.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "storage/store.hpp"

namespace throng {

/// The defaults were measured (tests/unit/storage/sqlite/sqlite_throughput_test.cpp says how).
struct sqlite_options {
  std::size_t writer_cache_bytes = 64u << 20;
  std::size_t reader_cache_bytes = 2u << 20;  // SQLite's own default: the system caches the file anyway
  /// A checkpoint copies the WAL into the file when it has grown to this; the commit that reaches it waits (30 to 40 ms).
  /// Larger: a page that is written often is copied less often, but the file needs that much more room, and opening it
  /// after a crash takes longer. With batches of 100 posts, from 64 to 128 MiB the 99th percentile of a commit went
  /// from 25 to 3 ms; 256 MiB gained nothing more.
  std::size_t checkpoint_bytes = 128u << 20;
  /// Up to this size, every page of an existing file is checked at the start.
  std::size_t check_bytes_max = 64u << 20;
  /// 0: no bound but the disk. At the bound, writes are refused with errc::storage_full.
  std::size_t file_bytes_max = 0;
  /// How long to wait for another program that has locked the file (a backup, sqlite3).
  int busy_timeout_ms = 2000;
};

/// Opens the file, or makes it and its folder; brings its schema up to date. Refuses, with a sentence that names the
/// file, one that is in use (errc::service_unavailable), and one that is damaged, of another program, or from a newer
/// version (errc::fatal_error); such a file is left as it was.
result<std::unique_ptr<store>> open_sqlite_store(const std::filesystem::path& file, const sqlite_options& options = {});

}  // namespace throng
