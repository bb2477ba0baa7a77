// SPDX-License-Identifier: Apache-2.0
// Where an RTM websocket connects: /rtm/<session>.<ticket in hex>. rtm.connect hands it out, the gateway takes it back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/model/ids.hpp"

namespace throng {

struct rtm_address {
  session_id session;
  std::string ticket;  // 16 bytes
  friend bool operator==(const rtm_address&, const rtm_address&) = default;
};

inline constexpr std::string_view rtm_path_prefix = "/rtm/";

/// REQUIRES: a ticket of 16 bytes.
std::string rtm_path(const rtm_address& address);
/// None for anything that rtm_path() doesn't write.
std::optional<rtm_address> parse_rtm_path(std::string_view path);

}  // namespace throng
