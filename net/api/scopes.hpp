// SPDX-License-Identifier: Apache-2.0
// SCOPES: what a token may be used for. Texts are Slack's names, comma separated. Old broad names grant the new ones.
#pragma once

#include <string>
#include <string_view>

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// What a token gets that is issued without a list: everything of its type.
std::string_view all_scopes(token_type type);

/// Whether `granted` holds any one of `accepted`; an empty `accepted` needs none.
bool has_any_scope(std::string_view granted, std::string_view accepted);

/// A list as it is stored: without spaces, empty entries and repeats. errc::invalid_scope names the first unknown one.
result<std::string> normal_scopes(std::string_view list);

}  // namespace throng
