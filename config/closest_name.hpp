// SPDX-License-Identifier: Apache-2.0
// Which of the known names somebody meant who made a typing error.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace throng {

/// Levenshtein's: how many letters must be put in, taken out or replaced.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// The one that is at most two typing errors away; empty if there is none.
std::string_view closest_name(std::string_view name, std::span<const std::string_view> known);

}  // namespace throng
