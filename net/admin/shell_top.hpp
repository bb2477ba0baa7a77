// SPDX-License-Identifier: Apache-2.0
// What `top` makes of two looks at a node's entities. Pure.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "cluster/inspection.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_words.hpp"

namespace throng {

/// The time between the two looks: --every, 1 s without it, 100 ms to 60 s.
std::chrono::milliseconds top_time(const shell_words& words);

enum class top_order : std::uint8_t { rate, mailbox, messages };
std::optional<top_order> parse_top_order(std::string_view text);

/// The rows of those that had messages in between, or have some waiting. What was not in the first look, and is older
/// than it, is left out: it was not among the many that had messages last.
shell_table top_table(const std::vector<entity_view>& before, const std::vector<entity_view>& now,
                      std::chrono::milliseconds between, top_order by, std::size_t limit);

}  // namespace throng
