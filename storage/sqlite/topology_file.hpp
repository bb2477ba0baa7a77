// SPDX-License-Identifier: Apache-2.0
// The file of the embedded topology: keys, values and versions in one small SQLite table. With a rollback journal
// instead of a WAL: a COMMIT whose sync fails is undone, so an error means "not written" here; and the little that is
// written doesn't need a WAL's speed. Used by one thread at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/sqlite/file_lock.hpp"
#include "storage/sqlite/sqlite_database.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng::sqlite {

/// Keys and values are checked by the caller (storage/topology/topology_key.hpp).
class topology_file {
 public:
  enum class lifetime : bool { stays, this_run };

  /// Makes the file and its folder if they aren't there, and drops what was kept for an earlier run only. Errors, as
  /// open_sqlite_store() has them: in use, damaged, another program's, a newer version's.
  static result<std::unique_ptr<topology_file>> open(const std::filesystem::path& file);

  result<std::optional<topology_entry>> get(std::string_view key);
  result<std::vector<topology_entry>> list(std::string_view prefix);
  /// The new version; errc::conflict if the version isn't `expected`. A key keeps the lifetime it was made with.
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected, lifetime kept);
  result<> erase(std::string_view key, topology_version expected);

 private:
  topology_file(file_lock lock, std::unique_ptr<database> db);
  /// 0: there is no such key.
  topology_version version_of(std::string_view key);

  file_lock lock_;  // outlives the connection
  std::unique_ptr<database> db_;
  statement get_, list_, insert_, update_, erase_, raise_, raised_;
};

}  // namespace throng::sqlite
