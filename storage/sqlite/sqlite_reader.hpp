// SPDX-License-Identifier: Apache-2.0
// The reads of the SQLite store, on a read-only connection of their own: in WAL mode they see the last commit and
// neither wait for the writer nor hold it up. The connection is made by the first read, and made anew after one that
// failed. Used by one thread at a time.
#pragma once

#include <filesystem>
#include <memory>

#include "storage/store.hpp"

namespace throng::sqlite {

struct reader_options {
  std::size_t cache_bytes = 0;
  int busy_timeout_ms = 0;
};

/// The store that wrote `file` must stay open for as long as the reader lives.
std::unique_ptr<store_reader> make_reader(std::filesystem::path file, reader_options options);

}  // namespace throng::sqlite
