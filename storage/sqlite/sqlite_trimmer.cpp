// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_trimmer.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

namespace throng::sqlite {

trimmer::trimmer(database& db)
    : oldest_events_(db, "SELECT kind, id, seq FROM events WHERE at < ? ORDER BY at LIMIT ?"),
      erase_event_(db, "DELETE FROM events WHERE kind = ? AND id = ? AND seq = ?"),
      put_trimmed_events_(db,
                          "INSERT INTO trimmed_events(kind, id, seq) VALUES(?, ?, ?)"
                          " ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)"),
      // One look at the primary key of `messages` for each channel.
      next_channels_(db,
                     "SELECT c.id, COALESCE((SELECT m.ts FROM messages m WHERE m.channel = c.id ORDER BY m.ts LIMIT 1)"
                     " < ?, 0) FROM channels c WHERE c.id >= ? ORDER BY c.id LIMIT ?"),
      oldest_messages_(db, "SELECT ts, seq FROM messages WHERE channel = ? AND ts < ? ORDER BY ts LIMIT ?"),
      erase_message_(db, "DELETE FROM messages WHERE channel = ? AND ts = ?"),
      put_trimmed_messages_(db,
                            "INSERT INTO trimmed_messages(channel, seq, ts) VALUES(?, ?, ?)"
                            " ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq), ts = max(ts, excluded.ts)"),
      next_tokens_(db,
                   "SELECT hash, (is_revoked AND created < ?1) OR (expires <> 0 AND expires < ?1)"
                   " FROM tokens WHERE hash > ?2 ORDER BY hash LIMIT ?3"),
      erase_token_(db, "DELETE FROM tokens WHERE hash = ?") {}

trimmer::progress trimmer::trim_events(wall_time before, std::size_t count_max) {
  struct position {
    std::int64_t kind;
    std::uint64_t id;
    seq_t seq;
    auto stream() const { return std::pair(kind, id); }
  };
  std::vector<position> oldest;
  {
    auto found = oldest_events_.query(before, counter{count_max});
    while (found.next()) {
      auto kind = found.number();
      auto id = found.ordered_number();
      oldest.push_back({kind, id, found.count()});
    }
  }
  // By stream: neighbours in the B-tree go together, and what was trimmed of a stream is noted once.
  std::ranges::sort(oldest, {}, [](const position& each) { return std::tuple(each.kind, each.id, each.seq); });
  for (std::size_t i = 0; i < oldest.size(); ++i) {
    const auto& each = oldest[i];
    erase_event_.execute(each.kind, ordered{each.id}, counter{each.seq});
    if (i + 1 == oldest.size() || oldest[i + 1].stream() != each.stream())
      put_trimmed_events_.execute(each.kind, ordered{each.id}, counter{each.seq});
  }
  return {oldest.size(), oldest.size() < count_max};
}

trimmer::progress trimmer::trim_messages(wall_time before, std::size_t count_max) {
  struct candidate {
    channel_id id;
    bool has_old;
  };
  std::vector<candidate> channels;
  {
    auto found = next_channels_.query(before, next_channel_, counter{count_max});
    while (found.next()) {
      auto id = found.id<channel_id>();
      channels.push_back({id, found.flag()});
    }
  }
  std::size_t erased = 0;
  for (const auto& [channel, has_old] : channels) {
    next_channel_ = channel;
    if (!has_old) continue;
    if (erased == count_max) return {erased, false};
    std::vector<std::pair<message_ts, seq_t>> oldest;
    {
      auto found = oldest_messages_.query(channel, before, counter{count_max - erased});
      while (found.next()) {
        auto ts = found.ts();
        oldest.emplace_back(ts, found.count());
      }
    }
    if (oldest.empty()) continue;
    seq_t newest = 0;
    for (const auto& [ts, seq] : oldest) {
      erase_message_.execute(channel, ts);
      newest = std::max(newest, seq);
    }
    put_trimmed_messages_.execute(channel, counter{newest}, oldest.back().first);
    erased += oldest.size();
    if (erased == count_max) return {erased, false};  // there may be more of this channel
  }
  next_channel_ = channels.size() < count_max ? channel_id{} : channel_id{next_channel_.value + 1};
  return {erased, next_channel_ == channel_id{}};
}

trimmer::progress trimmer::trim_tokens(wall_time before, std::size_t count_max) {
  std::vector<token_hash> useless;
  std::size_t seen = 0;
  {
    auto found = next_tokens_.query(before, last_token_, counter{count_max});
    for (; found.next(); ++seen) {
      auto hash = found.bytes();
      std::copy_n(hash.begin(), std::min(hash.size(), last_token_.size()), last_token_.begin());
      if (found.flag()) useless.push_back(last_token_);
    }
  }
  for (const auto& hash : useless) erase_token_.execute(hash);
  if (seen == count_max) return {useless.size(), false};
  last_token_ = {};
  return {useless.size(), true};
}

}  // namespace throng::sqlite
