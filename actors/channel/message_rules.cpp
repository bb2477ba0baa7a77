// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/message_rules.hpp"

#include <algorithm>
#include <array>

namespace throng {

namespace {

constexpr std::size_t reaction_name_bytes_max = 128;

bool is_empty_json(std::string_view json) { return json.empty() || json == "[]"; }

// Emoji names may be in any script; skin tones are written as "wave::skin-tone-2".
bool is_reaction_name(std::string_view name) {
  if (name.empty() || name.size() > reaction_name_bytes_max) return false;
  return std::ranges::none_of(name, [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '&' || c == '"' || (c >= 'A' && c <= 'Z');
  });
}

bool is_author(const Message& message, const Caller& caller) {
  if (message.data().bot() != 0) return message.data().bot() == caller.bot();
  return caller.bot() == 0 && caller.user() != 0 && message.user() == caller.user();
}

}  // namespace

bool is_longer_than(std::string_view text, std::size_t chars_max) {
  if (text.size() <= chars_max) return false;
  constexpr std::array<std::string_view, 3> escapes{"&amp;", "&lt;", "&gt;"};
  if (text.size() > chars_max * escapes[0].size()) return true;
  std::size_t chars = 0;
  for (std::size_t at = 0; at < text.size(); ++chars) {
    auto rest = text.substr(at);
    auto escape = std::ranges::find_if(escapes, [&](std::string_view each) { return rest.starts_with(each); });
    at += escape != escapes.end() ? escape->size() : 1;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  }
  return chars > chars_max;
}

result<> check_content(const MessageData& data, const channel_limits& limits) {
  if (data.text().empty() && is_empty_json(data.blocks_json()) && is_empty_json(data.attachments_json()))
    return errc::no_text;
  if (is_longer_than(data.text(), limits.message_chars_max)) return errc::msg_too_long;
  return done;
}

bool is_system_message(const MessageData& data) {
  static constexpr std::array<std::string_view, 7> subtypes{"channel_join",     "channel_leave", "channel_topic",
                                                            "channel_purpose",  "channel_name",  "channel_archive",
                                                            "channel_unarchive"};
  return std::ranges::find(subtypes, data.subtype()) != subtypes.end();
}

result<> may_update(const Message& message, const Caller& caller) {
  if (is_system_message(message.data()) || !is_author(message, caller)) return errc::cant_update_message;
  return done;
}

result<> may_delete(const Message& message, const Caller& caller) {
  if (caller.is_admin()) return done;
  if (is_system_message(message.data()) || !is_author(message, caller)) return errc::cant_delete_message;
  return done;
}

result<> add_reaction(MessageData& data, user_id user, std::string_view name, const channel_limits& limits) {
  if (!is_reaction_name(name)) return errc::invalid_name;
  Reaction* same = nullptr;
  std::size_t all = 0, own = 0;
  for (auto& each : *data.mutable_reactions()) {
    all += static_cast<std::size_t>(each.users_size());
    auto is_mine = std::ranges::find(each.users(), user.value) != each.users().end();
    if (is_mine) ++own;
    if (each.name() != name) continue;
    if (is_mine) return errc::already_reacted;
    same = &each;
  }
  if (own >= limits.reactions_per_user_max || all >= limits.reactions_max) return errc::too_many_reactions;
  if (!same) {
    if (static_cast<std::size_t>(data.reactions_size()) >= limits.reaction_names_max) return errc::too_many_emoji;
    same = data.add_reactions();
    same->set_name(name.data(), name.size());
  }
  same->add_users(user.value);
  return done;
}

result<> remove_reaction(MessageData& data, user_id user, std::string_view name) {
  auto& reactions = *data.mutable_reactions();
  auto found = std::ranges::find_if(reactions, [&](const Reaction& each) { return each.name() == name; });
  if (found == reactions.end()) return errc::no_reaction;
  auto& users = *found->mutable_users();
  auto mine = std::ranges::find(users, user.value);
  if (mine == users.end()) return errc::no_reaction;
  users.erase(mine);
  if (users.empty()) reactions.erase(found);
  return done;
}

void clear_channel_marks(MessageData& data) {
  data.clear_reactions();
  data.clear_is_pinned();
  data.clear_edited_by();
  data.clear_edited_ts();
}

}  // namespace throng
