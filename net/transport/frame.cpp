// SPDX-License-Identifier: Apache-2.0
#include "net/transport/frame.hpp"

#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr unsigned char fin = 0x80;

shared_frame encode(unsigned char opcode, std::string_view payload) {
  std::string out;
  const std::size_t bytes = payload.size();
  out.reserve(bytes + 10);
  out.push_back(static_cast<char>(fin | opcode));
  const auto append_big_endian = [&out](std::uint64_t value, int octets) {
    for (int i = octets - 1; i >= 0; --i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  };
  if (bytes < 126) {
    out.push_back(static_cast<char>(bytes));
  } else if (bytes <= 0xffff) {
    out.push_back(126);
    append_big_endian(bytes, 2);
  } else {
    out.push_back(127);
    append_big_endian(bytes, 8);
  }
  out.append(payload);
  return std::make_shared<const std::string>(std::move(out));
}

}  // namespace

shared_frame encode_text_frame(std::string_view payload) { return encode(0x1, payload); }
shared_frame encode_binary_frame(std::string_view payload) { return encode(0x2, payload); }

shared_frame encode_ping_frame(std::string_view payload) {
  THRONG_ASSERT(payload.size() <= 125);
  return encode(0x9, payload);
}

shared_frame join_frames(std::span<const shared_frame> frames) {
  if (frames.size() == 1) return frames.front();
  std::size_t bytes = 0;
  for (const auto& frame : frames) bytes += frame->size();
  std::string out;
  out.reserve(bytes);
  for (const auto& frame : frames) out.append(*frame);
  return std::make_shared<const std::string>(std::move(out));
}

}  // namespace throng
