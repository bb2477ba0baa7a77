// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <cstring>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::uint64_t every_byte(unsigned char byte) { return 0x0101010101010101ULL * byte; }

/// Whether one of 8 bytes is a control character, a quote, a backslash or not ASCII.
bool needs_care(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  constexpr auto tops = every_byte(0x80);
  const auto quote = word ^ every_byte('"');
  const auto backslash = word ^ every_byte('\\');
  const auto found = (word - every_byte(0x20)) | (quote - every_byte(1)) | (backslash - every_byte(1));
  // A borrow can only mark a byte behind one that is marked rightly, so "any" is exact for ASCII.
  return ((found | word) & tops) != 0;
}

/// Bytes of the well-formed UTF-8 sequence at `at` (RFC 3629 §4); 0 if there is none.
std::size_t utf8_size(const unsigned char* at, const unsigned char* end) {
  const auto left = static_cast<std::size_t>(end - at);
  const auto continues = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
    return i < left && at[i] >= low && at[i] <= high;
  };
  const unsigned char lead = at[0];
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned char low = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : 0xBF;  // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned char low = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_escaped_ascii(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char digits[] = "0123456789abcdef";
  const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
  out.append(text, sizeof text);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  const char* at = text.data();
  const char* const end = at + text.size();
  const char* run = at;  // what is copied as it is
  const auto flush = [&] { out.append(run, static_cast<std::size_t>(at - run)); };
  while (at != end) {
    if (end - at >= 8 && !needs_care(at)) {
      at += 8;
      continue;
    }
    const auto c = static_cast<unsigned char>(*at);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++at;
    } else if (c < 0x80) {
      flush();
      append_escaped_ascii(out, c);
      run = ++at;
    } else if (const auto size =
                   utf8_size(reinterpret_cast<const unsigned char*>(at), reinterpret_cast<const unsigned char*>(end))) {
      at += size;
    } else {
      flush();
      out += "\xEF\xBF\xBD";
      run = ++at;
    }
  }
  flush();
  out.push_back('"');
}

json_writer& json_writer::open(char bracket) {
  separate();
  out_.push_back(bracket);
  needs_comma_ = false;
  return *this;
}

json_writer& json_writer::close(char bracket) {
  out_.push_back(bracket);
  needs_comma_ = true;
  return *this;
}

json_writer& json_writer::key(std::string_view name) {
  separate();
  out_.push_back('"');
  out_.append(name);
  out_.append("\":", 2);
  needs_comma_ = false;
  return *this;
}

json_writer& json_writer::text_key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_.push_back(':');
  needs_comma_ = false;
  return *this;
}

json_writer& json_writer::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  needs_comma_ = true;
  return *this;
}

json_writer& json_writer::raw(std::string_view json) {
  separate();
  out_.append(json);
  needs_comma_ = true;
  return *this;
}

namespace {
template <class Number>
std::string_view digits_of(std::array<char, 24>& buffer, Number number) {
  const auto [end, failed] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  (void)failed;  // 24 bytes hold every 64-bit number
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}
}  // namespace

json_writer& json_writer::signed_number(std::int64_t number) {
  std::array<char, 24> buffer;
  return raw(digits_of(buffer, number));
}

json_writer& json_writer::unsigned_number(std::uint64_t number) {
  std::array<char, 24> buffer;
  return raw(digits_of(buffer, number));
}

}  // namespace throng
