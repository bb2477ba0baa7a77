// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/node_storage.hpp"

#include "storage/topology/shard_bootstrap.hpp"
#include "storage/vschema/table_routes.hpp"
#include "storage/vschema/vschema.hpp"

namespace throng {

result<std::unique_ptr<node_storage>> node_storage::open(const configuration& settings, topology_store* topology) {
  switch (settings.storage.kind) {
    case storage_kind::sqlite:
      break;
    case storage_kind::mysql:
      return open_mysql_storage(settings, topology);
  }
  return open_sqlite_storage(settings);
}

std::optional<std::string> find_storage_mistake(const configuration& settings, const config_origins& origins) {
  if (settings.storage.kind != storage_kind::mysql) return std::nullopt;
  const auto& mysql = settings.storage.mysql;
  if (!mysql.vschema.empty()) {
    auto schema = load_vschema(mysql.vschema, mysql.database);
    if (!schema) return schema.failure().detail;
    if (auto routes = table_routes::make(*schema); !routes) return routes.failure().detail;
  }
  if (mysql.vtgate || mysql.shards.empty()) return std::nullopt;
  auto shards = parse_bootstrap(mysql.shards, mysql.database);
  if (!shards) {
    const auto origin = origins.find("storage.mysql.shards");
    return to_text(config_problem{origin == origins.end() ? "default" : origin->second, "storage.mysql.shards",
                                  shards.failure().detail});
  }
  return std::nullopt;
}

}  // namespace throng
