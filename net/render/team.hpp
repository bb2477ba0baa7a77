// SPDX-License-Identifier: Apache-2.0
// Workspaces and bots as Slack's team and bot objects. Pure.
#pragma once

#include <string_view>

#include "storage/json/json.hpp"

namespace throng {

class InstalledApp;
class WorkspaceData;

/// The object of team.info. `url` is how its people reach it, with the final slash.
void render_team(json_writer& w, const WorkspaceData& team, std::string_view url);
/// The object of bots.info and bot_added.
void render_bot(json_writer& w, const InstalledApp& app);
/// The object of emoji.list.
void render_emoji(json_writer& w, const WorkspaceData& team);

}  // namespace throng
