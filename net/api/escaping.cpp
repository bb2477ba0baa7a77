// SPDX-License-Identifier: Apache-2.0
#include "net/api/escaping.hpp"

#include <algorithm>

namespace throng {

namespace {

bool is_entity(std::string_view text) {
  return text.starts_with("&amp;") || text.starts_with("&lt;") || text.starts_with("&gt;");
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "https:", "mailto:", …: a scheme with a colon and something behind it.
bool is_link(std::string_view inner) {
  const auto colon = inner.find(':');
  if (colon == std::string_view::npos || colon + 1 == inner.size() || !is_letter(inner.front())) return false;
  return std::all_of(inner.begin(), inner.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; });
}

/// The length of the control sequence that `text` begins with; 0 if it is a mere "<".
std::size_t control_sequence(std::string_view text) {
  const auto end = text.find_first_of(">\n<", 1);
  if (end == std::string_view::npos || text[end] != '>') return 0;
  const auto inner = text.substr(1, end - 1);
  if (inner.size() < 2) return 0;
  const bool is_reference = inner.front() == '@' || inner.front() == '#' || inner.front() == '!';
  return is_reference || is_link(inner) ? end + 1 : 0;
}

bool is_name_letter(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; }

/// Calls `plain(char)` and `name(std::string)` in order of the text; control sequences go to `plain` as they are.
template <class Plain, class Name>
void scan_names(std::string_view text, Plain plain, Name name) {
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '<') {
      const auto length = std::max<std::size_t>(1, control_sequence(text.substr(at)));
      for (std::size_t i = 0; i < length; ++i) plain(text[at++]);
      continue;
    }
    const bool begins_word = at == 0 || !is_name_letter(text[at - 1]);
    if (text[at] != '@' || !begins_word) {
      plain(text[at++]);
      continue;
    }
    auto end = at + 1;
    while (end < text.size() && is_name_letter(text[end])) ++end;
    while (end > at + 1 && text[end - 1] == '.') --end;  // the end of a sentence
    if (end == at + 1) {
      plain(text[at++]);
      continue;
    }
    std::string found(text.substr(at + 1, end - at - 1));
    for (char& c : found)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    name(text.substr(at, end - at), found);
    at = end;
  }
}

bool is_broadcast(std::string_view name) { return name == "here" || name == "channel" || name == "everyone"; }

}  // namespace

std::string escape_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto rest = text.substr(at);
    if (rest.front() == '&') {
      out += is_entity(rest) ? "&" : "&amp;";
      ++at;
    } else if (rest.front() == '>') {
      out += "&gt;";
      ++at;
    } else if (rest.front() == '<') {
      if (const auto length = control_sequence(rest)) {
        out += rest.substr(0, length);
        at += length;
      } else {
        out += "&lt;";
        ++at;
      }
    } else {
      out += rest.front();
      ++at;
    }
  }
  return out;
}

std::vector<std::string> mentioned_names(std::string_view text, std::size_t count_max) {
  std::vector<std::string> names;
  scan_names(
      text, [](char) {},
      [&](std::string_view, const std::string& name) {
        if (names.size() < count_max && !is_broadcast(name) &&
            std::find(names.begin(), names.end(), name) == names.end())
          names.push_back(name);
      });
  return names;
}

std::string link_names(std::string_view text, std::span<const std::pair<std::string, std::string>> known) {
  std::string out;
  scan_names(
      text, [&](char c) { out += c; },
      [&](std::string_view written, const std::string& name) {
        auto found = std::find_if(known.begin(), known.end(), [&](const auto& each) { return each.first == name; });
        if (is_broadcast(name))
          out += "<!" + name + ">";
        else if (found != known.end())
          out += "<@" + found->second + ">";
        else
          out += written;
      });
  return out;
}

}  // namespace throng
