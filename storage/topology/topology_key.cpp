// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/topology_key.hpp"

#include <algorithm>
#include <string>

namespace throng {

namespace {

constexpr bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.:/").find(c) != std::string_view::npos;
}

/// What wasn't checked yet may be long and hold anything, and goes into a log line.
std::string printable(std::string_view text) {
  std::string shown;
  for (char c : text.substr(0, topology_key_bytes_max)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown;
}

error refused(std::string_view what, std::string_view text, std::string_view why) {
  return {errc::invalid_arguments,
          "the topology " + std::string(what) + " \"" + printable(text) + "\" " + std::string(why)};
}

bool is_dots(std::string_view segment) { return segment == "." || segment == ".."; }

/// The complaint about all but the last segment, which may be incomplete; empty if there is none.
std::string_view complaint_about_start(std::string_view text) {
  if (text.size() > topology_key_bytes_max) return "is longer than 255 bytes";
  if (!std::ranges::all_of(text, is_allowed)) return "has a character that isn't one of a-z A-Z 0-9 - _ . : /";
  while (true) {
    auto slash = text.find('/');
    if (slash == std::string_view::npos) return {};
    if (slash == 0) return "has an empty segment";
    if (is_dots(text.substr(0, slash))) return "has a segment \".\" or \"..\"";
    text.remove_prefix(slash + 1);
  }
}

result<> check_size(std::string_view key, std::string_view value, std::size_t bytes_max) {
  if (value.size() <= bytes_max) return done;
  return error{errc::request_too_large, "the value of the topology key \"" + printable(key) + "\" has " +
                                            std::to_string(value.size()) + " bytes; at most " +
                                            std::to_string(bytes_max) + " are taken"};
}

}  // namespace

result<> check_topology_key(std::string_view key) {
  if (key.empty()) return error{errc::invalid_arguments, "a topology key is empty"};
  if (auto why = complaint_about_start(key); !why.empty()) return refused("key", key, why);
  auto last = key.substr(key.rfind('/') + 1);  // npos + 1 is 0
  if (last.empty()) return refused("key", key, "ends with a slash");
  if (is_dots(last)) return refused("key", key, "has a segment \".\" or \"..\"");
  return done;
}

result<> check_topology_prefix(std::string_view prefix) {
  if (auto why = complaint_about_start(prefix); !why.empty()) return refused("prefix", prefix, why);
  return done;
}

result<> check_topology_value(std::string_view key, std::string_view value) {
  return check_size(key, value, topology_value_bytes_max);
}

result<> check_held_topology_value(std::string_view key, std::string_view value) {
  return check_size(key, value, held_topology_value_bytes_max);
}

}  // namespace throng
