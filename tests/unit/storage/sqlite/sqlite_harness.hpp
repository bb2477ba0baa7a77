// SPDX-License-Identifier: Apache-2.0
// A SQLite store in a folder of its own.
#pragma once

#include <doctest/doctest.h>

#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

struct sqlite_harness {
  temporary_folder folder;
  sqlite_options options;

  std::filesystem::path file() const { return folder.path() / "throng.db"; }
  result<std::unique_ptr<store>> try_open() const { return open_sqlite_store(file(), options); }
  std::unique_ptr<store> open() const {
    auto opened = try_open();
    if (!opened) FAIL(opened.failure().detail);
    return std::move(*opened);
  }
};

}  // namespace throng
