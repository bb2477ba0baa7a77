// SPDX-License-Identifier: Apache-2.0
#include "actors/user/profile_rules.hpp"

#include <algorithm>

#include <google/protobuf/descriptor.h>

#include "actors/utf8.hpp"
#include "actors/workspace/name_rules.hpp"

namespace throng {

namespace {

constexpr std::int64_t day_s = 24 * 60 * 60;

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; });
}

result<> check_line(std::string_view field, std::string_view text, std::size_t chars_max) {
  auto chars = code_point_count(text);
  if (chars && *chars <= chars_max && !has_control(text)) return done;
  return error{errc::profile_set_failed,
               std::string(field) + " must be one line of at most " + std::to_string(chars_max) + " characters"};
}

bool is_date(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00";
  if (text.size() != shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == '-' ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  return true;
}

result<> check_field(std::string_view field, const Profile& wanted, const std::string& text) {
  if (field == "status_text") {
    auto chars = code_point_count(text);
    if (!chars || has_control(text)) return error{errc::profile_set_failed, "status_text must be one line"};
    if (*chars > status_text_chars_max) return errc::profile_status_set_failed_too_long;
    return done;
  }
  if (field == "status_emoji") {
    if (is_emoji_reference(text)) return done;
    return errc::profile_status_set_failed_not_valid_emoji;
  }
  if (field == "status_expiration") {
    if (wanted.status_expiration() >= 0) return done;
    return error{errc::profile_set_failed, "status_expiration must not be negative"};
  }
  if (field == "email") return error{errc::profile_set_failed, "the e-mail address is set by an admin"};
  if (field == "start_date") {
    if (text.empty() || is_date(text)) return done;
    return error{errc::profile_set_failed, "start_date must be YYYY-MM-DD"};
  }
  if (field == "image_url") return check_line(field, text, profile_url_bytes_max);
  bool is_name = field.ends_with("_name");
  if (is_name && is_reserved_handle(folded_email(text))) return error{errc::reserved_name, text + " is reserved"};
  return check_line(field, text, is_name ? profile_name_chars_max : profile_line_chars_max);
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return std::string(text);
}

/// "Ada King Lovelace" is Ada King, Lovelace.
void split_real_name(Profile& profile) {
  auto name = trimmed(profile.real_name());
  auto space = name.rfind(' ');
  profile.set_first_name(space == std::string::npos ? name : trimmed(std::string_view(name).substr(0, space)));
  profile.set_last_name(space == std::string::npos ? "" : name.substr(space + 1));
  profile.set_real_name(std::move(name));
}

}  // namespace

result<bool> apply_profile(Profile& profile, const Profile& wanted,
                           const google::protobuf::RepeatedPtrField<std::string>& fields, std::int64_t now_s) {
  const auto& descriptor = *Profile::descriptor();
  const auto& reflection = *Profile::GetReflection();
  auto next = profile;
  auto names = [&](std::string_view field) { return std::find(fields.begin(), fields.end(), field) != fields.end(); };
  for (const auto& name : fields) {
    const auto* field = descriptor.FindFieldByName(name);
    if (!field) return error{errc::invalid_profile, "a profile has no field " + name};
    bool is_text = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING;
    auto text = is_text ? reflection.GetString(wanted, field) : std::string();
    if (auto checked = check_field(name, wanted, text); !checked) return checked.failure();
    if (is_text)
      reflection.SetString(&next, field, std::move(text));
    else
      reflection.SetInt64(&next, field, reflection.GetInt64(wanted, field));
  }
  if (names("real_name")) {
    split_real_name(next);
  } else if (names("first_name") || names("last_name")) {
    next.set_real_name(trimmed(next.first_name() + " " + next.last_name()));
    if (auto checked = check_line("real_name", next.real_name(), profile_name_chars_max); !checked)
      return checked.failure();
  }
  if (next.real_name().empty() && !profile.real_name().empty())
    return error{errc::profile_set_failed, "the real name must not be empty"};
  bool sets_status = names("status_text") || names("status_emoji");
  if (sets_status && !names("status_expiration")) next.set_status_expiration(0);
  if (!next.status_text().empty() && next.status_emoji().empty()) next.set_status_emoji(":speech_balloon:");
  if (next.status_text().empty() && next.status_emoji().empty()) next.set_status_expiration(0);
  expire_status(next, now_s);

  bool is_changed = next.SerializeAsString() != profile.SerializeAsString();
  profile = std::move(next);
  return is_changed;
}

bool expire_status(Profile& profile, std::int64_t now_s) {
  if (profile.status_expiration() == 0 || profile.status_expiration() > now_s) return false;
  profile.clear_status_text();
  profile.clear_status_emoji();
  profile.clear_status_expiration();
  return true;
}

bool is_emoji_reference(std::string_view text) {
  if (text.empty()) return true;
  if (text.size() > 200 || text.size() < 3 || text.front() != ':' || text.back() != ':') return false;
  text = text.substr(1, text.size() - 2);
  if (auto tone = text.find("::skin-tone-"); tone != std::string_view::npos) {
    auto number = text.substr(tone + std::string_view("::skin-tone-").size());
    if (number.size() != 1 || number[0] < '2' || number[0] > '6') return false;
    text = text.substr(0, tone);
  }
  auto points = decode_utf8(text);
  return points && !points->empty() && std::all_of(points->begin(), points->end(), [](char32_t c) {
           bool is_plain = (c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9');
           return is_plain || c >= 0x80 || std::u32string_view(U"_+-'.").find(c) != std::u32string_view::npos;
         });
}

// -- do not disturb
// ----------------------------------------------------------------------------------------------------

result<> snooze(DoNotDisturb& dnd, std::int64_t minutes, std::int64_t minutes_max, std::int64_t now_s) {
  if (minutes <= 0) return errc::missing_duration;
  if (minutes > minutes_max)
    return error{errc::too_long, "a snooze lasts at most " + std::to_string(minutes_max) + " minutes"};
  dnd.set_snooze_until(now_s + minutes * 60);
  return done;
}

result<> end_snooze(DoNotDisturb& dnd, std::int64_t now_s) {
  if (dnd.snooze_until() <= now_s) return errc::snooze_not_active;
  dnd.clear_snooze_until();
  return done;
}

void end_dnd(DoNotDisturb& dnd, std::int64_t now_s) {
  dnd.clear_snooze_until();
  expire_dnd(dnd, now_s);
  if (!dnd.is_enabled() || dnd.next_start() > now_s || dnd.next_end() <= now_s) return;
  dnd.set_next_start(dnd.next_start() + day_s);
  dnd.set_next_end(dnd.next_end() + day_s);
}

bool expire_dnd(DoNotDisturb& dnd, std::int64_t now_s) {
  bool is_changed = false;
  if (dnd.snooze_until() != 0 && dnd.snooze_until() <= now_s) {
    dnd.clear_snooze_until();
    is_changed = true;
  }
  if (dnd.is_enabled() && dnd.next_end() <= now_s) {
    auto days = (now_s - dnd.next_end()) / day_s + 1;
    dnd.set_next_start(dnd.next_start() + days * day_s);
    dnd.set_next_end(dnd.next_end() + days * day_s);
    is_changed = true;
  }
  return is_changed;
}

std::int64_t next_expiry(const UserData& user) {
  std::int64_t next = 0;
  auto consider = [&](std::int64_t at) {
    if (at != 0 && (next == 0 || at < next)) next = at;
  };
  consider(user.profile().status_expiration());
  consider(user.dnd().snooze_until());
  if (user.dnd().is_enabled()) consider(user.dnd().next_end());
  return next;
}

}  // namespace throng
