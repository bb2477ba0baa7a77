// SPDX-License-Identifier: Apache-2.0
#include "net/render/team.hpp"

#include "actors/proto/records.pb.h"
#include "storage/model/ids.hpp"

namespace throng {

void render_team(json_writer& w, const WorkspaceData& team, std::string_view url) {
  w.begin_object().member("id", to_text(team_id{team.id()})).member("name", team.name());
  w.member("url", url).member("domain", team.domain()).member("email_domain", "");
  w.key("icon").begin_object().member("image_default", true).end_object();
  w.member("is_verified", false).member("discoverable", "closed").member("locale", "en-US").end_object();
}

void render_bot(json_writer& w, const InstalledApp& app) {
  w.begin_object().member("id", to_text(bot_id{app.bot()})).member("deleted", false).member("name", app.name());
  w.member("updated", app.updated());
  if (app.app()) w.member("app_id", to_text(app_id{app.app()}));
  if (app.bot_user()) w.member("user_id", to_text(user_id{app.bot_user()}));
  w.key("icons").begin_object().end_object().end_object();
}

void render_emoji(json_writer& w, const WorkspaceData& team) {
  w.begin_object();
  for (const auto& [name, url] : team.emoji()) w.text_key(name).value(url);
  w.end_object();
}

}  // namespace throng
