// SPDX-License-Identifier: Apache-2.0
// The ids of Throng's entities and rows. An id is a 64-bit number with a type; outside the program it is text with a
// letter in front, as in Slack's protocol: T team, U user, C channel, G multi-person message, D direct message,
// B bot, A app. The digits after the letter are upper-case base 36 without padding.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

template <class Tag>
struct strong_id {
  std::uint64_t value = 0;  // 0 means "none"; no generator makes it.
  constexpr explicit operator bool() const noexcept { return value != 0; }
  friend constexpr auto operator<=>(strong_id, strong_id) = default;
};

using team_id = strong_id<struct team_tag>;
using user_id = strong_id<struct user_tag>;
using channel_id = strong_id<struct channel_tag>;
using bot_id = strong_id<struct bot_tag>;
using app_id = strong_id<struct app_tag>;
using session_id = strong_id<struct session_tag>;
using bucket_id = strong_id<struct bucket_tag>;  // presence bucket; see presence_bucket_of()

/// What a channel is, held in the lowest two bits of its id, so that its text form needs no look-up.
/// Private channels are `channel` too: privacy can be changed, an id can't.
enum class channel_kind : std::uint8_t { channel = 0, mpim = 1, im = 2 };

constexpr channel_kind kind_of(channel_id id) noexcept { return static_cast<channel_kind>(id.value & 3); }
constexpr channel_id make_channel_id(std::uint64_t bits, channel_kind kind) noexcept {
  return {(bits & ~std::uint64_t{3}) | static_cast<std::uint64_t>(kind)};
}

std::string to_text(team_id id);
std::string to_text(user_id id);
std::string to_text(channel_id id);
std::string to_text(bot_id id);
std::string to_text(app_id id);
std::string to_text(session_id id);  // "S…"

/// Parses the text form; the letter must fit the type (a user may be U or W, a channel C, G or D as its kind says).
/// Never throws; nullopt for anything else, also for lower case, padding zeros and numbers beyond 64 bits.
template <class Id>
std::optional<Id> parse_id(std::string_view text);
template <> std::optional<team_id> parse_id(std::string_view text);
template <> std::optional<user_id> parse_id(std::string_view text);
template <> std::optional<channel_id> parse_id(std::string_view text);
template <> std::optional<bot_id> parse_id(std::string_view text);
template <> std::optional<app_id> parse_id(std::string_view text);
template <> std::optional<session_id> parse_id(std::string_view text);

/// Every workspace's built-in helper: its text is USLACKBOT, which clients know by name. It has no USER entity.
inline constexpr user_id slackbot{2240534789165ULL};  // base 36 "SLACKBOT"; checked by a test

/// The direct-message channel of two people of one workspace; the same for both orders, and for a person with
/// herself. Derived (XXH64 of the three ids), so opening it twice can't make two.
channel_id im_channel(team_id team, user_id a, user_id b);
/// The same for a group of `users`, which must be sorted and without repeats.
channel_id mpim_channel(team_id team, const user_id* users, std::size_t count);

}  // namespace throng

template <class Tag>
struct std::hash<throng::strong_id<Tag>> {
  std::size_t operator()(throng::strong_id<Tag> id) const noexcept {
    return static_cast<std::size_t>(id.value * 0x9E3779B97F4A7C15ULL);
  }
};
