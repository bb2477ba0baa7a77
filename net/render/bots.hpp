// SPDX-License-Identifier: Apache-2.0
// What a renderer may ask about bots: a post knows its bot's id only, Slack's shape wants a bot_profile beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "storage/model/ids.hpp"

namespace throng {

struct bot_card {
  bot_id id;
  app_id app;
  user_id user;
  std::string name;
  std::int64_t updated = 0;
};

class bot_directory {
 public:
  virtual ~bot_directory() = default;
  /// None if it isn't known (yet): the bot_profile is then left out. Thread-safe.
  virtual std::optional<bot_card> find_bot(team_id team, bot_id bot) const = 0;
  /// Calls `done` once, on any thread, as soon as find_bot() would answer, or it turned out that it can't for now.
  virtual void when_known(team_id, bot_id, std::function<void()> done) const { done(); }
};

}  // namespace throng
