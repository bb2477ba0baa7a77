// SPDX-License-Identifier: Apache-2.0
// ESCAPING: message text as clients send it → as it is stored and shown. Clients escape & < > themselves and write
// control sequences (<@U1>, <#C1|name>, <!here>, <https://…|label>); what they left bare is escaped here, what they
// escaped stays, so escaping twice changes nothing. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace throng {

std::string escape_text(std::string_view text);

/// The handles behind bare "@" that `link_names` is to make links of: lower case, each once, at most `count_max`.
std::vector<std::string> mentioned_names(std::string_view text, std::size_t count_max);

/// Replaces "@name" by "<@id>" for each (name, id) of `known`; and "@here", "@channel", "@everyone" by "<!here>" and so
/// on. Text inside control sequences stays.
std::string link_names(std::string_view text, std::span<const std::pair<std::string, std::string>> known);

}  // namespace throng
