// SPDX-License-Identifier: Apache-2.0
#include "actors/workspace/name_rules.hpp"

#include <algorithm>
#include <array>
#include <cwctype>
#include <locale.h>

#include "actors/utf8.hpp"

namespace throng {

namespace {

bool is_ascii_letter(char32_t c) { return c >= U'a' && c <= U'z'; }
bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

/// The C library's character classes, independent of the process's locale. Null where it isn't installed: then names
/// are ASCII.
locale_t unicode_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

/// Scripts of India and South-East Asia write vowels and tones as marks that aren't letters by themselves; so do
/// decomposed accents.
bool is_mark(char32_t c) {
  bool is_danda = c == 0x964 || c == 0x965;
  return (c >= 0x300 && c <= 0x36F) || (c >= 0x900 && c <= 0xEFF && !is_danda);
}

bool is_lower_letter(char32_t c) {
  if (c < 0x80) return is_ascii_letter(c);
  auto locale = unicode_locale();
  if (!locale) return false;
  auto wide = static_cast<wint_t>(c);
  if (iswupper_l(wide, locale)) return false;
  return iswalnum_l(wide, locale) != 0 || (is_mark(c) && iswprint_l(wide, locale) != 0);
}

result<> check_name(std::string_view name, std::size_t chars_max, std::u32string_view punctuation) {
  if (name.empty()) return errc::invalid_name_required;
  auto points = decode_utf8(name);
  if (!points) return error{errc::invalid_name, "the name isn't UTF-8"};
  if (points->size() > chars_max)
    return error{errc::invalid_name_maxlength, "the name has " + std::to_string(points->size()) +
                                                   " characters; at most " + std::to_string(chars_max) +
                                                   " are allowed"};
  bool has_letter = false;
  for (char32_t c : *points) {
    if (punctuation.find(c) != std::u32string_view::npos) continue;
    if (!is_lower_letter(c) && !is_digit(c))
      return error{errc::invalid_name_specials, "a name has lower-case letters, digits, - and _ only"};
    has_letter = true;
  }
  if (!has_letter) return errc::invalid_name_punctuation;
  return done;
}

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    auto lower = static_cast<char32_t>(c | 0x20);
    return is_ascii_letter(lower) || is_digit(static_cast<char32_t>(c)) || c == '-' || (c & 0x80);
  });
}

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

result<> check_channel_name(std::string_view name) { return check_name(name, channel_name_chars_max, U"-_"); }

result<> check_handle(std::string_view handle) {
  if (auto checked = check_name(handle, handle_chars_max, U"-_."); !checked) return checked;
  if (is_reserved_handle(handle)) return error{errc::reserved_name, std::string(handle) + " is reserved"};
  return done;
}

bool is_reserved_handle(std::string_view handle) {
  constexpr std::array<std::string_view, 6> reserved{"slackbot", "everyone", "channel", "here", "group", "uslackbot"};
  return std::find(reserved.begin(), reserved.end(), handle) != reserved.end();
}

std::string handle_from_email(std::string_view email) {
  return make_handle(email.substr(0, email.find('@')), "member");
}

std::string make_handle(std::string_view text, std::string_view fallback) {
  std::string handle;
  bool has_letter = false;
  for (char c : text) {
    c = to_lower(c);
    bool is_letter = is_ascii_letter(static_cast<char32_t>(c)) || is_digit(static_cast<char32_t>(c));
    if (is_letter || c == '.' || c == '-' || c == '_') handle.push_back(c);
    has_letter |= is_letter;
    if (handle.size() == handle_chars_max) break;
  }
  if (!has_letter) return std::string(fallback);
  return is_reserved_handle(handle) ? numbered_handle(handle, 1) : handle;
}

std::string numbered_handle(std::string_view handle, unsigned number) {
  auto digits = std::to_string(number);
  // Handles made by people may be longer in bytes than in characters; cutting happens between characters only.
  auto keep = std::min(handle.size(), handle_chars_max - digits.size());
  while (keep > 0 && keep < handle.size() && (handle[keep] & 0xC0) == 0x80) --keep;
  return std::string(handle.substr(0, keep)) + digits;
}

result<> check_email(std::string_view email) {
  auto invalid = [] { return error{errc::invalid_email, "it isn't an e-mail address"}; };
  auto at = email.find('@');
  if (email.size() > 254 || at == std::string_view::npos || at == 0 || at > 64) return invalid();
  for (char c : email.substr(0, at))
    if (static_cast<unsigned char>(c) <= ' ' || c == 127 ||
        std::string_view("<>()[],;:\\\"").find(c) != std::string_view::npos)
      return invalid();
  if (!code_point_count(email)) return invalid();
  auto host = email.substr(at + 1);
  for (;;) {
    auto point = host.find('.');
    if (!is_label(host.substr(0, point))) return invalid();
    if (point == std::string_view::npos) return done;
    host.remove_prefix(point + 1);
  }
}

std::string folded_email(std::string_view email) {
  std::string folded(email);
  std::transform(folded.begin(), folded.end(), folded.begin(), to_lower);
  return folded;
}

result<> check_domain(std::string_view domain) {
  bool is_plain = std::all_of(domain.begin(), domain.end(), [](char c) { return !(c & 0x80) && c == to_lower(c); });
  if (!is_plain || !is_label(domain))
    return error{errc::invalid_team_domain, "a domain has 1 to 63 lower-case letters, digits and inner hyphens"};
  return done;
}

}  // namespace throng
