// SPDX-License-Identifier: Apache-2.0
// A client's side of the websocket protocol, as much as a load generator needs: frames out, frames in. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace throng {

enum class ws_opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// One whole frame of a client: masked, with `mask` as the key.
void append_client_frame(std::string& out, ws_opcode opcode, std::string_view payload, std::uint32_t mask);
/// One whole frame of a server.
void append_server_frame(std::string& out, ws_opcode opcode, std::string_view payload);

/// Takes whole frames of a server out of a stream of bytes, and keeps the rest for the next call. Holds no memory
/// between frames.
class frame_reader {
 public:
  /// Calls each(ws_opcode, std::string_view payload) for each whole frame in what was kept and `bytes`. False if the
  /// bytes are no frames of a server; nothing more can be read then.
  template <class Function>
  bool read(std::string_view bytes, Function each) {
    if (kept_.empty()) return take(bytes, each, [this](std::string_view rest) { kept_ = rest; });
    kept_ += bytes;
    const auto whole = std::move(kept_);
    kept_ = std::string();
    return take(whole, each, [this](std::string_view rest) { kept_ = rest; });
  }

 private:
  template <class Function, class Keep>
  static bool take(std::string_view bytes, Function& each, Keep keep) {
    while (bytes.size() >= 2) {
      const auto first = static_cast<unsigned char>(bytes[0]), second = static_cast<unsigned char>(bytes[1]);
      if ((first & 0x70) != 0 || (second & 0x80) != 0) return false;  // nothing was negotiated; servers don't mask
      std::uint64_t size = second & 0x7f;
      std::size_t head = 2;
      if (size >= 126) {
        const std::size_t more = size == 126 ? 2 : 8;
        head += more;
        if (bytes.size() < head) break;
        size = 0;
        for (std::size_t i = 0; i < more; ++i) size = size << 8 | static_cast<unsigned char>(bytes[2 + i]);
        if (size > (1u << 30)) return false;
      }
      if (bytes.size() - head < size || bytes.size() < head) break;
      each(static_cast<ws_opcode>(first & 0x0f), bytes.substr(head, size));
      bytes.remove_prefix(head + size);
    }
    if (!bytes.empty()) keep(bytes);
    return true;
  }

  std::string kept_;
};

}  // namespace throng
