// SPDX-License-Identifier: Apache-2.0
// CALLER_INFO: who a token stands for, as it was when the token was looked up. Immutable and shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/model/ids.hpp"
#include "storage/model/records.hpp"
#include "storage/model/time.hpp"

namespace throng {

enum class caller_kind : std::uint8_t { nobody = 0, user = 1, bot = 2, app = 4, admin = 8 };  // bits of a caller_set
using caller_set = std::uint8_t;
constexpr caller_set operator|(caller_kind a, caller_kind b) {
  return static_cast<caller_set>(static_cast<caller_set>(a) | static_cast<caller_set>(b));
}
constexpr bool includes(caller_set set, caller_kind kind) { return (set & static_cast<caller_set>(kind)) != 0; }

struct caller_info {
  caller_kind kind = caller_kind::nobody;
  token_hash hash{};
  team_id team;
  user_id user;
  bot_id bot;
  app_id app;
  bool is_admin = false;  // a workspace's admin or owner
  std::string scopes;
  wall_time expires{};  // 0: never
};
using caller_ptr = std::shared_ptr<const caller_info>;

}  // namespace throng
