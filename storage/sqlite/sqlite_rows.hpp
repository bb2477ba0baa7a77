// SPDX-License-Identifier: Apache-2.0
// How many rows each table of a SQLite file has, for operators. Blocking; reads every table once, beside whoever
// writes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

/// By name. SQLite keeps no estimates, so the counts are exact.
result<std::vector<std::pair<std::string, std::uint64_t>>> count_sqlite_rows(const std::filesystem::path& file);

}  // namespace throng
