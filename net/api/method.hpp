// SPDX-License-Identifier: Apache-2.0
// METHOD: one row of the API's table: name, who may call it, what it takes, and the handler.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cluster/task.hpp"
#include "net/api/argument_kinds.hpp"
#include "net/api/caller.hpp"
#include "net/api/rate_limiter.hpp"
#include "storage/model/result.hpp"

namespace throng {

class api_call;

struct api_method {
  std::string_view name;
  rate_tier tier = rate_tier::tier3;
  caller_set callers = 0;   // 0: anybody, also without a token
  std::string_view scopes;  // comma separated, any one is enough; empty: none needed
  std::vector<argument_spec> arguments;
  /// Writes the members of its answer to call.reply, or fails. Runs on the connection's io thread; never blocks.
  task<result<>> (*handler)(api_call& call) = nullptr;
};

inline constexpr caller_set people = caller_kind::user | caller_kind::bot;
inline constexpr caller_set only_admin = static_cast<caller_set>(caller_kind::admin);

/// The families, one file each in net/api/methods/.
std::span<const api_method> api_methods();
std::span<const api_method> auth_methods();
std::span<const api_method> conversation_read_methods();
std::span<const api_method> conversation_write_methods();
std::span<const api_method> chat_methods();
std::span<const api_method> reaction_methods();
std::span<const api_method> pin_methods();
std::span<const api_method> user_methods();
std::span<const api_method> profile_methods();
std::span<const api_method> presence_methods();
std::span<const api_method> team_methods();
std::span<const api_method> dnd_methods();
std::span<const api_method> rtm_methods();
std::span<const api_method> legacy_methods();
std::span<const api_method> provisioning_methods();

/// All of them, by name. Null for one that doesn't exist.
const api_method* find_method(std::string_view name);
const std::vector<const api_method*>& all_methods();

}  // namespace throng
