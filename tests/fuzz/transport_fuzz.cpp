// SPDX-License-Identifier: Apache-2.0
// What the transport parses or frames by itself: targets, Accept-Encoding, response heads, and the outbox, which must
// keep every byte in order whatever mixture of pushes, partial writes and discards it sees.
// link: throng_transport
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "net/transport/http_text.hpp"
#include "net/transport/outbox.hpp"

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void fuzz_texts(std::string_view text) {
  const auto [path, query] = throng::split_target(text);
  must(path.size() + query.size() <= text.size() + 1);
  must(path.find('?') == path.npos);
  (void)throng::accepts_gzip(text);
  (void)throng::has_token(text, "upgrade");
  for (const char c : throng::error_json(text, text)) must(c >= 0x20 && c <= 0x7e);
  std::string head;
  throng::append_response_head(head, {.content_type = text, .date = "D"},
                               {{std::string(text), "v"}, {"n", std::string(text)}});
  must(head.find("\r\n\r\n") == head.size() - 4);  // nothing can end the head early
}

// A frame is a letter and its repetitions; the byte stream must stay a sequence of whole frames.
void fuzz_outbox(std::string_view script) {
  throng::outbox box(64);
  std::string out;
  int next = 0;
  std::size_t pinned = 0;
  for (std::size_t i = 0; i + 1 < script.size(); i += 2) {
    const auto op = static_cast<unsigned char>(script[i]) % 8;
    const auto n = static_cast<unsigned char>(script[i + 1]);
    const auto frame = std::make_shared<const std::string>(
        std::string(1, '<') + std::string(n % 20, static_cast<char>('a' + next++ % 26)) + ">");
    std::array<iovec, 64> pieces{};
    switch (op) {
      case 0:
      case 1:
      case 2:
        (void)box.push(frame, static_cast<throng::delivery>(op));
        break;
      case 3:
        if (box.frame_count() < 60) (void)box.push_own(frame, n % 2 == 0);
        break;
      case 4:
        (void)box.drop(n % 2 == 0 ? throng::delivery::typing : throng::delivery::presence);
        break;
      case 5:
        (void)box.discard();
        break;
      case 6:
        pinned = std::min<std::size_t>(n % 16, box.bytes());
        box.pin(pinned);
        break;
      default: {
        const auto count = box.gather(pieces.data(), pieces.size());
        std::size_t left = std::max<std::size_t>(std::min<std::size_t>(n % 32, box.bytes()), pinned);
        pinned = 0;
        const std::size_t taken = left;
        for (std::size_t p = 0; p < count && left > 0; ++p) {
          const auto part = std::min(left, pieces[p].iov_len);
          out.append(static_cast<const char*>(pieces[p].iov_base), part);
          left -= part;
        }
        must(left == 0);
        box.consume(taken);
      }
    }
    must(box.empty() == (box.bytes() == 0));
  }
  bool is_inside = false;
  char letter = 0;
  for (const char c : out) {
    if (c == '<') {
      must(!is_inside);
      is_inside = true;
      letter = 0;
    } else if (c == '>') {
      must(is_inside);
      is_inside = false;
    } else {
      must(is_inside && (letter == 0 || letter == c));
      letter = c;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  fuzz_texts(input);
  fuzz_outbox(input);
  return 0;
}
