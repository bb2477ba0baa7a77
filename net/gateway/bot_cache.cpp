// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/bot_cache.hpp"

#include <utility>

namespace throng {

std::optional<bot_card> bot_cache::find_bot(team_id team, bot_id bot) const {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = cards_.find(bot); found != cards_.end()) return found->second;
  }
  {
    const std::unique_lock lock(mutex_);
    if (cards_.size() >= size_max) cards_.clear();
    if (!cards_.emplace(bot, std::nullopt).second) return std::nullopt;
  }
  look_up_(team, bot, [this, bot](std::optional<bot_card> card) {
    if (card) return add(std::move(*card));
    const std::unique_lock lock(mutex_);
    if (const auto found = cards_.find(bot); found != cards_.end() && !found->second) cards_.erase(found);
  });
  return std::nullopt;
}

void bot_cache::add(bot_card card) const {
  const std::unique_lock lock(mutex_);
  if (cards_.size() >= size_max) cards_.clear();
  cards_[card.id] = std::move(card);
}

}  // namespace throng
