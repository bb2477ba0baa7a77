// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_format.hpp"

#include <algorithm>
#include <cstdlib>

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

void sort_views(std::vector<entity_view>& views, std::string_view by) {
  auto larger_first = [&](auto field) {
    std::stable_sort(views.begin(), views.end(),
                     [field](const entity_view& a, const entity_view& b) { return field(a) > field(b); });
  };
  if (by == "messages") return larger_first([](const entity_view& v) { return v.messages; });
  if (by == "crashes") return larger_first([](const entity_view& v) { return v.crashes; });
  if (by == "age") return larger_first([](const entity_view& v) { return v.age.count(); });
  if (by == "idle") return larger_first([](const entity_view& v) { return v.idle.count(); });
  if (by == "mailbox") return larger_first([](const entity_view& v) { return v.mailbox; });
  std::sort(views.begin(), views.end(), [](const entity_view& a, const entity_view& b) { return a.key < b.key; });
}

}  // namespace throng
