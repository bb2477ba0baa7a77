// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/shard_bootstrap.hpp"

#include <algorithm>
#include <map>

namespace throng {

namespace {

/// The text up to the next of `separators`, which is taken off with it.
std::string_view take_until(std::string_view& text, std::string_view separators) {
  const auto end = std::min(text.find_first_of(separators), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), end + 1));
  return word;
}

error wrong(std::string_view word, const std::string& what) {
  return {errc::invalid_arguments, "\"" + std::string(word) + "\": " + what};
}

result<shard_record> parse_shard(std::string_view word, std::string_view keyspace) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) return wrong(word, "expected RANGE=HOST:PORT,…, such as -80=db1:3306,db2:3306");
  const auto range = parse_key_range(word.substr(0, equals));
  if (!range)
    return wrong(word, "\"" + std::string(word.substr(0, equals)) +
                           "\" is no range of whole slots (such as -80, 80-c0 or -): hex digits in pairs, a dash, hex "
                           "digits in pairs, at most three digits of each other than 0");
  shard_record record;
  record.keyspace = keyspace;
  record.range = *range;
  record.term = 1;
  record.reason = "registered from the configuration";
  for (auto rest = word.substr(equals + 1);;) {
    const auto is_last = rest.find(',') == std::string_view::npos;
    const auto server = take_until(rest, ",");
    if (!is_server_address(server))
      return wrong(word, "\"" + std::string(server) + "\" is no server: expected HOST:PORT");
    record.servers.emplace_back(server);
    if (is_last) break;
  }
  record.primary = record.servers.front();
  // Nobody has looked at the others yet: the shard's supervisor adds them when they have caught up.
  record.in_sync = {record.primary};
  return record;
}

/// Writes what isn't there yet.
result<> put_first(topology_store& topology, const std::string& key, const std::string& value) {
  const auto put = topology.put(key, value, 0);
  if (put || put.code() == errc::conflict) return done;
  return put.failure();
}

}  // namespace

result<std::vector<shard_record>> parse_bootstrap(std::string_view text, std::string_view keyspace) {
  std::vector<shard_record> shards;
  std::map<server_address, key_range> seen;
  while (!text.empty()) {
    const auto word = take_until(text, " \t\r\n");
    if (word.empty()) continue;
    auto shard = parse_shard(word, keyspace);
    if (!shard) return shard.failure();
    for (const auto& server : shard->servers)
      if (const auto [before, is_new] = seen.emplace(server, shard->range); !is_new)
        return wrong(word, before->second == shard->range
                               ? server + " is there twice"
                               : server + " has shard " + to_text(before->second) + " already: a server has one shard");
    shards.push_back(std::move(shard).value());
  }
  if (shards.empty())
    return error{errc::invalid_arguments, "no shards: expected such as \"-80=db1:3306 80-=db2:3306\""};
  if (const auto map = shard_map::make(shards, {}, 0); !map) return map.failure();
  return shards;
}

result<> register_shards(topology_store& topology, std::string_view keyspace, const std::vector<shard_record>& shards) {
  std::vector<key_range> ranges;
  for (const auto& shard : shards) {
    ranges.push_back(shard.range);
    if (auto put = put_first(topology, shard_key(keyspace, shard.range), to_json(shard)); !put) return put;
  }
  return put_first(topology, serving_key(keyspace), serving_to_json(ranges));
}

result<> restore_serving(topology_store& topology, std::string_view keyspace, const shard_map& last) {
  const auto serving = topology.get(serving_key(keyspace));
  if (!serving) return serving.failure();
  if (*serving) return done;
  std::vector<key_range> ranges;
  for (const auto& shard : last.serving()) {
    const auto record = topology.get(shard_key(keyspace, shard.range));
    if (!record) return record.failure();
    if (!*record) return done;  // its supervisor comes first
    ranges.push_back(shard.range);
  }
  return put_first(topology, serving_key(keyspace), serving_to_json(ranges));
}

}  // namespace throng
