// SPDX-License-Identifier: Apache-2.0
#include "tools/common/command_line.hpp"

#include <algorithm>
#include <charconv>

namespace throng {

namespace {

error wrong(std::string sentence) { return {errc::invalid_arguments, std::move(sentence)}; }

}  // namespace

const std::string& command_line::text(std::string_view name) const {
  static const std::string nothing;
  if (auto found = given_.find(name); found != given_.end()) return found->second;
  if (auto found = fallbacks_.find(name); found != fallbacks_.end()) return found->second;
  return nothing;
}

result<std::uint64_t> command_line::number(std::string_view name, std::uint64_t smallest, std::uint64_t largest) const {
  const auto& written = text(name);
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(written.data(), written.data() + written.size(), value);
  if (failure != std::errc() || end != written.data() + written.size() || value < smallest || value > largest) {
    return wrong(std::string(name) + " takes a whole number from " + std::to_string(smallest) + " to " +
                 std::to_string(largest) + ", not `" + written + "`");
  }
  return value;
}

result<command_line> parse_command_line(std::span<char* const> arguments, std::span<const option_spec> known) {
  command_line line;
  for (const auto& each : known) line.fallbacks_.emplace(each.name, each.fallback);
  bool only_words = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (only_words || argument.size() < 2 || argument[0] != '-') {
      line.words.emplace_back(argument);
      continue;
    }
    if (argument == "--") {
      only_words = true;
      continue;
    }
    const auto equals = argument.starts_with("--") ? argument.find('=') : argument.npos;
    const auto name = argument.substr(0, equals);
    const auto spec = std::ranges::find(known, name, &option_spec::name);
    if (spec == known.end()) return wrong("there is no option " + std::string(name));
    std::string value;
    if (spec->value.empty()) {
      if (equals != argument.npos) return wrong(std::string(name) + " takes no value");
    } else if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return wrong(std::string(name) + " takes a value: " + std::string(spec->value));
    }
    line.given_.insert_or_assign(std::string(name), std::move(value));
  }
  return line;
}

std::string describe(std::span<const option_spec> known) {
  std::size_t widest = 0;
  auto left = [](const option_spec& each) {
    return std::string(each.name) + (each.value.empty() ? "" : " " + std::string(each.value));
  };
  for (const auto& each : known) widest = std::max(widest, left(each).size());
  std::string out;
  for (const auto& each : known) {
    auto line = "  " + left(each);
    line.resize(widest + 4, ' ');
    line += each.help;
    if (!each.fallback.empty()) line += " (default: " + std::string(each.fallback) + ")";
    out += line + "\n";
  }
  return out;
}

}  // namespace throng
