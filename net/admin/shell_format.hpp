// SPDX-License-Identifier: Apache-2.0
// What the shell's commands share when they show something: words for states and times, and the usual options. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/inspection.hpp"
#include "net/admin/shell_words.hpp"

namespace throng {

inline constexpr std::size_t shell_rows_max = 10'000;

std::string_view name_of(entity_view::state_t state);  // "active"
/// "431 ms", "12 s", "15 min"
std::string time_text(std::chrono::milliseconds time);
/// --limit, 100 without it.
std::size_t limit_of(const shell_words& words);
/// By "mailbox", "messages", "crashes", "age" or "idle", the largest first; by key for anything else.
void sort_views(std::vector<entity_view>& views, std::string_view by);

}  // namespace throng
