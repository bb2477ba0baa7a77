// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/recent_posts.hpp"

#include "storage/model/assert.hpp"

namespace throng {

namespace {

std::string key_of_post(user_id user, std::string_view client_msg_id) {
  std::string key(reinterpret_cast<const char*>(&user.value), sizeof user.value);
  key.append(client_msg_id);
  return key;
}

}  // namespace

std::optional<message_ts> recent_posts::find(user_id user, std::string_view client_msg_id, steady_time now) {
  forget_old(now);
  if (by_key_.empty()) return std::nullopt;
  auto found = by_key_.find(key_of_post(user, client_msg_id));
  if (found == by_key_.end()) return std::nullopt;
  return found->second->ts;
}

void recent_posts::remember(user_id user, std::string_view client_msg_id, message_ts ts, steady_time now) {
  oldest_first_.push_back({key_of_post(user, client_msg_id), ts, now});
  auto newest = std::prev(oldest_first_.end());
  auto [place, is_new] = by_key_.emplace(newest->key, newest);
  THRONG_ASSERT(is_new);
  forget_old(now);
}

void recent_posts::forget_old(steady_time now) {
  while (!oldest_first_.empty()) {
    const auto& oldest = oldest_first_.front();
    if (oldest_first_.size() <= limits_.ids_max && now - oldest.at <= limits_.window) break;
    by_key_.erase(oldest.key);
    oldest_first_.pop_front();
  }
}

}  // namespace throng
