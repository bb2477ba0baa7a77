// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_trimmer.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "storage/mysql/batch_sql.hpp"

namespace throng::mysql {

namespace {

std::string text_of(std::uint64_t number) { return std::to_string(number); }
std::string text_of(wall_time time) { return std::to_string(time.time_since_epoch().count()); }

/// Those of `keys`, in statements of a size that the server answers by its index.
template <class Key>
void erase(connection& db, std::string_view which, std::span<const Key> keys) {
  while (!keys.empty()) {
    auto some = keys.first(std::min(listed_keys_max, keys.size()));
    keys = keys.subspan(some.size());
    db.run("DELETE FROM " + std::string(which) + " IN (" + literals(some) + ")");
  }
}

std::string condition_of_hashes(std::span<const std::string> hashes) {
  std::string list;
  for (const auto& hash : hashes) list += (list.empty() ? "" : ",") + literal(hash);
  return "hash IN (" + list + ")";
}

}  // namespace

trimmer::progress trimmer::trim_events(wall_time before, std::size_t count_max) {
  std::vector<event_key> oldest;
  auto found = db_.query("SELECT kind, id, seq FROM events WHERE at < " + text_of(before) + " ORDER BY at LIMIT " +
                         text_of(count_max));
  while (found.next()) {
    auto kind = found.unsigned_number();
    auto id = found.unsigned_number();
    oldest.emplace_back(kind, id, found.unsigned_number());
  }
  if (oldest.empty()) return {};
  std::ranges::sort(oldest);
  std::string noted;  // the newest of each stream
  for (std::size_t i = 0; i < oldest.size(); ++i) {
    auto [kind, id, seq] = oldest[i];
    if (i + 1 < oldest.size() && std::get<0>(oldest[i + 1]) == kind && std::get<1>(oldest[i + 1]) == id) continue;
    noted += noted.empty() ? "(" : ",(";
    for (auto number : {kind, id, seq}) noted += text_of(number) + ",";
    noted += text_of(where_.routes.of_key(id)) + ")";
  }
  erase<event_key>(db_, "events WHERE (kind, id, seq)", oldest);
  db_.run("INSERT INTO trimmed_events(kind, id, seq, ksid) VALUES " + noted +
          " ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq))");
  return {oldest.size(), oldest.size() < count_max};
}

/// One statement looks at the oldest post of each of many channels; only those that are too old cost another.
trimmer::progress trimmer::trim_messages(wall_time before, std::size_t count_max) {
  auto channels = db_.query(
      "SELECT c.id, COALESCE((SELECT m.ts FROM messages m FORCE INDEX(PRIMARY) WHERE m.channel = c.id ORDER BY m.ts"
      " LIMIT 1) < " +
      text_of(before) + ", 0) FROM channels c WHERE c.id >= " + text_of(next_channel_) + " ORDER BY c.id LIMIT " +
      text_of(count_max));
  std::vector<message_key> oldest;
  std::string noted;
  auto next = next_channel_;
  while (oldest.size() < count_max && channels.next()) {
    next = channels.unsigned_number();
    if (!channels.flag()) continue;
    auto found = db_.query("SELECT ts, seq FROM messages FORCE INDEX(PRIMARY) WHERE channel = " + text_of(next) +
                           " AND ts < " + text_of(before) + " ORDER BY ts LIMIT " + text_of(count_max - oldest.size()));
    if (found.count() == 0) continue;
    seq_t newest = 0;
    while (found.next()) {
      oldest.emplace_back(next, found.number());
      newest = std::max(newest, found.unsigned_number());
    }
    noted += noted.empty() ? "(" : ",(";
    noted += text_of(next) + "," + text_of(newest) + "," + std::to_string(oldest.back().second) + "," +
             text_of(where_.routes.of_key(next)) + ")";
  }
  if (!oldest.empty()) {
    erase<message_key>(db_, "messages WHERE (channel, ts)", oldest);
    db_.run("INSERT INTO trimmed_messages(channel, seq, ts, ksid) VALUES " + noted +
            " ON DUPLICATE KEY UPDATE seq = GREATEST(seq, VALUES(seq)), ts = GREATEST(ts, VALUES(ts))");
  }
  if (oldest.size() == count_max) {  // there may be more of the last channel
    next_channel_ = next;
    return {oldest.size(), false};
  }
  next_channel_ = channels.count() < count_max ? 0 : next + 1;
  return {oldest.size(), next_channel_ == 0};
}

/// Lookup rows that lie here go with their tokens; one that lies elsewhere stays, and leads to nothing.
trimmer::progress trimmer::trim_tokens(wall_time before, std::size_t count_max) {
  auto owner = text_of(last_token_.first);
  auto found = db_.query(
      "SELECT owner, hash, (is_revoked <> 0 AND created < " + text_of(before) + ") OR (expires <> 0 AND expires < " +
      text_of(before) + ") FROM tokens FORCE INDEX(PRIMARY) WHERE owner >= " + owner + " AND (owner > " + owner +
      " OR hash > " + literal(last_token_.second) + ") ORDER BY owner, hash LIMIT " + text_of(count_max));
  std::vector<std::string> useless;
  std::size_t erased = 0;
  auto erase_useless = [&] {  // of one owner at a time: hashes alone aren't a key of the table
    if (useless.empty()) return;
    erased += useless.size();
    auto condition = condition_of_hashes(useless);
    db_.run("DELETE FROM tokens WHERE owner = " + text_of(last_token_.first) + " AND " + condition);
    db_.run("DELETE FROM token_owners WHERE owner = " + text_of(last_token_.first) + " AND " + condition);
    useless.clear();
  };
  while (found.next()) {
    auto next = found.unsigned_number();
    if (next != last_token_.first) erase_useless();
    last_token_ = {next, found.bytes()};
    if (!found.flag()) continue;
    useless.push_back(last_token_.second);
    if (useless.size() == listed_keys_max) erase_useless();
  }
  erase_useless();
  if (found.count() == count_max) return {erased, false};
  last_token_ = {};
  return {erased, true};
}

}  // namespace throng::mysql
