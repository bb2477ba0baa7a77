// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/vtgate_shards.hpp"

#include <algorithm>

namespace throng {

result<std::vector<vtgate_shard>> parse_vitess_shards(std::span<const std::string> rows, std::string_view keyspace) {
  std::vector<vtgate_shard> shards;
  for (const std::string_view row : rows) {
    const auto slash = row.rfind('/');
    if (slash == std::string_view::npos || row.substr(0, slash) != keyspace) continue;
    const auto name = row.substr(slash + 1);
    const auto range = parse_key_range(name);
    if (!range)
      return error{errc::invalid_arguments, "Vitess's shard " + std::string(row) + " is no range of whole slots"};
    shards.push_back({*range, std::string(name)});
  }
  if (shards.empty())
    return error{errc::invalid_arguments, "Vitess has no shard of the keyspace " + std::string(keyspace)};
  std::sort(shards.begin(), shards.end(), [](const auto& a, const auto& b) { return a.range < b.range; });
  return shards;
}

std::string vtgate_database(std::string_view keyspace, const vtgate_shard& shard) {
  return std::string(keyspace) + ":" + shard.name + "@primary";
}

result<shard_map> vtgate_map(const std::vector<vtgate_shard>& shards, const server_address& vtgate,
                             std::string_view keyspace) {
  std::vector<shard_record> records;
  for (const auto& each : shards) {
    auto& record = records.emplace_back();
    record.keyspace = keyspace;
    record.range = each.range;
    record.primary = vtgate;
    record.servers = record.in_sync = {vtgate};
    record.reason = "Vitess says so";
  }
  return shard_map::make(std::move(records), {}, 1);
}

result<std::vector<vtgate_shard>> ask_vitess_shards(const server_address& vtgate, mysql::connect_options options,
                                                    std::string_view keyspace) {
  options.database.clear();
  try {
    mysql::connection gate(vtgate, options);
    std::vector<std::string> names;
    for (auto found = gate.query("SHOW VITESS_SHARDS"); found.next();) names.push_back(found.bytes());
    return parse_vitess_shards(names, keyspace);
  } catch (const mysql::failure& why) {
    return error{errc::service_unavailable, "the vtgate " + vtgate + ": " + why.what()};
  }
}

}  // namespace throng
