// SPDX-License-Identifier: Apache-2.0
// NAME RULES: what a channel, a person's handle, an e-mail address and a workspace's domain may look like. Pure.
#pragma once

#include <string>
#include <string_view>

#include "storage/model/result.hpp"

namespace throng {

inline constexpr std::size_t channel_name_chars_max = 80;
inline constexpr std::size_t handle_chars_max = 80;

/// Lower-case letters of any script, digits, - and _; at most 80 characters; not punctuation alone.
/// Errors: invalid_name_required, invalid_name_maxlength, invalid_name_specials, invalid_name_punctuation,
/// invalid_name (not UTF-8).
result<> check_channel_name(std::string_view name);

/// As a channel's, and with points. Errors: the same, and reserved_name ("slackbot", "here", …).
result<> check_handle(std::string_view handle);
/// Names that mean something in a message: nobody may be called so.
bool is_reserved_handle(std::string_view handle);
/// A handle that passes check_handle(): the ASCII letters, digits, points, - and _ of `text`, or `fallback` if there is
/// no letter among them.
std::string make_handle(std::string_view text, std::string_view fallback);
/// From the part before the @.
std::string handle_from_email(std::string_view email);
/// "ada" → "ada2", and so on; stays within the length.
std::string numbered_handle(std::string_view handle, unsigned number);

/// One @, something before it, a host name after it, at most 254 bytes. Error: invalid_email.
result<> check_email(std::string_view email);
/// How addresses are compared: ASCII letters in lower case.
std::string folded_email(std::string_view email);

/// Lower-case ASCII letters, digits and inner hyphens, at most 63: a DNS label. Error: invalid_team_domain.
result<> check_domain(std::string_view domain);

}  // namespace throng
