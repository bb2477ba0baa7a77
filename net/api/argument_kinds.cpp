// SPDX-License-Identifier: Apache-2.0
#include "net/api/argument_kinds.hpp"

#include <algorithm>
#include <charconv>

#include "storage/json/json.hpp"

namespace throng {

namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string at_pointer(std::string_view what, std::string_view name) {
  return std::string(what) + " [json-pointer:/" + std::string(name) + "]";
}

error wrong_type(std::string_view wanted, std::string_view name) {
  return {errc::invalid_arguments, at_pointer("must be " + std::string(wanted), name)};
}

error malformed(const argument_spec& spec, errc otherwise) {
  return {spec.malformed == errc::internal_error ? otherwise : spec.malformed, at_pointer("is not valid", spec.name)};
}

bool is_scalar_text(const argument& given) {
  return given.kind == argument::kind_t::text || given.kind == argument::kind_t::number;
}

template <class Id>
result<> check_id(const argument& given, const argument_spec& spec, errc otherwise) {
  if (!is_scalar_text(given)) return wrong_type("a string", spec.name);
  if (!parse_id<Id>(given.value)) return malformed(spec, otherwise);
  return done;
}

template <class Id>
result<> check_ids(const argument& given, const argument_spec& spec, errc otherwise) {
  const bool may_be = given.kind == argument::kind_t::text || given.kind == argument::kind_t::json;
  const auto list = may_be ? parse_list(given.value) : std::nullopt;
  if (!list) return wrong_type("a list of ids", spec.name);
  for (const auto& each : *list)
    if (!parse_id<Id>(each)) return malformed(spec, otherwise);
  return done;
}

result<> check_ts(const argument& given, const argument_spec& spec, bool loose) {
  if (!is_scalar_text(given)) return wrong_type("a string", spec.name);
  if (!parse_ts(given.value, loose)) return malformed(spec, errc::invalid_timestamp);
  return done;
}

result<> check_json(const argument& given, const argument_spec& spec, bool array) {
  const auto wanted = array ? "an array" : "an object";
  if (given.kind != argument::kind_t::text && given.kind != argument::kind_t::json)
    return wrong_type(wanted, spec.name);
  // Text that isn't JSON at all is the method's own complaint (invalid_blocks, …), JSON of another type is not.
  auto document = parse_json(given.value, {.values_max = spec.values_max});
  if (!document) return malformed(spec, errc::invalid_arguments);
  const auto root = document->root();
  if (array ? !root.is_array() : !root.is_object())
    return given.kind == argument::kind_t::json ? wrong_type(wanted, spec.name)
                                                : malformed(spec, errc::invalid_arguments);
  return done;
}

result<> check_value(const argument& given, const argument_spec& spec) {
  switch (spec.kind) {
    case argument_kind::text:
      if (!is_scalar_text(given)) return wrong_type("a string", spec.name);
      return done;
    case argument_kind::any:
      if (given.kind == argument::kind_t::file) return wrong_type("a value", spec.name);
      return done;
    case argument_kind::boolean: {
      const bool may_be = given.kind != argument::kind_t::file && given.kind != argument::kind_t::json;
      if (!may_be || !parse_boolean(given.value)) return wrong_type("a boolean", spec.name);
      return done;
    }
    case argument_kind::integer:
    case argument_kind::limit: {
      const auto number = is_scalar_text(given) ? parse_integer(given.value) : std::nullopt;
      if (!number) return wrong_type("an integer", spec.name);
      if (spec.kind == argument_kind::limit && *number < 0) return malformed(spec, errc::invalid_limit);
      return done;
    }
    case argument_kind::team:
      return check_id<team_id>(given, spec, errc::team_not_found);
    case argument_kind::channel:
      return check_id<channel_id>(given, spec, errc::channel_not_found);
    case argument_kind::user:
      return check_id<user_id>(given, spec, errc::user_not_found);
    case argument_kind::bot:
      return check_id<bot_id>(given, spec, errc::bot_not_found);
    case argument_kind::app:
      return check_id<app_id>(given, spec, errc::invalid_app_id);
    case argument_kind::users:
      return check_ids<user_id>(given, spec, errc::user_not_found);
    case argument_kind::channels:
      return check_ids<channel_id>(given, spec, errc::channel_not_found);
    case argument_kind::ts:
      return check_ts(given, spec, false);
    case argument_kind::loose_ts:
      return check_ts(given, spec, true);
    case argument_kind::json_array:
      return check_json(given, spec, true);
    case argument_kind::json_object:
      return check_json(given, spec, false);
  }
  return done;
}

template <class Id>
std::vector<Id> ids_of(std::string_view text) {
  std::vector<Id> ids;
  if (text.empty()) return ids;
  for (const auto& each : parse_list(text).value_or(std::vector<std::string>{}))
    if (auto id = parse_id<Id>(each); id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  return ids;
}

}  // namespace

result<> check_arguments(const arguments& given, std::span<const argument_spec> specs) {
  for (const auto& spec : specs) {
    const auto* found = given.find(spec.name);
    const bool is_missing = !found || (found->value.empty() && spec.rule != presence_rule::required_empty);
    if (is_missing && spec.rule != presence_rule::optional)
      return error{spec.missing, "missing required field: " + std::string(spec.name)};
    if (!found) continue;
    // An empty field of a form is how old clients leave an argument out.
    if (found->value.empty() && found->kind == argument::kind_t::text) continue;
    if (auto checked = check_value(*found, spec); !checked) return checked;
  }
  return done;
}

std::optional<bool> parse_boolean(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE" || text == "1") return true;
  if (text == "false" || text == "False" || text == "FALSE" || text == "0") return false;
  return std::nullopt;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  auto [stopped, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc::result_out_of_range && stopped == end)
    return text.starts_with('-') ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  if (failure != std::errc{} || stopped != end) return std::nullopt;
  return number;
}

std::optional<std::vector<std::string>> parse_list(std::string_view text) {
  std::vector<std::string> list;
  text = trim(text);
  if (text.starts_with('[') || text.starts_with('{')) {
    auto document = parse_json(text);
    if (!document || !document->root().is_array()) return std::nullopt;
    bool are_strings = true;
    document->root().for_each_element([&](json_value each) {
      if (auto element = each.as_string())
        list.emplace_back(*element);
      else
        are_strings = false;
    });
    if (!are_strings) return std::nullopt;
    return list;
  }
  while (!text.empty()) {
    const auto comma = text.find(',');
    if (auto element = trim(text.substr(0, comma)); !element.empty()) list.emplace_back(element);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return list;
}

bool typed_arguments::boolean(std::string_view name, bool otherwise) const {
  return parse_boolean(text(name)).value_or(otherwise);
}

std::int64_t typed_arguments::integer(std::string_view name, std::int64_t otherwise, std::int64_t least,
                                      std::int64_t most) const {
  return std::clamp(parse_integer(text(name)).value_or(otherwise), least, most);
}

std::vector<user_id> typed_arguments::users(std::string_view name) const { return ids_of<user_id>(text(name)); }
std::vector<channel_id> typed_arguments::channels(std::string_view name) const {
  return ids_of<channel_id>(text(name));
}

message_ts typed_arguments::ts(std::string_view name) const {
  return parse_ts(text(name), true).value_or(message_ts{});
}

std::string typed_arguments::json(std::string_view name) const {
  const auto value = text(name);
  return value.find_first_of("\r\n") == std::string_view::npos ? std::string(value) : compact_json(value);
}

}  // namespace throng
