// SPDX-License-Identifier: Apache-2.0
// Every expected error has a code. Its text is what Slack's clients know it by, and it is stable; the numbers travel
// between nodes, so new codes go to the end of their block and none is reused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace throng {

// X(name, number)
#define THRONG_ERROR_CODES(X)                                                                                   \
  /* 1–99: the system itself */                                                                                 \
  X(internal_error, 1) X(fatal_error, 2) X(service_unavailable, 3) X(request_timeout, 4) X(unavailable, 5)        \
  X(overloaded, 6) X(stale_epoch, 7) X(conflict, 8) X(not_found, 9) X(too_old, 10) X(unknown_message, 11)         \
  X(quarantined, 12) X(storage_full, 13) X(wrong_owner, 14) X(stopping, 15) X(deadline_exceeded, 16)              \
  /* 100–199: the request */                                                                                    \
  X(invalid_arguments, 100) X(missing_argument, 101) X(invalid_arg_name, 102) X(invalid_array_arg, 103)           \
  X(invalid_charset, 104) X(invalid_form_data, 105) X(invalid_post_type, 106) X(missing_post_type, 107)           \
  X(invalid_json, 108) X(json_not_object, 109) X(unknown_method, 110) X(method_deprecated, 111)                   \
  X(ratelimited, 112) X(request_too_large, 113) X(invalid_cursor, 114) X(invalid_limit, 115)                      \
  X(invalid_types, 116) X(invalid_team_id, 117) X(invalid_ts_latest, 118) X(invalid_ts_oldest, 119)               \
  X(invalid_timestamp, 120) X(bad_timestamp, 121) X(limit_required, 122) X(invalid_presence, 123)                 \
  /* 200–299: who asks */                                                                                       \
  X(not_authed, 200) X(invalid_auth, 201) X(token_revoked, 202) X(token_expired, 203) X(account_inactive, 204)    \
  X(missing_scope, 205) X(not_allowed_token_type, 206) X(no_permission, 207) X(team_access_not_granted, 208)      \
  X(not_an_admin, 209) X(user_removed_from_team, 210) X(restricted_action, 211) X(not_authorized, 212)            \
  X(not_allowed, 213) X(migration_in_progress, 214) X(team_not_found, 215)                                       \
  /* 300–399: channels */                                                                                       \
  X(channel_not_found, 300) X(not_in_channel, 301) X(is_archived, 302) X(name_taken, 303) X(invalid_name, 304)    \
  X(invalid_name_required, 305) X(invalid_name_specials, 306) X(invalid_name_maxlength, 307)                     \
  X(invalid_name_punctuation, 308) X(no_channel, 309) X(already_in_channel, 310) X(cant_invite_self, 311)         \
  X(cant_invite, 312) X(cant_kick_self, 313) X(cant_kick_from_general, 314) X(cant_leave_general, 315)            \
  X(last_member, 316) X(already_archived, 317) X(not_archived, 318) X(cant_archive_general, 319)                  \
  X(too_long, 320) X(not_enough_users, 321) X(too_many_users, 322) X(users_list_not_supplied, 323)                \
  X(ura_max_channels, 324) X(fetch_members_failed, 325) X(method_not_supported_for_channel_type, 326)            \
  X(user_not_in_channel, 327) X(channel_exists, 328) X(invalid_channel, 329)                                     \
  /* 400–499: messages, reactions, pins */                                                                      \
  X(no_text, 400) X(msg_too_long, 401) X(msg_blocks_too_long, 402) X(too_many_attachments, 403)                   \
  X(invalid_blocks, 404) X(invalid_blocks_format, 405) X(invalid_attachments, 406) X(thread_not_found, 407)       \
  X(cannot_reply_to_message, 408) X(message_not_found, 409) X(cant_update_message, 410)                           \
  X(cant_delete_message, 411) X(edit_window_closed, 412) X(metadata_too_large, 413) X(already_reacted, 414)       \
  X(no_reaction, 415) X(too_many_emoji, 416) X(too_many_reactions, 417) X(no_item_specified, 418)                 \
  X(not_reactable, 419) X(already_pinned, 420) X(no_pin, 421) X(not_pinnable, 422) X(invalid_metadata, 423)       \
  X(rate_limited, 424)                                                                                          \
  /* 500–599: people, bots, teams */                                                                            \
  X(user_not_found, 500) X(users_not_found, 501) X(no_user, 502) X(user_not_visible, 503) X(bot_not_found, 504)   \
  X(profile_set_failed, 505) X(invalid_profile, 506) X(reserved_name, 507) X(cannot_update_admin_user, 508)       \
  X(profile_status_set_failed_not_valid_emoji, 509) X(profile_status_set_failed_too_long, 510)                   \
  X(missing_duration, 511) X(snooze_failed, 512) X(snooze_not_active, 513) X(snooze_end_failed, 514)              \
  X(domain_taken, 515) X(invalid_team_domain, 516) X(already_in_team, 517) X(invalid_email, 518)                  \
  X(invalid_manifest, 519) X(invalid_app_id, 520) X(team_name_required, 521) X(invalid_scope, 522)               \
  X(invalid_token_type, 523) X(email_taken, 524)

enum class errc : std::uint16_t {
#define THRONG_DECLARE_CODE(name, number) name = number,
  THRONG_ERROR_CODES(THRONG_DECLARE_CODE)
#undef THRONG_DECLARE_CODE
};

/// The stable code, for instance "channel_not_found".
std::string_view to_string(errc code);
/// Empty for a number that this version doesn't know.
std::optional<errc> errc_of(std::uint16_t number);

}  // namespace throng
