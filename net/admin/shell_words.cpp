// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_words.hpp"

#include <algorithm>
#include <charconv>

namespace throng {

namespace {

constexpr std::size_t line_bytes_max = 4096;
constexpr std::size_t words_max = 64;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

result<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool is_in_word = false;
  char quote = 0;
  for (char c : line) {
    if (quote) {
      if (c == quote)
        quote = 0;
      else
        word.push_back(c);
    } else if (c == '"' || c == '\'') {
      quote = c;
      is_in_word = true;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      if (is_in_word) words.push_back(std::exchange(word, {}));
      is_in_word = false;
    } else {
      word.push_back(c);
      is_in_word = true;
    }
  }
  if (quote) return error{errc::invalid_arguments, "a quote is not closed"};
  if (is_in_word) words.push_back(std::move(word));
  if (words.size() > words_max) return error{errc::invalid_arguments, "more than 64 words"};
  return words;
}

}  // namespace

result<shell_words> parse_shell_words(std::string_view line, const std::vector<std::string_view>& valued) {
  if (line.size() > line_bytes_max) return error{errc::invalid_arguments, "the line is longer than 4096 bytes"};
  auto words = split(line);
  if (!words) return words.failure();
  shell_words parsed;
  for (std::size_t i = 0; i < words->size(); ++i) {
    auto& word = (*words)[i];
    if (!word.starts_with("--")) {
      if (parsed.command.empty())
        parsed.command = word;
      else
        parsed.arguments.push_back(word);
      continue;
    }
    auto name = word.substr(2);
    std::string value;
    if (auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (std::find(valued.begin(), valued.end(), name) != valued.end()) {
      if (++i >= words->size()) return error{errc::invalid_arguments, "--" + name + " wants a value"};
      value = (*words)[i];
    }
    parsed.options[name] = value;
  }
  return parsed;
}

std::optional<entity_kind> parse_entity_kind(std::string_view text) {
  for (auto kind :
       {entity_kind::channel, entity_kind::session, entity_kind::presence, entity_kind::workspace, entity_kind::user})
    if (to_string(kind) == text) return kind;
  return std::nullopt;
}

namespace {

/// The letter in front says what it is.
std::optional<entity_key> key_of_id(std::string_view text) {
  if (auto channel = parse_id<channel_id>(text)) return key_of(*channel);
  if (auto user = parse_id<user_id>(text)) return key_of(*user);
  if (auto team = parse_id<team_id>(text)) return key_of(*team);
  if (auto session = parse_id<session_id>(text)) return key_of(*session);
  return std::nullopt;
}

}  // namespace

std::optional<entity_key> parse_entity_key(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return key_of_id(text);
  const auto kind = parse_entity_kind(text.substr(0, colon));
  if (!kind) return std::nullopt;
  const auto id = text.substr(colon + 1);
  if (*kind == entity_kind::presence) {
    if (auto number = parse_number(id)) return entity_key{*kind, *number};
    return std::nullopt;
  }
  const auto key = key_of_id(id);
  return key && key->kind == *kind ? key : std::nullopt;
}

std::optional<movable> parse_movable(std::string_view text) {
  constexpr std::string_view prefix = "slot:";
  if (text.starts_with(prefix)) {
    const auto number = parse_number(text.substr(prefix.size()));
    if (!number || *number >= slot_count) return std::nullopt;
    return slot_id{static_cast<std::uint16_t>(*number)};
  }
  if (const auto key = parse_entity_key(text)) return *key;
  return std::nullopt;
}

std::string to_text(const movable& what) {
  if (const auto* slot = std::get_if<slot_id>(&what)) return "slot:" + std::to_string(slot->value);
  return to_text(std::get<entity_key>(what));
}

std::optional<std::chrono::milliseconds> parse_shell_duration(std::string_view text) {
  const auto digits = text.find_first_not_of("0123456789");
  const auto number = parse_number(text.substr(0, digits));
  if (!number || *number > 86'400'000) return std::nullopt;
  const auto unit_name = digits == std::string_view::npos ? std::string_view("s") : text.substr(digits);
  const auto count = static_cast<std::int64_t>(*number);
  if (unit_name == "ms") return std::chrono::milliseconds(count);
  if (unit_name == "s") return std::chrono::seconds(count);
  if (unit_name == "m") return std::chrono::minutes(count);
  return std::nullopt;
}

}  // namespace throng
