// SPDX-License-Identifier: Apache-2.0
#include "net/api/token_secret.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::size_t token_letters = 43;  // 43 × log2(62) = 256 bits

void fill_random(void* to, std::size_t bytes) {
  // Without randomness there are no secrets; going on would be worse than stopping.
  THRONG_ASSERT(RAND_bytes(static_cast<unsigned char*>(to), static_cast<int>(bytes)) == 1);
}

std::string random_of(std::string_view alphabet, std::size_t length) {
  // Bytes at or above the largest multiple of the alphabet are thrown away, so that each letter is equally likely.
  const std::size_t fair = 256 - 256 % alphabet.size();
  std::string text;
  while (text.size() < length) {
    unsigned char bytes[64];
    fill_random(bytes, sizeof bytes);
    for (std::size_t i = 0; i < sizeof bytes && text.size() < length; ++i)
      if (bytes[i] < fair) text += alphabet[bytes[i] % alphabet.size()];
  }
  return text;
}

}  // namespace

std::string make_token(token_type type) {
  const std::string_view prefix = type == token_type::user ? "xoxp-" : type == token_type::bot ? "xoxb-" : "xapp-";
  return std::string(prefix) + random_text(token_letters);
}

std::optional<token_type> claimed_type(std::string_view token) {
  if (token.size() < 10 || token.size() > 200) return std::nullopt;
  if (token.starts_with("xoxp-")) return token_type::user;
  if (token.starts_with("xoxb-")) return token_type::bot;
  if (token.starts_with("xapp-")) return token_type::app;
  return std::nullopt;
}

token_hash hash_token(std::string_view token) {
  token_hash hash;
  unsigned int size = 0;
  THRONG_ASSERT(EVP_Digest(token.data(), token.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1 &&
                size == hash.size());
  return hash;
}

std::string random_text(std::size_t length) { return random_of(letters, length); }
std::string random_hex(std::size_t length) { return random_of("0123456789abcdef", length); }

std::uint64_t random_id() {
  std::uint64_t id = 0;
  while (id == 0) fill_random(&id, sizeof id);
  return id;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace throng
