// SPDX-License-Identifier: Apache-2.0
// BOT_CACHE: the names of the bots that have posted, for bot_profile. A miss answers none at once and asks the
// WORKSPACE; the API waits for that before it takes a bot's post, so that only posts from another node, while this one
// doesn't know their bot yet, go without their profile. Thread-safe. Bound: `size_max`; at the bound all are
// forgotten, for bots that post fill it again by themselves. Who waits is a call under way, bounded as those are.
#pragma once

#include <functional>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "net/render/bots.hpp"

namespace throng {

class bot_cache final : public bot_directory {
 public:
  /// Looks a bot up and calls add() if there is one, at any time and on any thread; then `done`.
  using lookup = std::function<void(team_id, bot_id, std::function<void(std::optional<bot_card>)> done)>;

  static constexpr std::size_t size_max = 10'000;

  explicit bot_cache(lookup look_up) : look_up_(std::move(look_up)) {}

  std::optional<bot_card> find_bot(team_id team, bot_id bot) const override;
  void when_known(team_id team, bot_id bot, std::function<void()> done) const override;
  void add(bot_card card) const;

 private:
  void ask(team_id team, bot_id bot) const;
  /// What came of a question.
  void settle(bot_id bot, std::optional<bot_card> card) const;

  const lookup look_up_;
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<bot_id, std::optional<bot_card>> cards_;  // none: being looked up
  mutable std::unordered_map<bot_id, std::vector<std::function<void()>>> waiting_;
};

}  // namespace throng
