// SPDX-License-Identifier: Apache-2.0
// People and bot users as Slack's user and profile objects. Pure.
#pragma once

#include <string_view>

#include "storage/json/json.hpp"

namespace throng {

class DoNotDisturb;
class Profile;
class UserData;

struct user_view {
  bool with_email = false;      // the viewer's token has users:read.email
  bool with_locale = false;     // include_locale
  std::string_view presence{};  // "active", "away"; empty: left out
};

/// The whole object of users.info, users.list and user_change.
void render_user(json_writer& w, const UserData& user, const user_view& view = {});
/// Its `profile`, as users.profile.get has it.
void render_profile(json_writer& w, const UserData& user, const user_view& view = {});
/// USLACKBOT, which has no USER entity.
void render_slackbot(json_writer& w, std::uint64_t team);

/// The members of dnd.info and dnd_status, without braces. `own`: with what only the person may see.
void render_dnd_members(json_writer& w, const DoNotDisturb& dnd, std::int64_t now_s, bool own);

}  // namespace throng
