// SPDX-License-Identifier: Apache-2.0
#include "net/api/form.hpp"

#include <algorithm>
#include <optional>

namespace throng {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::string> decode_percent(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+') {
      out += ' ';
    } else if (text[at] != '%') {
      out += text[at];
    } else {
      const int high = at + 2 < text.size() ? hex_digit(text[at + 1]) : -1;
      const int low = high >= 0 ? hex_digit(text[at + 2]) : -1;
      if (low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      at += 2;
    }
  }
  return out;
}

error too_many(std::size_t fields_max) {
  return {errc::invalid_arguments, "more than " + std::to_string(fields_max) + " arguments"};
}

/// One line without its end; `rest` continues after it.
std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  auto line = rest.substr(0, end);
  rest = rest.substr(end == std::string_view::npos ? rest.size() : end + 1);  // still a place in the body if empty
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

/// Where the next line begins that is `delimiter` ("--boundary"); npos if there is none.
std::size_t find_delimiter(std::string_view body, std::string_view delimiter, std::size_t from) {
  for (auto at = body.find(delimiter, from); at != std::string_view::npos; at = body.find(delimiter, at + 1)) {
    if (at != 0 && body[at - 1] != '\n') continue;
    auto after = body.substr(at + delimiter.size());
    if (after.starts_with("--")) return at;
    const auto line = trim(after.substr(0, after.find('\n')));
    if (line.empty()) return at;
  }
  return std::string_view::npos;
}

}  // namespace

std::string header_parameter(std::string_view header, std::string_view name) {
  auto at = header.find(';');
  while (at != std::string_view::npos) {
    auto rest = trim(header.substr(at + 1));
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos) return {};
    const auto key = trim(rest.substr(0, equals));
    rest = trim(rest.substr(equals + 1));
    std::string value;
    if (rest.starts_with('"')) {
      std::size_t i = 1;
      while (i < rest.size() && rest[i] != '"') {
        // Browsers send backslashes in file names as they are; only an escaped quote is an escape.
        if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
        value += rest[i++];
      }
      rest = rest.substr(std::min(i, rest.size()));
    } else {
      value = trim(rest.substr(0, rest.find(';')));
    }
    if (same_letters(key, name)) return value;
    const auto next = rest.find(';');
    at = next == std::string_view::npos ? next : static_cast<std::size_t>(rest.data() - header.data()) + next;
  }
  return {};
}

result<std::vector<form_field>> decode_urlencoded(std::string_view text, std::size_t fields_max) {
  std::vector<form_field> fields;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto equals = pair.find('=');
    auto name = decode_percent(pair.substr(0, equals));
    auto value = decode_percent(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    if (!name || !value) return error{errc::invalid_form_data, "a percent sign without two hex digits"};
    if (name->empty()) continue;
    if (fields.size() == fields_max) return too_many(fields_max);
    fields.push_back({std::move(*name), std::move(*value), false});
  }
  return fields;
}

result<std::vector<form_field>> decode_multipart(std::string_view body, std::string_view boundary,
                                                 std::size_t fields_max) {
  if (boundary.empty() || boundary.size() > 200)
    return error{errc::invalid_form_data, "multipart/form-data without a boundary"};
  const std::string delimiter = "--" + std::string(boundary);
  std::vector<form_field> fields;
  auto at = find_delimiter(body, delimiter, 0);
  if (at == std::string_view::npos) return error{errc::invalid_form_data, "no part begins with the boundary"};
  while (at != std::string_view::npos) {
    auto rest = body.substr(at);
    if (rest.substr(delimiter.size()).starts_with("--")) return fields;
    take_line(rest);
    if (trim(rest).empty()) return fields;  // the body ends right behind a boundary

    std::string disposition;
    bool has_headers_end = false;
    while (!rest.empty()) {
      const auto line = take_line(rest);
      if (line.empty()) {
        has_headers_end = true;
        break;
      }
      const auto colon = line.find(':');
      if (colon != std::string_view::npos && same_letters(trim(line.substr(0, colon)), "content-disposition"))
        disposition = line.substr(colon + 1);
    }
    if (!has_headers_end) return error{errc::invalid_form_data, "a part without a blank line behind its headers"};
    auto name = header_parameter(disposition, "name");
    if (name.empty()) return error{errc::invalid_form_data, "a part without a name"};

    const auto start = static_cast<std::size_t>(rest.data() - body.data());
    at = find_delimiter(body, delimiter, start);
    auto value = body.substr(start, at == std::string_view::npos ? at : at - start);
    if (value.ends_with('\n')) value.remove_suffix(1);
    if (value.ends_with('\r')) value.remove_suffix(1);
    if (fields.size() == fields_max) return too_many(fields_max);
    const bool is_file = disposition.find("filename") != std::string::npos;
    fields.push_back({std::move(name), std::string(value), is_file});
  }
  return fields;
}

}  // namespace throng
