// SPDX-License-Identifier: Apache-2.0
// SHARD MAP: which database server takes which range of keyspace ids, as the topology says it. Values; a node has one
// current map (storage/topology/shard_directory.hpp), and everything that routes looks at that.
//
//   topology key                     holds
//   shards/<keyspace>/<range>        one shard_record as JSON: servers, primary, term, who is in sync
//   serving/<keyspace>               the ranges that take writes, as JSON: a reshard switches them all at once
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/key_range.hpp"
#include "storage/model/result.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

/// "127.0.0.1:13306", as the operator registered it, or the path of a socket. That is the server's name everywhere.
using server_address = std::string;
bool is_server_address(std::string_view text);  // a name or IPv4 address and a port, or an absolute path
/// Rises each time a shard's primary or its set of in-sync servers is about to change.
using term_t = std::uint64_t;

struct shard_record {
  std::string keyspace = "throng";
  key_range range;
  term_t term = 0;
  server_address primary;               // empty: there is none now
  std::vector<server_address> servers;  // all, the primary too
  std::vector<server_address> in_sync;  // who has every acknowledged write; only they may become primary
  std::string reason;                   // why the last change was made, for a person
  topology_version version = 0;         // of its topology entry; not in the JSON
  std::string name() const { return to_text(range); }
  friend bool operator==(const shard_record&, const shard_record&) = default;
};

std::string to_json(const shard_record& record);
/// Errors (errc::invalid_json) name the key and what is wrong.
result<shard_record> parse_shard_record(const topology_entry& entry);
std::string shard_key(std::string_view keyspace, const key_range& range);  // "shards/throng/-80"
std::string serving_key(std::string_view keyspace);                        // "serving/throng"
/// What stands under serving_key(): {"ranges":["-80","80-"]}. Errors as above; gaps and overlaps are shard_map's.
std::string serving_to_json(std::span<const key_range> ranges);
result<std::vector<key_range>> parse_serving(const topology_entry& entry);

/// The serving shards of one keyspace, without gaps and overlaps, and those that don't serve (yet, or any longer).
class shard_map {
 public:
  /// Errors: errc::invalid_arguments, naming the ranges that overlap or the gap between them.
  static result<shard_map> make(std::vector<shard_record> serving, std::vector<shard_record> others,
                                topology_version version);
  /// A map of one shard "-" on one server, for tests and tools.
  static shard_map single(server_address primary);

  std::size_t size() const { return serving_.size(); }
  const std::vector<shard_record>& serving() const { return serving_; }  // by range
  const std::vector<shard_record>& others() const { return others_; }
  std::size_t index_of(ksid_t place) const;
  const shard_record& of(ksid_t place) const { return serving_[index_of(place)]; }
  const shard_record* find(const key_range& range) const;  // serving or not; null: unknown
  topology_version version() const { return version_; }    // of the serving entry
  friend bool operator==(const shard_map&, const shard_map&) = default;

 private:
  shard_map() = default;

  std::vector<shard_record> serving_, others_;
  topology_version version_ = 0;
};

}  // namespace throng
