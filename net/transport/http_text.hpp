// SPDX-License-Identifier: Apache-2.0
// The small texts of HTTP that the transport reads and writes itself. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "net/transport/http.hpp"

namespace throng {

/// A request target's path and query, also of the absolute form ("http://host/path?query") that proxies send.
/// A fragment, which doesn't belong there, is cut off.
std::pair<std::string_view, std::string_view> split_target(std::string_view target);

/// Whether an Accept-Encoding value allows gzip (RFC 9110 §12.5.3: named with a weight above 0, or by "*").
bool accepts_gzip(std::string_view accept_encoding);

/// Whether `value`, a comma-separated list, has `token` in it, in any case.
bool has_token(std::string_view value, std::string_view token);

struct response_head {
  unsigned status = 200;
  unsigned version = 11;
  bool keep_alive = true;
  std::string_view content_type;
  std::size_t content_bytes = 0;
  bool is_gzip = false;
  bool varies = false;  // gzip would have been possible
  std::string_view date;
};
/// Appends the status line and all headers with the blank line. Names and values of `extra` that could break the
/// framing (CR, LF, NUL) are left out, as are those that are the transport's.
void append_response_head(std::string& out, const response_head& head, const std::vector<http_header>& extra);

/// {"ok":false,"error":CODE,"detail":DETAIL}, as Slack's clients expect it.
std::string error_json(std::string_view code, std::string_view detail = {});

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::int64_t unix_seconds);

}  // namespace throng
