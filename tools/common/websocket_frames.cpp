// SPDX-License-Identifier: Apache-2.0
#include "tools/common/websocket_frames.hpp"

namespace throng {

namespace {

void append_head(std::string& out, ws_opcode opcode, std::size_t size, unsigned masked) {
  out.push_back(static_cast<char>(0x80 | static_cast<unsigned>(opcode)));
  if (size < 126) {
    out.push_back(static_cast<char>(masked | size));
    return;
  }
  const int octets = size < 65536 ? 2 : 8;
  out.push_back(static_cast<char>(masked | (octets == 2 ? 126u : 127u)));
  for (int i = octets - 1; i >= 0; --i) out.push_back(static_cast<char>(size >> (8 * i) & 0xff));
}

}  // namespace

void append_client_frame(std::string& out, ws_opcode opcode, std::string_view payload, std::uint32_t mask) {
  append_head(out, opcode, payload.size(), 0x80);
  char key[4];
  std::memcpy(key, &mask, 4);
  out.append(key, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) out.push_back(static_cast<char>(payload[i] ^ key[i % 4]));
}

void append_server_frame(std::string& out, ws_opcode opcode, std::string_view payload) {
  append_head(out, opcode, payload.size(), 0);
  out += payload;
}

}  // namespace throng
