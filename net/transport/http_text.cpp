// SPDX-License-Identifier: Apache-2.0
#include "net/transport/http_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <strings.h>

namespace throng {

namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t");
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(" \t") - first + 1);
}

// Calls `f` with each trimmed element of a comma-separated list, until it returns true.
template <class F>
bool any_of_list(std::string_view list, F f) {
  for (;;) {
    const auto comma = list.find(',');
    if (f(trimmed(list.substr(0, comma)))) return true;
    if (comma == list.npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// Whether ";q=0", ";q=0.000" and the like stand behind a coding.
bool is_weight_zero(std::string_view parameters) {
  const auto at = parameters.find("q=");
  if (at == parameters.npos) return false;
  const auto weight = trimmed(parameters.substr(at + 2));
  return !weight.empty() && weight.find_first_not_of("0.") == weight.npos;
}

std::string_view reason_of(unsigned status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

bool is_transports(std::string_view name) {
  static constexpr std::array<std::string_view, 5> own{"content-length", "connection", "transfer-encoding",
                                                       "content-type", "date"};
  return std::any_of(own.begin(), own.end(), [name](auto n) { return equal_ignoring_case(n, name); });
}

bool is_clean(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

}  // namespace

std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  target = target.substr(0, target.find('#'));
  if (!target.empty() && target.front() != '/') {
    if (const auto scheme = target.find("://"); scheme != target.npos && scheme < target.find('?')) {
      const auto path = target.find_first_of("/?", scheme + 3);
      target = path == target.npos ? std::string_view("/") : target.substr(path);
      if (target.front() == '?') return {"/", target.substr(1)};
    }
  }
  const auto question = target.find('?');
  if (question == target.npos) return {target, {}};
  return {target.substr(0, question), target.substr(question + 1)};
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool is_named = false;
  bool is_allowed = false;
  any_of_list(accept_encoding, [&](std::string_view element) {
    const auto semicolon = element.find(';');
    const auto coding = trimmed(element.substr(0, semicolon));
    const bool is_zero = semicolon != element.npos && is_weight_zero(element.substr(semicolon + 1));
    if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) {
      is_named = true;
      is_allowed = !is_zero;
      return true;
    }
    if (coding == "*" && !is_named) is_allowed = !is_zero;
    return false;
  });
  return is_allowed;
}

bool has_token(std::string_view value, std::string_view token) {
  return any_of_list(value, [token](std::string_view element) { return equal_ignoring_case(element, token); });
}

void append_response_head(std::string& out, const response_head& head, const std::vector<http_header>& extra) {
  const auto line = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  out.append(head.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ");
  out.append(std::to_string(head.status)).append(" ").append(reason_of(head.status)).append("\r\n");
  line("Date", head.date);
  const bool has_body = head.status != 204 && head.status != 304 && head.status >= 200;
  if (has_body) {
    if (!head.content_type.empty() && is_clean(head.content_type)) line("Content-Type", head.content_type);
    line("Content-Length", std::to_string(head.content_bytes));
  }
  if (head.is_gzip) line("Content-Encoding", "gzip");
  if (head.varies) line("Vary", "Accept-Encoding");
  // Said in both versions: HTTP/1.0 clients close unless told, and some 1.1 clients wait unless told.
  if (!head.keep_alive)
    line("Connection", "close");
  else if (head.version == 10)
    line("Connection", "keep-alive");
  for (const auto& h : extra) {
    if (!h.name.empty() && is_clean(h.name) && is_clean(h.value) && !is_transports(h.name)) line(h.name, h.value);
  }
  out.append("\r\n");
}

std::string error_json(std::string_view code, std::string_view detail) {
  const auto append_quoted = [](std::string& out, std::string_view text) {
    out.push_back('"');
    for (const char c : text) {
      const auto u = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') out.push_back('\\');
      // What came from a client may be anything; a JSON text must be UTF-8.
      out.push_back(u < 0x20 || u > 0x7e ? '?' : c);
    }
    out.push_back('"');
  };
  std::string out = R"({"ok":false,"error":)";
  append_quoted(out, code);
  if (!detail.empty()) {
    out.append(R"(,"detail":)");
    append_quoted(out, detail);
  }
  out.push_back('}');
  return out;
}

std::string http_date(std::int64_t unix_seconds) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm t{};
  gmtime_r(&seconds, &t);
  char text[64];
  const int n = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
                              months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return {text, static_cast<std::size_t>(n)};
}

}  // namespace throng
