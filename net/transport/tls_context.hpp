// SPDX-License-Identifier: Apache-2.0
// The server's side of TLS: one certificate with its key, shared by all connections of a listener. TLS 1.2 and 1.3,
// X25519, one session ticket, buffers released between records (14 KB a connection instead of 72). Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "storage/model/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace throng {

class tls_context {
 public:
  /// Reads a PEM certificate chain (leaf first) and its PEM private key. On failure the detail names the file and
  /// what is wrong with it: not readable, not PEM, key and certificate don't match, not valid at this time.
  static result<std::shared_ptr<tls_context>> load(const std::string& certificate_file, const std::string& key_file);

  ~tls_context();
  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  /// A new connection in accept state, to be freed with SSL_free. Null if OpenSSL is out of memory.
  ssl_st* new_connection() const;

 private:
  explicit tls_context(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

}  // namespace throng
