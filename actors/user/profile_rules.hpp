// SPDX-License-Identifier: Apache-2.0
// PROFILE RULES: what a person may write into her profile, what follows from it, and how a do-not-disturb time runs.
// Pure; times are seconds since 1970.
#pragma once

#include <cstdint>
#include <string>

#include "actors/proto/records.pb.h"
#include "storage/model/result.hpp"

namespace throng {

inline constexpr std::size_t profile_name_chars_max = 80;
inline constexpr std::size_t profile_line_chars_max = 255;
inline constexpr std::size_t profile_url_bytes_max = 2'048;
inline constexpr std::size_t status_text_chars_max = 100;

/// Takes the named fields of `wanted` over into `profile`, all or none of them; true if something changed.
/// First and last name follow the real name and the other way round; a status text without an emoji gets Slack's
/// speech balloon; a status that has expired already is cleared. The e-mail address can't be changed here: the
/// WORKSPACE answers for its being unique.
/// Errors: invalid_profile (no such field), profile_set_failed, reserved_name,
/// profile_status_set_failed_too_long, profile_status_set_failed_not_valid_emoji.
result<bool> apply_profile(Profile& profile, const Profile& wanted,
                           const google::protobuf::RepeatedPtrField<std::string>& fields, std::int64_t now_s);

/// Clears the status if its time is over; true if it was.
bool expire_status(Profile& profile, std::int64_t now_s);

/// "" or ":name:", ":name::skin-tone-2:".
bool is_emoji_reference(std::string_view text);

// -- do not disturb
// ----------------------------------------------------------------------------------------------------

/// Errors: missing_duration, too_long.
result<> snooze(DoNotDisturb& dnd, std::int64_t minutes, std::int64_t minutes_max, std::int64_t now_s);
/// Error: snooze_not_active.
result<> end_snooze(DoNotDisturb& dnd, std::int64_t now_s);
/// Ends the snooze, and the nightly window until the next night.
void end_dnd(DoNotDisturb& dnd, std::int64_t now_s);
/// Forgets a snooze that is over and moves the nightly window on; true if something changed.
bool expire_dnd(DoNotDisturb& dnd, std::int64_t now_s);

/// When expire_status() or expire_dnd() will have something to do; 0 if never.
std::int64_t next_expiry(const UserData& user);

}  // namespace throng
