// SPDX-License-Identifier: Apache-2.0
#include "net/api/arguments.hpp"

#include <algorithm>

#include "net/api/form.hpp"
#include "net/api/utf8.hpp"
#include "storage/base64.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

result<> check_field(std::string_view name, std::string_view value, bool is_file, const argument_limits& limits) {
  if (name.size() > limits.name_bytes_max) return error{errc::invalid_arg_name, "an argument's name is too long"};
  if (!is_utf8(name)) return error{errc::invalid_charset, "an argument's name is not UTF-8"};
  if (!is_file && !is_utf8(value))
    return error{errc::invalid_charset, "argument " + std::string(name) + " is not UTF-8"};
  return done;
}

result<> add_fields(arguments& to, result<std::vector<form_field>> fields, const argument_limits& limits) {
  if (!fields) return fields.failure();
  for (auto& each : *fields) {
    if (auto checked = check_field(each.name, each.value, each.is_file, limits); !checked) return checked;
    const auto kind = each.is_file ? argument::kind_t::file : argument::kind_t::text;
    to.set({std::move(each.name), std::move(each.value), kind});
  }
  return done;
}

result<> add_json(arguments& to, std::string_view body, const argument_limits& limits) {
  if (!is_utf8(body)) return error{errc::invalid_charset, "the body is not UTF-8"};
  json_limits bounds;
  bounds.bytes_max = limits.body_bytes_max;
  bounds.depth_max = limits.json_depth_max;
  bounds.values_max = limits.json_values_max;
  auto document = parse_json(body, bounds);
  if (!document) return document.failure();
  const auto root = document->root();
  if (!root.is_object()) return error{errc::json_not_object, "the body's JSON is not an object"};
  if (root.size() > limits.arguments_max)
    return error{errc::invalid_arguments, "more than " + std::to_string(limits.arguments_max) + " arguments"};
  result<> outcome = done;
  root.for_each_member([&](std::string_view name, json_value value) {
    if (!outcome || name.empty()) return;
    if (outcome = check_field(name, {}, false, limits); !outcome) return;
    switch (value.type()) {
      case json_type::null:
        to.erase(name);
        break;
      case json_type::boolean:
        to.set({std::string(name), std::string(value.raw()), argument::kind_t::boolean});
        break;
      case json_type::number:
        to.set({std::string(name), std::string(value.raw()), argument::kind_t::number});
        break;
      case json_type::string:
        to.set({std::string(name), std::string(*value.as_string()), argument::kind_t::text});
        break;
      case json_type::array:
      case json_type::object:
        to.set({std::string(name), compact_json(value.raw()), argument::kind_t::json});
        break;
    }
  });
  return outcome;
}

result<> add_body(arguments& to, const argument_source& source, const argument_limits& limits) {
  const auto type = lower(trim(source.content_type.substr(0, source.content_type.find(';'))));
  if (type.empty()) return error{errc::missing_post_type, "the body has no Content-Type"};
  const auto charset = lower(header_parameter(source.content_type, "charset"));
  if (!charset.empty() && charset != "utf-8" && charset != "utf8" && charset != "us-ascii")
    return error{errc::invalid_charset, "only UTF-8 is understood, not " + charset};
  if (type == "application/x-www-form-urlencoded")
    return add_fields(to, decode_urlencoded(source.body, limits.arguments_max), limits);
  if (type == "multipart/form-data") {
    const auto boundary = header_parameter(source.content_type, "boundary");
    return add_fields(to, decode_multipart(source.body, boundary, limits.arguments_max), limits);
  }
  if (type == "application/json") return add_json(to, source.body, limits);
  return error{errc::invalid_post_type, "a body of type " + type + " is not understood"};
}

}  // namespace

std::string compact_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (!in_string && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    out += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && at + 1 < json.size()) out += json[++at];
  }
  return out;
}

const argument* arguments::find(std::string_view name) const {
  auto found = std::find_if(all_.begin(), all_.end(), [&](const argument& each) { return each.name == name; });
  return found == all_.end() ? nullptr : &*found;
}

std::string_view arguments::text(std::string_view name) const {
  const auto* found = find(name);
  return found ? std::string_view(found->value) : std::string_view{};
}

void arguments::set(argument value) {
  auto found = std::find_if(all_.begin(), all_.end(), [&](const argument& each) { return each.name == value.name; });
  if (found == all_.end())
    all_.push_back(std::move(value));
  else
    *found = std::move(value);
}

void arguments::erase(std::string_view name) {
  std::erase_if(all_, [&](const argument& each) { return each.name == name; });
}

result<arguments> parse_arguments(const argument_source& source, const argument_limits& limits) {
  if (source.body.size() > limits.body_bytes_max)
    return error{errc::request_too_large, "a body of " + std::to_string(source.body.size()) + " bytes; at most " +
                                              std::to_string(limits.body_bytes_max) + " are taken"};
  arguments all;
  if (auto added = add_fields(all, decode_urlencoded(source.query, limits.arguments_max), limits); !added)
    return added.failure();
  if (source.method != "GET" && !source.body.empty())
    if (auto added = add_body(all, source, limits); !added) return added.failure();
  return all;
}

authorization parse_authorization(std::string_view header) {
  authorization out;
  header = trim(header);
  const auto space = header.find(' ');
  if (space == std::string_view::npos) return out;
  const auto scheme = lower(header.substr(0, space));
  const auto rest = trim(header.substr(space));
  if (scheme == "bearer") {
    out.token = rest;
  } else if (scheme == "basic") {
    const auto pair = base64_decode(rest).value_or(std::string{});
    const auto colon = pair.find(':');
    if (colon == std::string::npos || !is_utf8(pair)) return out;
    out.client_id = pair.substr(0, colon);
    out.client_secret = pair.substr(colon + 1);
  }
  return out;
}

}  // namespace throng
