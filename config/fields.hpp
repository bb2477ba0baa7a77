// SPDX-License-Identifier: Apache-2.0
// FIELDS: the one table of settings. Loading, environment overrides, printing, the example file and the documentation
// are loops over it, so a new setting is a member of `configuration` and one line in fields.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/configuration.hpp"

namespace throng {

/// A member that is one of a few words.
struct choice_ref {
  std::vector<std::string_view> words;
  std::function<std::size_t()> index;
  std::function<void(std::size_t)> choose;
};

enum class field_unit : std::uint8_t { none, bytes };

/// One setting of one configuration: where its value is, what it may be, and what it does.
struct field {
  std::string_view key;  // "gateway.idle_timeout", "storage.mysql.user"; a section's keys stand together
  std::variant<std::string*, bool*, std::size_t*, configuration::duration*, host_port*, choice_ref> member;
  std::string_view doc;   // sentences: what it is, what more and less of it do; lines are broken where it is printed
  std::uint64_t min = 0;  // of the number, of the milliseconds, of the text's length
  std::uint64_t max = 0;
  field_unit unit = field_unit::none;
  bool secret = false;  // never in a file, never printed
};

/// Every setting, in the order of the example file. The pointers are into `target`.
std::vector<field> fields(configuration& target);

/// Whether `text` was taken; if not, the member is as before.
bool assign(field& setting, std::string_view text);
/// The value as a file would have it, without quotes: "5m", "256KiB", "127.0.0.1:8080".
std::string to_text(const field& setting);
/// What would be taken: "a duration from 1s to 1h (such as 300ms, 10s, 5m)".
std::string expectation(const field& setting);
/// "gateway.idle_timeout" → "THRONG_GATEWAY_IDLE_TIMEOUT".
std::string environment_name(std::string_view key);
/// What stands before the key's lines, for a person; empty for a section that needs no words. By its full name.
std::string_view section_doc(std::string_view section);

/// The setting of that key; null if there is none.
field* find_field(std::vector<field>& all, std::string_view key);
/// " (did you mean KEY?)" for a key that is a typing error away, else empty.
std::string suggestion(const std::vector<field>& all, std::string_view key);

}  // namespace throng
