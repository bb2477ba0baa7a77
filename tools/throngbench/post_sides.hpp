// SPDX-License-Identifier: Apache-2.0
// What the post benchmark measures, each for one round: posts to a node in this process, posts to a running node by
// HTTP, and the yardstick.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/model/records.hpp"
#include "tools/common/http_client.hpp"
#include "tools/throngbench/bench_storage.hpp"
#include "tools/throngbench/report.hpp"

namespace throng {

struct post_plan {
  std::size_t seconds, rounds, outstanding, channels, bytes;
  std::size_t threads = 0;  // of the node's scheduler; 0: one a core
};

inline constexpr team_id bench_team{1};
inline constexpr user_id bench_poster{7};
inline channel_id bench_channel(std::size_t i) {
  return make_channel_id((i + 1) * 0x9E3779B97F4A7C15ULL, channel_kind::channel);
}
/// The channels as they would be if the poster had made them. `in` is open.
result<> add_bench_channels(store& in, std::size_t count);

struct post_round {
  figures round;
  std::size_t units_per_batch = 1;
  message_record row;  // as one of the posts was stored
};
/// At full load, and then at half of that, into an empty store.
result<post_round> measure_node_posts(const post_plan& with, bench_storage& storage);

/// The same rows, without anything that is Throng's but the store for SQLite, and without anything that is Throng's but
/// the tables for MySQL. Both leave the store closed.
result<figures> measure_bare_inserts(const post_plan& with, bench_storage& storage, std::size_t batch,
                                     message_record row);

/// A running node, posted to by as many connections as posts are outstanding.
class remote_poster {
 public:
  static constexpr std::size_t connections_max = 512;  // a thread each

  /// Makes the channels.
  static result<remote_poster> make(http_url url, std::string token, const post_plan& with);
  result<figures> measure(const post_plan& with) const;
  /// What such a post is stored as, less what only the node knows.
  static message_record plain_row(const post_plan& with);

 private:
  remote_poster(http_url url, std::string token) : url_(std::move(url)), token_(std::move(token)) {}
  http_url url_;
  std::string token_;
  std::vector<std::string> channels_;
};

}  // namespace throng
