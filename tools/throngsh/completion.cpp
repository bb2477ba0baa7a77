// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/completion.hpp"

#include <algorithm>

#include "storage/model/ids.hpp"

namespace throng {

namespace {

bool is_id(std::string_view text) {
  return parse_id<channel_id>(text) || parse_id<user_id>(text) || parse_id<team_id>(text) || parse_id<session_id>(text);
}

/// "--limit" of "ps [KIND] [--limit N]".
void collect_options(std::string_view usage, auto& into) {
  for (auto at = usage.find("--"); at != usage.npos; at = usage.find("--", at + 2)) {
    const auto end = usage.find_first_of(" ]|=", at);
    into.insert(std::string(usage.substr(at, end - at)));
  }
}

}  // namespace

void completion::learn_commands(json_value words) {
  words.find("commands").for_each_element([&](json_value each) {
    if (const auto name = each.find("name").as_string()) commands_.insert(std::string(*name));
    if (const auto usage = each.find("usage").as_string()) collect_options(*usage, options_);
  });
  words.find("options").for_each_element([&](json_value each) {
    if (const auto name = each.as_string()) options_.insert(std::string(*name));
  });
  words.find("kinds").for_each_element([&](json_value each) {
    if (const auto name = each.as_string()) kinds_.insert(std::string(*name));
  });
}

void completion::learn_answer(json_value reply) {
  if (const auto text = reply.as_string()) return learn_text(*text);
  reply.for_each_element([&](json_value each) { learn_answer(each); });
  reply.for_each_member([&](std::string_view, json_value each) { learn_answer(each); });
}

void completion::learn_text(std::string_view text) {
  text = text.substr(0, text.find(' '));  // a tree says "channel:C1 (loading)"
  const auto colon = text.find(':');
  const bool is_key = colon != text.npos && kinds_.contains(text.substr(0, colon)) && colon + 1 < text.size();
  if (text.size() > 100 || (!is_key && !is_id(text))) return;
  if (!seen_.insert(std::string(text)).second) return;
  seen_order_.emplace_back(text);
  if (seen_order_.size() > seen_max) {
    seen_.erase(seen_order_.front());
    seen_order_.pop_front();
  }
}

std::vector<std::string> completion::candidates(std::string_view line) const {
  const auto word = last_word(line);
  const bool is_first = line.find_first_not_of(' ') == line.size() - word.size() || word.size() == line.size();
  std::vector<std::string> found;
  auto take = [&](const auto& from) {
    for (auto each = from.lower_bound(word); each != from.end() && each->starts_with(word); ++each)
      found.push_back(*each);
  };
  if (is_first) {
    take(commands_);
    return found;
  }
  const bool is_help = line.substr(std::min(line.size(), line.find_first_not_of(' '))).starts_with("help ");
  if (is_help) take(commands_);
  if (word.starts_with('-')) take(options_);
  take(kinds_);
  if (!word.empty()) take(seen_);
  std::ranges::sort(found);
  return found;
}

std::string_view last_word(std::string_view line) {
  const auto blank = line.find_last_of(" \t");
  return blank == line.npos ? line : line.substr(blank + 1);
}

std::string common_prefix(const std::vector<std::string>& words) {
  if (words.empty()) return {};
  auto prefix = words.front();
  for (const auto& each : words) {
    const auto [end, _] = std::ranges::mismatch(prefix, each);
    prefix.erase(end, prefix.end());
  }
  return prefix;
}

}  // namespace throng
