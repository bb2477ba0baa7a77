// SPDX-License-Identifier: Apache-2.0
// What streams publish, as the event objects of Slack's RTM and Events API. Pure, and free of any transport.
//
// Numbered events carry three members more: "stream" (C…, T…, U…), "epoch" and "seq": the position that a client hands
// back to resume.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cluster/envelope.hpp"
#include "net/render/bots.hpp"

namespace throng {

class Event;

/// What the stream's subscribers know and the event doesn't say.
struct event_context {
  team_id team{};                       // the workspace of the stream
  std::optional<bool> is_private{};     // of a channel's stream
  const bot_directory* bots = nullptr;  // null: no bot_profile
};

/// Appends the event's JSON. False, and nothing is appended, for what clients are not told as it is: sign-outs,
/// presence (see render_presence), kinds of a newer version.
bool render_event(std::string& out, const publication& published, const event_context& context);
/// The same for an event out of a Replay.
bool render_event(std::string& out, entity_key stream, epoch_t epoch, seq_t seq, const Event& event,
                  const event_context& context);

/// presence_change; one person in `user`, more in `users`.
void render_presence(std::string& out, std::span<const user_id> users, bool is_active);
/// The client must fetch the stream's history: events up to `seq` can't be told any more.
void render_gap(std::string& out, entity_key stream, epoch_t epoch, seq_t seq);

/// "C…", "T…", "U…": the text of a stream's id.
std::string stream_text(entity_key stream);

}  // namespace throng
