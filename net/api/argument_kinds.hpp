// SPDX-License-Identifier: Apache-2.0
// What an argument must be. A method names its arguments with their kinds; check_arguments() refuses what doesn't fit
// before the handler runs, and typed_arguments then reads the values without another way to fail. Arguments that a
// method doesn't name are ignored, as Slack does. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/api/arguments.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

enum class argument_kind : std::uint8_t {
  text,
  any,      // whatever JSON can say; no file
  boolean,  // true, false, True, False, 1, 0
  integer,  // a whole number; handlers clamp it
  limit,    // a whole number; negative: invalid_limit
  team,
  channel,  // an id
  user,     // an id
  bot,
  app,
  users,        // ids: comma separated, or a JSON array of strings
  channels,     // the same
  ts,           // SECONDS.MICROS
  loose_ts,     // also whole seconds, as `oldest` and `latest` are sent
  json_array,   // an array, or its text
  json_object,  // an object, or its text
};

enum class presence_rule : std::uint8_t {
  optional,
  required,        // and not empty
  required_empty,  // must be there, may be empty
};

struct argument_spec {
  std::string_view name;
  argument_kind kind = argument_kind::text;
  presence_rule rule = presence_rule::optional;
  errc missing = errc::invalid_arguments;
  /// For a value of the right type that isn't one of its kind ("channel=xyz"); internal_error: the kind's own code.
  errc malformed = errc::internal_error;
  std::size_t values_max = 20'000;  // of a json_array or json_object: objects, arrays, keys and scalars together
};

/// The first thing that is wrong. A value of the wrong type is invalid_arguments, and the detail names the argument in
/// Slack's words: "must be a string [json-pointer:/channel]", "missing required field: channel".
result<> check_arguments(const arguments& given, std::span<const argument_spec> specs);

/// Reads values that check_arguments() has passed. What is absent or empty is none: a null id, an empty list, false.
class typed_arguments {
 public:
  explicit typed_arguments(const arguments& given) : given_(given) {}

  bool has(std::string_view name) const { return !text(name).empty(); }
  /// Also when it is there and empty.
  bool is_given(std::string_view name) const { return given_.has(name); }
  std::string_view text(std::string_view name) const { return given_.text(name); }
  std::string string(std::string_view name) const { return std::string(text(name)); }
  bool boolean(std::string_view name, bool otherwise = false) const;
  std::int64_t integer(std::string_view name, std::int64_t otherwise, std::int64_t least, std::int64_t most) const;
  team_id team(std::string_view name) const { return id<team_id>(name); }
  channel_id channel(std::string_view name) const { return id<channel_id>(name); }
  user_id user(std::string_view name) const { return id<user_id>(name); }
  bot_id bot(std::string_view name) const { return id<bot_id>(name); }
  app_id app(std::string_view name) const { return id<app_id>(name); }
  /// In the order given, each once.
  std::vector<user_id> users(std::string_view name) const;
  std::vector<channel_id> channels(std::string_view name) const;
  message_ts ts(std::string_view name) const;
  /// The JSON text of an array or object: as sent in a form, but without line ends between its tokens (some clients
  /// read events line by line); compact out of a JSON body.
  std::string json(std::string_view name) const;

 private:
  template <class Id>
  Id id(std::string_view name) const {
    return parse_id<Id>(text(name)).value_or(Id{});
  }
  const arguments& given_;
};

std::optional<bool> parse_boolean(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
/// "a,b , c" or ["a","b"]; nullopt for JSON that is anything but an array of strings.
std::optional<std::vector<std::string>> parse_list(std::string_view text);

}  // namespace throng
