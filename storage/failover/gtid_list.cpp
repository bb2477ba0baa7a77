// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/gtid_list.hpp"

#include <algorithm>
#include <charconv>

namespace throng::failover {

namespace {

/// Takes a number and the character behind it (0: the end) off the front.
template <class Number>
bool take(std::string_view& text, Number& number, char behind) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (behind == 0) return text.empty();
  if (text.empty() || text.front() != behind) return false;
  text.remove_prefix(1);
  return true;
}

bool is_same_line(const gtid& a, const gtid& b) { return a.domain == b.domain && a.server == b.server; }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace

std::string to_text(const gtid& one) {
  return std::to_string(one.domain) + "-" + std::to_string(one.server) + "-" + std::to_string(one.number);
}

std::string to_text(const gtid_list& list) {
  std::string out;
  for (const auto& one : list.all()) out += (out.empty() ? "" : ",") + to_text(one);
  return out;
}

std::optional<gtid_list> gtid_list::parse(std::string_view text) {
  gtid_list list;
  text = trimmed(text);
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto item = trimmed(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (comma != std::string_view::npos && trimmed(text).empty()) return std::nullopt;
    gtid one;
    if (!take(item, one.domain, '-') || !take(item, one.server, '-') || !take(item, one.number, 0)) return std::nullopt;
    list.all_.push_back(one);
  }
  std::ranges::sort(list.all_);
  if (std::ranges::adjacent_find(list.all_, is_same_line) != list.all_.end()) return std::nullopt;
  return list;
}

std::uint64_t gtid_list::last_of(std::uint32_t domain) const {
  std::uint64_t last = 0;
  for (const auto& one : all_)
    if (one.domain == domain) last = std::max(last, one.number);
  return last;
}

std::uint64_t gtid_list::last_of(std::uint32_t domain, std::uint32_t server) const {
  for (const auto& one : all_)
    if (one.domain == domain && one.server == server) return one.number;
  return 0;
}

bool gtid_list::covers(const gtid_list& other) const {
  return std::ranges::all_of(other.all_, [&](const gtid& one) { return last_of(one.domain) >= one.number; });
}

std::uint64_t gtid_list::behind(const gtid_list& other) const {
  std::uint64_t missing = 0;
  for (std::size_t i = 0; i < other.all_.size(); ++i) {
    const auto domain = other.all_[i].domain;
    if (i > 0 && other.all_[i - 1].domain == domain) continue;  // a state: each domain once
    const auto theirs = other.last_of(domain), ours = last_of(domain);
    if (theirs > ours) missing += theirs - ours;
  }
  return missing;
}

gtid_list later_of(const gtid_list& a, const gtid_list& b) {
  gtid_list later;
  for (const auto* list : {&a, &b})
    for (const auto& one : list->all_) {
      const auto known = std::ranges::find(later.all_, one.domain, &gtid::domain);
      if (known == later.all_.end())
        later.all_.push_back(one);
      else if (one.number > known->number)
        *known = one;
    }
  std::ranges::sort(later.all_);
  return later;
}

std::vector<gtid> errant_transactions(const gtid_history& replica, const gtid_history& primary) {
  // What was replicated came from a primary and is in the position; what a server wrote itself is in its state under
  // its own id, also when the position has moved on since.
  std::vector<gtid> suspects = replica.binlog_pos.all();
  for (const auto& one : replica.binlog_state.all())
    if (one.server == replica.server_id) suspects.push_back(one);
  std::ranges::sort(suspects);
  suspects.erase(std::ranges::unique(suspects).begin(), suspects.end());

  std::erase_if(suspects, [&](const gtid& one) {
    // A primary that was seeded from a backup has older history in its position, not in its state.
    return primary.binlog_state.last_of(one.domain, one.server) >= one.number ||
           primary.slave_pos.last_of(one.domain, one.server) >= one.number ||
           primary.binlog_pos.last_of(one.domain, one.server) >= one.number;
  });
  return suspects;
}

}  // namespace throng::failover
