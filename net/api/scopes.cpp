// SPDX-License-Identifier: Apache-2.0
#include "net/api/scopes.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace throng {

namespace {

constexpr std::string_view bot_scopes =
    "channels:history,channels:join,channels:manage,channels:read,channels:write,chat:write,chat:write.customize,"
    "chat:write.public,dnd:read,emoji:read,groups:history,groups:read,groups:write,im:history,im:read,im:write,"
    "mpim:history,mpim:read,mpim:write,pins:read,pins:write,reactions:read,reactions:write,rtm:stream,team:read,"
    "users.profile:read,users:read,users:read.email,users:write";
constexpr std::string_view user_scopes =
    "channels:history,channels:read,channels:write,chat:write,dnd:read,dnd:write,emoji:read,groups:history,"
    "groups:read,groups:write,im:history,im:read,im:write,mpim:history,mpim:read,mpim:write,pins:read,pins:write,"
    "reactions:read,reactions:write,rtm:stream,team:read,users.profile:read,users.profile:write,users:read,"
    "users:read.email,users:write";
constexpr std::string_view app_scopes = "connections:write,authorizations:read";
// Further names that apps ask for, known to Slack; they are kept, and grant nothing here yet.
constexpr std::string_view other_scopes =
    "app_mentions:read,assistant:write,authorizations:read,bookmarks:read,bookmarks:write,calls:read,calls:write,"
    "commands,files:read,files:write,files:write:user,identify,identity.basic,identity.email,identity.team,"
    "incoming-webhook,links:read,links:write,links.embed:write,metadata.message:read,reminders:read,reminders:write,"
    "search:read,stars:read,stars:write,team.preferences:read,tokens.basic,usergroups:read,usergroups:write,"
    "workflow.steps:execute,conversations.connect:read,conversations.connect:write,remote_files:read,"
    "remote_files:share,remote_files:write,canvases:read,canvases:write,lists:read,lists:write,admin";

/// Old names, and what they stand for.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> broad_scopes{{
    {"bot", bot_scopes},
    {"client", user_scopes},
    {"chat:write:user", "chat:write"},
    {"chat:write:bot", "chat:write"},
}};

template <class Function>
void for_each_scope(std::string_view list, Function each) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    auto scope = list.substr(0, comma);
    while (!scope.empty() && scope.front() == ' ') scope.remove_prefix(1);
    while (!scope.empty() && scope.back() == ' ') scope.remove_suffix(1);
    if (!scope.empty()) each(scope);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
}

bool holds(std::string_view list, std::string_view wanted) {
  bool found = false;
  for_each_scope(list, [&](std::string_view scope) { found = found || scope == wanted; });
  return found;
}

bool grants(std::string_view granted, std::string_view wanted) {
  if (holds(granted, wanted)) return true;
  return std::any_of(broad_scopes.begin(), broad_scopes.end(),
                     [&](const auto& broad) { return holds(broad.second, wanted) && holds(granted, broad.first); });
}

bool is_known(std::string_view scope) {
  const auto is_broad = [&](const auto& broad) { return broad.first == scope; };
  return holds(bot_scopes, scope) || holds(user_scopes, scope) || holds(app_scopes, scope) ||
         holds(other_scopes, scope) || std::any_of(broad_scopes.begin(), broad_scopes.end(), is_broad);
}

}  // namespace

std::string_view all_scopes(token_type type) {
  switch (type) {
    case token_type::user:
      return user_scopes;
    case token_type::bot:
      return bot_scopes;
    case token_type::app:
      return app_scopes;
  }
  return {};
}

bool has_any_scope(std::string_view granted, std::string_view accepted) {
  if (accepted.empty()) return true;
  bool found = false;
  for_each_scope(accepted, [&](std::string_view scope) { found = found || grants(granted, scope); });
  return found;
}

result<std::string> normal_scopes(std::string_view list) {
  std::string out;
  std::string unknown;
  for_each_scope(list, [&](std::string_view scope) {
    if (unknown.empty() && !is_known(scope)) unknown = scope;
    if (holds(out, scope)) return;
    if (!out.empty()) out += ',';
    out += scope;
  });
  if (!unknown.empty()) return error{errc::invalid_scope, "unknown scope: " + unknown};
  return out;
}

}  // namespace throng
