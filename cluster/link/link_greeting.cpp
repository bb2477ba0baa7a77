// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_greeting.hpp"

#include <algorithm>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::string_view magic = "throngL1";
constexpr std::size_t cluster_bytes_max = 255;

template <class T>
void append(std::string& out, T value) {  // little-endian
  for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

template <class T>
bool take(std::string_view& from, T& value) {
  if (from.size() < sizeof value) return false;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) all |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  value = static_cast<T>(all);
  from.remove_prefix(sizeof value);
  return true;
}

std::string with_head(const std::string& body) {
  THRONG_ASSERT(body.size() <= greeting_body_bytes_max);
  std::string all(magic);
  append(all, static_cast<std::uint16_t>(body.size()));
  return all + body;
}

}  // namespace

std::string encode(const link_greeting& greeting) {
  std::string body;
  append(body, greeting.version);
  append(body, greeting.from.value);
  append(body, greeting.incarnation);
  append(body, greeting.to.value);
  const auto cluster = std::string_view(greeting.cluster).substr(0, cluster_bytes_max);
  append(body, static_cast<std::uint8_t>(cluster.size()));
  return with_head(body.append(cluster));
}

std::string encode_reply(std::string_view why_not) {
  return with_head(std::string(why_not.substr(0, greeting_body_bytes_max)));
}

std::optional<std::size_t> greeting_body_bytes(std::string_view head) {
  std::uint16_t size = 0;
  if (head.size() != greeting_head_bytes || !head.starts_with(magic)) return std::nullopt;
  head.remove_prefix(magic.size());
  if (!take(head, size) || size > greeting_body_bytes_max) return std::nullopt;
  return size;
}

std::optional<link_greeting> decode_greeting(std::string_view body) {
  link_greeting all;
  if (!take(body, all.version)) return std::nullopt;
  if (all.version != link_protocol_version) return all;
  std::uint8_t size = 0;
  if (!take(body, all.from.value) || !take(body, all.incarnation) || !take(body, all.to.value) || !take(body, size) ||
      body.size() != size)
    return std::nullopt;
  all.cluster = body;
  return all;
}

}  // namespace throng
