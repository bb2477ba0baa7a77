// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_answers.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "storage/base64.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

// Answers are bounded in bytes where they are read (consul_client); an entry of a list has some 20 values.
constexpr json_limits answer_limits{
    .bytes_max = std::numeric_limits<std::uint32_t>::max() / 2, .depth_max = 32, .values_max = 2'000'000};

error wrong(std::string_view what, std::string_view why) {
  return {errc::invalid_json, "Consul's " + std::string(what) + " isn't one: " + std::string(why)};
}

template <class Whole>
std::optional<Whole> whole_number(std::string_view text) {
  Whole number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

/// Also beyond what json_value::as_int() takes: flags have 64 bits.
std::optional<std::uint64_t> unsigned_of(json_value value) {
  return value.is_number() ? whole_number<std::uint64_t>(value.raw()) : std::nullopt;
}

/// A missing or null member is the empty text: Go leaves out or nulls what is empty.
std::optional<std::string> text_of(json_value value) {
  if (value.is_missing() || value.is_null()) return std::string();
  auto text = value.as_string();
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  auto begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// Each element of the array `body`, as `parse(json_value)` -> result<Value>.
template <class Value, class Parse>
result<std::vector<Value>> parse_list(std::string_view what, std::string_view body, Parse parse) {
  auto document = parse_json(body, answer_limits);
  if (!document) return wrong(what, document.failure().detail);
  auto root = document->root();
  std::vector<Value> all;
  if (root.is_null()) return all;
  if (!root.is_array()) return wrong(what, "no array");
  std::optional<error> first_error;
  root.for_each_element([&](json_value element) {
    if (first_error) return;
    result<Value> one = parse(element);
    if (one)
      all.push_back(std::move(*one));
    else
      first_error = one.failure();
  });
  if (first_error) return *first_error;
  return all;
}

result<consul_pair> parse_pair(json_value entry) {
  constexpr std::string_view what = "list of keys";
  consul_pair pair;
  auto key = entry.find("Key").as_string();
  auto index = unsigned_of(entry.find("ModifyIndex"));
  if (!key || !index || *index == 0) return wrong(what, "an entry without Key or ModifyIndex");
  pair.key = *key;
  pair.modify_index = *index;
  auto value = text_of(entry.find("Value"));
  auto bytes = value ? base64_decode(*value) : std::nullopt;
  if (!bytes) return wrong(what, "a value that isn't base64");
  pair.value = std::move(*bytes);
  auto session = text_of(entry.find("Session"));
  auto flags = entry.find("Flags");
  auto number = flags ? unsigned_of(flags) : std::optional<std::uint64_t>(0);
  if (!session || !number) return wrong(what, "an entry with a Session or Flags of another type");
  pair.session = std::move(*session);
  pair.flags = *number;
  return pair;
}

result<consul_instance> parse_instance(json_value entry) {
  constexpr std::string_view what = "list of service instances";
  auto service = entry.find("Service");
  consul_instance instance;
  auto id = service.find("ID").as_string();
  auto name = service.find("Service").as_string();
  auto port = unsigned_of(service.find("Port"));
  if (!id || !name || !port || *port > 65535) return wrong(what, "an entry without ID, Service or Port");
  instance.id = *id;
  instance.name = *name;
  instance.port = static_cast<std::uint16_t>(*port);
  auto address = text_of(service.find("Address"));
  if (address && address->empty()) address = text_of(entry.find("Node").find("Address"));
  if (!address) return wrong(what, "an Address of another type");
  instance.address = std::move(*address);
  bool is_sound = true;
  service.find("Tags").for_each_element([&](json_value tag) {
    is_sound &= tag.is_string();
    instance.tags.emplace_back(tag.as_string().value_or(""));
  });
  service.find("Meta").for_each_member([&](std::string_view key, json_value value) {
    is_sound &= value.is_string();
    instance.meta.insert_or_assign(std::string(key), std::string(value.as_string().value_or("")));
  });
  if (!is_sound) return wrong(what, "tags or metadata that aren't text");
  return instance;
}

}  // namespace

result<std::vector<consul_pair>> parse_consul_pairs(std::string_view body) {
  auto pairs = parse_list<consul_pair>("list of keys", body, parse_pair);
  if (pairs) std::ranges::sort(*pairs, {}, &consul_pair::key);
  return pairs;
}

result<std::string> parse_consul_session_id(std::string_view body) {
  auto document = parse_json(body, answer_limits);
  if (!document) return wrong("new session", document.failure().detail);
  auto id = document->root().find("ID").as_string();
  auto is_sound = [](char c) { return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  // It becomes part of a path.
  if (!id || id->empty() || id->size() > 64 || !std::ranges::all_of(*id, is_sound))
    return wrong("new session", "no ID");
  return std::string(*id);
}

result<bool> parse_consul_flag(std::string_view body) {
  auto word = trimmed(body);
  if (word == "true") return true;
  if (word == "false") return false;
  return wrong("yes or no", "neither true nor false");
}

result<std::vector<std::size_t>> parse_consul_failed_operations(std::string_view body) {
  constexpr std::string_view what = "refused transaction";
  auto document = parse_json(body, answer_limits);
  if (!document) return wrong(what, document.failure().detail);
  auto errors = document->root().find("Errors");
  if (!errors.is_array() || errors.size() == 0) return wrong(what, "no errors");
  std::vector<std::size_t> failed;
  bool is_sound = true;
  errors.for_each_element([&](json_value one) {
    auto number = unsigned_of(one.find("OpIndex"));
    is_sound &= number.has_value();
    failed.push_back(number.value_or(0));
  });
  if (!is_sound) return wrong(what, "an error without OpIndex");
  return failed;
}

result<std::vector<consul_instance>> parse_consul_instances(std::string_view body) {
  auto instances = parse_list<consul_instance>("list of service instances", body, parse_instance);
  if (instances) std::ranges::stable_sort(*instances, {}, &consul_instance::id);
  return instances;
}

std::uint64_t next_consul_index(std::uint64_t last, std::string_view header) {
  auto index = whole_number<std::uint64_t>(trimmed(header));
  return index && *index >= last ? *index : 0;
}

}  // namespace throng
