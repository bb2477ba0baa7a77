// SPDX-License-Identifier: Apache-2.0
// What the shell's commands share when they show something: words for states and times, and the usual options. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/inspection.hpp"
#include "net/admin/shell_words.hpp"
#include "storage/model/time.hpp"

namespace throng {

inline constexpr std::size_t shell_rows_max = 10'000;

std::string_view name_of(entity_view::state_t state);  // "active"
/// "431 ms", "12 s", "15 min"
std::string time_text(std::chrono::milliseconds time);
/// "2026-11-22 09:15:01.250"
std::string utc_text(wall_time at);
/// Of all threads of this process, since its start.
double process_cpu_seconds();
/// --limit, 100 without it.
std::size_t limit_of(const shell_words& words);
/// "mailbox", "messages", "crashes", "age", "idle"; nothing else.
std::optional<inspection::filter::order_t> parse_order(std::string_view text);
/// The largest first; by key for `any`.
void sort_views(std::vector<entity_view>& views, inspection::filter::order_t by);

}  // namespace throng
