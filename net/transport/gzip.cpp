// SPDX-License-Identifier: Apache-2.0
#include "net/transport/gzip.hpp"

#include <zlib.h>

namespace throng {

struct gzip_compressor::state {
  z_stream stream{};
  bool is_ready = false;
  ~state() {
    if (is_ready) deflateEnd(&stream);
  }
};

gzip_compressor::gzip_compressor() = default;
gzip_compressor::~gzip_compressor() = default;

std::optional<std::string> gzip_compressor::compress(std::string_view plain) {
  if (!state_) {
    state_ = std::make_unique<state>();
    // 16 + 15: a gzip header and the largest window. The fastest level: an io thread does this between two reads.
    state_->is_ready = deflateInit2(&state_->stream, Z_BEST_SPEED, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  if (!state_->is_ready || deflateReset(&state_->stream) != Z_OK) return std::nullopt;
  z_stream& z = state_->stream;
  std::string out(plain.size(), '\0');  // no room for anything that doesn't get smaller
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) return std::nullopt;
  out.resize(out.size() - z.avail_out);
  return out;
}

}  // namespace throng
