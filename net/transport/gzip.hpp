// SPDX-License-Identifier: Apache-2.0
// Compresses HTTP answers. One object per io loop: zlib's state (268 KB) is kept and reset, not made for each answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace throng {

class gzip_compressor {
 public:
  gzip_compressor();
  ~gzip_compressor();
  gzip_compressor(const gzip_compressor&) = delete;
  gzip_compressor& operator=(const gzip_compressor&) = delete;

  /// The gzip form of `plain`; nullopt if zlib is out of memory or the result would not be smaller.
  std::optional<std::string> compress(std::string_view plain);

 private:
  struct state;
  std::unique_ptr<state> state_;  // made on first use
};

}  // namespace throng
