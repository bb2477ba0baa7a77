// SPDX-License-Identifier: Apache-2.0
// By which URL a client reached us: what goes into the URLs that it is given.
#pragma once

#include <string>

#include "net/transport/http.hpp"

namespace throng {

/// "https://chat.example.com", without a final slash: `public_url` unless that is empty, else what the request's Host
/// header says, if it is a plain host and port.
std::string base_url_of(const http_request& request, const std::string& public_url);
/// The same place for websockets: http becomes ws, https wss.
std::string as_websocket_url(const std::string& base_url);

}  // namespace throng
