// SPDX-License-Identifier: Apache-2.0
#include "net/transport/tls_context.hpp"

#include <cstdio>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace throng {

namespace {

std::string last_reason() {
  const auto code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

error refuse(std::string detail) { return {errc::invalid_arguments, std::move(detail)}; }

// Opened apart from OpenSSL, whose message for a missing file doesn't name it.
std::string unreadable(const std::string& file) {
  if (std::FILE* f = std::fopen(file.c_str(), "rb")) {
    std::fclose(f);
    return {};
  }
  return std::strerror(errno);
}

}  // namespace

result<std::shared_ptr<tls_context>> tls_context::load(const std::string& certificate_file,
                                                       const std::string& key_file) {
  if (const auto why = unreadable(certificate_file); !why.empty())
    return refuse("can't read the certificate " + certificate_file + ": " + why);
  if (const auto why = unreadable(key_file); !why.empty()) return refuse("can't read the key " + key_file + ": " + why);

  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return error{errc::internal_error, "OpenSSL: " + last_reason()};
  std::shared_ptr<tls_context> made(new tls_context(context));

  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_num_tickets(context, 1);                          // a second one costs 6 us and is never used
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets carry the state
  static constexpr unsigned char scope[] = "throng";
  SSL_CTX_set_session_id_context(context, scope, sizeof scope - 1);
  // X25519 first: choosing P-256 costs half as much again. The others stay for clients that have nothing else.
  if (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1)
    return error{errc::internal_error, "OpenSSL: " + last_reason()};

  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
    return refuse("not a PEM certificate: " + certificate_file + ": " + last_reason());
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    const auto why = last_reason();
    return refuse(is_mismatch ? "the key " + key_file + " doesn't belong to the certificate " + certificate_file
                              : "not a PEM private key: " + key_file + ": " + why);
  }
  if (SSL_CTX_check_private_key(context) != 1)
    return refuse("the key " + key_file + " doesn't belong to the certificate " + certificate_file);
  const X509* leaf = SSL_CTX_get0_certificate(context);
  if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0)
    return refuse("the certificate " + certificate_file + " has expired");
  if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
    return refuse("the certificate " + certificate_file + " is not valid yet");
  return made;
}

tls_context::~tls_context() { SSL_CTX_free(context_); }

ssl_st* tls_context::new_connection() const {
  SSL* connection = SSL_new(context_);
  if (connection != nullptr) SSL_set_accept_state(connection);
  return connection;
}

}  // namespace throng
