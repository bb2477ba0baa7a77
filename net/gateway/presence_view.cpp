// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/presence_view.hpp"

#include <unordered_set>

namespace throng {

std::vector<user_id> presence_view::note(std::span<const user_id> users, bool is_active) {
  std::vector<user_id> news;
  for (const auto user : users) {
    const auto [known, is_new] = told_.try_emplace(user.value, is_active);
    if (!is_new && known->second == is_active) continue;
    known->second = is_active;
    news.push_back(user);
  }
  return news;
}

std::vector<user_id> presence_view::learn(std::span<const user_id> users, bool is_active) {
  std::vector<user_id> news;
  for (const auto user : users) {
    const auto [known, is_new] = told_.try_emplace(user.value, is_active);
    if (known->second == is_active) continue;
    known->second = is_active;
    news.push_back(user);
  }
  return news;
}

presence_view::changes presence_view::call_roll(std::span<const user_id> active) {
  std::unordered_set<std::uint64_t> there;
  for (const auto user : active) there.insert(user.value);
  changes all;
  for (auto& [user, was_active] : told_) {
    const bool is_active = there.contains(user);
    if (is_active == was_active) continue;
    was_active = is_active;
    (is_active ? all.active : all.away).push_back({user});
  }
  return all;
}

}  // namespace throng
