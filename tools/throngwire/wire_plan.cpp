// SPDX-License-Identifier: Apache-2.0
#include "tools/throngwire/wire_plan.hpp"

#include <algorithm>
#include <sstream>

namespace throng {

namespace {

std::pair<std::string, std::string> pair_of(std::string_view a, std::string_view b) {
  return {std::string(std::min(a, b)), std::string(std::max(a, b))};
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

}  // namespace

wire_state wire_plan::between(std::string_view a, std::string_view b) const {
  const auto found = cuts_.find(pair_of(a, b));
  return found == cuts_.end() ? wire_state::passes : found->second;
}

bool wire_plan::is_cut(std::string_view name) const {
  return std::ranges::any_of(cuts_,
                             [&](const auto& each) { return each.first.first == name || each.first.second == name; });
}

std::string wire_plan::owner_of(std::string_view host) const {
  const auto found =
      std::ranges::find_if(wires, [&](const auto& each) { return each.from == "*" && each.target.host == host; });
  return found == wires.end() ? "*" : found->to;
}

result<wire_plan> parse_wire_plan(std::string_view text) {
  wire_plan plan;
  std::istringstream in{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    auto refuse = [&] {
      return error{errc::invalid_arguments,
                   "line " + std::to_string(number) +
                       ": expected `wire FROM TO LISTEN TARGET` or `cut A B hang|reset`, not `" + line + "`"};
    };
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "wire" && words.size() == 5) {
      const auto listen = parse_host_port(words[3]), target = parse_host_port(words[4]);
      if (!listen || !target || listen->port == 0 || target->port == 0) return refuse();
      plan.wires.push_back({words[1], words[2], *listen, *target});
    } else if (words[0] == "cut" && words.size() == 4 && (words[3] == "hang" || words[3] == "reset")) {
      plan.cuts_[pair_of(words[1], words[2])] = words[3] == "hang" ? wire_state::hangs : wire_state::resets;
    } else {
      return refuse();
    }
  }
  return plan;
}

}  // namespace throng
