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
  ask(team, bot);
  return std::nullopt;
}

void bot_cache::when_known(team_id team, bot_id bot, std::function<void()> done) const {
  bool is_known = false, is_first = false;
  {
    const std::shared_lock lock(mutex_);
    const auto found = cards_.find(bot);
    is_known = found != cards_.end() && found->second;
  }
  if (!is_known) {
    const std::unique_lock lock(mutex_);
    if (cards_.size() >= size_max && !cards_.contains(bot)) cards_.clear();
    const auto [at, is_new] = cards_.emplace(bot, std::nullopt);
    is_known = at->second.has_value();  // came in between the two locks
    is_first = is_new;
    if (!is_known) waiting_[bot].push_back(std::move(done));
  }
  if (is_known) return done();
  if (is_first) ask(team, bot);
}

void bot_cache::ask(team_id team, bot_id bot) const {
  look_up_(team, bot, [this, bot](std::optional<bot_card> card) { settle(bot, std::move(card)); });
}

void bot_cache::settle(bot_id bot, std::optional<bot_card> card) const {
  if (card) add(std::move(*card));
  std::vector<std::function<void()>> waiting;
  {
    const std::unique_lock lock(mutex_);
    // Not found or not answered: the next one who needs it asks again.
    if (const auto found = cards_.find(bot); found != cards_.end() && !found->second) cards_.erase(found);
    if (const auto found = waiting_.find(bot); found != waiting_.end()) {
      waiting = std::move(found->second);
      waiting_.erase(found);
    }
  }
  for (const auto& done : waiting) done();
}

void bot_cache::add(bot_card card) const {
  const std::unique_lock lock(mutex_);
  if (cards_.size() >= size_max) cards_.clear();
  cards_[card.id] = std::move(card);
}

}  // namespace throng
