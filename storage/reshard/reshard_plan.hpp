// SPDX-License-Identifier: Apache-2.0
// RESHARD PLAN: which shards give up their rows, which take them, and the streams between them. Pure: it looks at the
// shard map and at what the operator asked for, and refuses with a sentence what can't work.
//
//   sources  -            -80   80-          targets cover exactly the keyspace ids of the sources;
//            │ split        └─┬─┘ merge      a stream runs wherever a source and a target overlap
//   targets  -80  80-         -
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/key_range.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

/// A shard that is to be filled. Without servers it must be one that the topology knows already.
struct reshard_target {
  key_range range;
  std::vector<server_address> servers;  // the first is its first primary
  friend bool operator==(const reshard_target&, const reshard_target&) = default;
};

struct reshard_plan {
  struct stream {
    key_range source, target;
    key_range rows;  // what they share
    friend bool operator==(const stream&, const stream&) = default;
  };
  std::string keyspace;
  std::vector<key_range> sources;       // by range
  std::vector<reshard_target> targets;  // by range
  std::vector<stream> streams;
  std::vector<key_range> serving_after;  // of the whole keyspace, when it is switched
  std::vector<key_range> unknown;        // targets that the topology doesn't know yet: start() registers them
};

/// "-80,80-" → ranges. Errors (errc::invalid_arguments) name the part that is no range.
result<std::vector<key_range>> parse_shard_list(std::string_view text);
/// "-80=h:1,h:2 80-=h:3", or "-80 80-" for shards that the topology knows. Errors as above.
result<std::vector<reshard_target>> parse_reshard_targets(std::string_view text);

/// Errors (errc::invalid_arguments) name the shard or server and say what is wrong with it.
result<reshard_plan> make_reshard_plan(const shard_map& map, std::string keyspace, std::vector<key_range> sources,
                                       std::vector<reshard_target> targets);

/// For a person: one line a stream.
std::string to_text(const reshard_plan& plan);

/// The ids that two ranges share. REQUIRES: they overlap.
key_range shared_part(const key_range& a, const key_range& b);
/// `serving` without `from` and with `to`, by range.
std::vector<key_range> serving_set_after(std::span<const key_range> serving, std::span<const key_range> from,
                                         std::span<const key_range> to);

}  // namespace throng
