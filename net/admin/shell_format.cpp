// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_format.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace throng {

namespace {

constexpr std::size_t rows_default = 100;

}  // namespace

std::string_view name_of(entity_view::state_t state) {
  switch (state) {
    case entity_view::state_t::loading:
      return "loading";
    case entity_view::state_t::active:
      return "active";
    case entity_view::state_t::quarantined:
      return "quarantined";
    case entity_view::state_t::lent:
      return "lent";
  }
  return "?";
}

std::string time_text(std::chrono::milliseconds time) {
  if (time < std::chrono::seconds(10)) return std::to_string(time.count()) + " ms";
  if (time < std::chrono::minutes(10)) return std::to_string(time.count() / 1000) + " s";
  return std::to_string(time.count() / 60'000) + " min";
}

std::size_t limit_of(const shell_words& words) {
  auto found = words.options.find("limit");
  if (found == words.options.end()) return rows_default;
  const auto limit = static_cast<std::size_t>(std::strtoul(found->second.c_str(), nullptr, 10));
  return std::clamp<std::size_t>(limit, 1, shell_rows_max);
}

std::string utc_text(wall_time at) {
  const auto micros = at.time_since_epoch().count();
  const std::time_t seconds = micros / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03d", static_cast<int>(micros / 1'000 % 1'000));
  return text.data();
}

double process_cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9;
}

std::optional<inspection::filter::order_t> parse_order(std::string_view text) {
  using order_t = inspection::filter::order_t;
  if (text == "mailbox") return order_t::mailbox;
  if (text == "messages") return order_t::messages;
  if (text == "crashes") return order_t::crashes;
  if (text == "age") return order_t::age;
  if (text == "idle") return order_t::idle;
  return std::nullopt;
}

void sort_views(std::vector<entity_view>& views, inspection::filter::order_t by) {
  std::sort(views.begin(), views.end(), [by](const entity_view& a, const entity_view& b) {
    const auto first = rank_of(a, by), second = rank_of(b, by);
    return first != second ? first > second : a.key < b.key;
  });
}

}  // namespace throng
