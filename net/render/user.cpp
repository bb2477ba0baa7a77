// SPDX-License-Identifier: Apache-2.0
#include "net/render/user.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "actors/proto/records.pb.h"
#include "storage/model/ids.hpp"

namespace throng {

namespace {

void render_images(json_writer& w, const std::string& url) {
  if (url.empty()) return;
  // One image serves all sizes: Throng doesn't scale pictures.
  for (const char* name :
       {"image_24", "image_32", "image_48", "image_72", "image_192", "image_512", "image_1024", "image_original"})
    w.member(name, url);
  w.member("is_custom_image", true);
}

std::string text_or_empty(std::uint64_t team) { return team ? to_text(team_id{team}) : std::string(); }

}  // namespace

void render_profile(json_writer& w, const UserData& user, const user_view& view) {
  const Profile& p = user.profile();
  w.begin_object();
  w.member("title", p.title()).member("phone", p.phone()).member("skype", p.skype());
  w.member("real_name", p.real_name()).member("real_name_normalized", p.real_name());
  w.member("display_name", p.display_name()).member("display_name_normalized", p.display_name());
  w.member("status_text", p.status_text()).member("status_text_canonical", "").member("status_emoji", p.status_emoji());
  w.key("status_emoji_display_info").begin_array().end_array();
  w.member("status_expiration", p.status_expiration());
  w.member("first_name", p.first_name()).member("last_name", p.last_name());
  if (!p.pronouns().empty()) w.member("pronouns", p.pronouns());
  if (!p.start_date().empty()) w.member("start_date", p.start_date());
  if (view.with_email && !p.email().empty()) w.member("email", p.email());
  if (user.bot()) w.member("bot_id", to_text(bot_id{user.bot()}));
  if (user.app()) w.member("api_app_id", to_text(app_id{user.app()}));
  if (user.is_bot()) w.member("always_active", false);
  render_images(w, p.image_url());
  w.member("team", text_or_empty(user.team()));
  w.end_object();
}

void render_user(json_writer& w, const UserData& user, const user_view& view) {
  w.begin_object();
  w.member("id", to_text(user_id{user.id()})).member("team_id", text_or_empty(user.team()));
  w.member("name", user.name()).member("deleted", user.is_deleted());
  if (!user.color().empty()) w.member("color", user.color());
  w.member("real_name", user.profile().real_name());
  if (!user.tz().empty())
    w.member("tz", user.tz()).member("tz_label", user.tz_label()).member("tz_offset", user.tz_offset_s());
  w.key("profile");
  render_profile(w, user, view);
  if (!user.is_deleted()) {
    w.member("is_admin", user.is_admin()).member("is_owner", user.is_owner());
    w.member("is_primary_owner", user.is_primary_owner());
    w.member("is_restricted", user.is_restricted()).member("is_ultra_restricted", user.is_ultra_restricted());
  }
  w.member("is_bot", user.is_bot()).member("is_app_user", false);
  if (!user.is_bot()) w.member("is_email_confirmed", !user.profile().email().empty());
  w.member("updated", user.updated());
  if (view.with_locale) w.member("locale", user.locale().empty() ? std::string("en-US") : user.locale());
  if (!view.presence.empty()) w.member("presence", view.presence);
  w.end_object();
}

void render_slackbot(json_writer& w, std::uint64_t team) {
  UserData user;
  user.set_id(slackbot.value);
  user.set_team(team);
  user.set_name("slackbot");
  user.set_color("757575");
  user.set_tz("America/Los_Angeles");
  user.set_tz_label("Pacific Standard Time");
  user.set_tz_offset_s(-28'800);
  user.mutable_profile()->set_real_name("Slackbot");
  user.mutable_profile()->set_display_name("Slackbot");
  user.mutable_profile()->set_first_name("slackbot");
  render_user(w, user);
}

void render_dnd_members(json_writer& w, const DoNotDisturb& dnd, std::int64_t now_s, bool own) {
  w.member("dnd_enabled", dnd.is_enabled());
  // Slack shows a start of 1 for "never".
  w.member("next_dnd_start_ts", std::max<std::int64_t>(1, dnd.next_start()));
  w.member("next_dnd_end_ts", std::max<std::int64_t>(1, dnd.next_end()));
  if (!own) return;
  const bool is_snoozed = dnd.snooze_until() > now_s;
  w.member("snooze_enabled", is_snoozed);
  if (!is_snoozed) return;
  w.member("snooze_endtime", dnd.snooze_until()).member("snooze_remaining", dnd.snooze_until() - now_s);
  w.member("snooze_is_indefinite", false);
}

}  // namespace throng
