// SPDX-License-Identifier: Apache-2.0
#include "cluster/tls_session.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <fstream>
#include <sys/socket.h>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace throng {

namespace {

constexpr std::size_t read_ahead_bytes = 64u << 10;

// -- OpenSSL's own socket BIO raises SIGPIPE when the other end is gone.

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int write_socket(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(socket_of(bio), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}
int read_socket(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(socket_of(bio), into, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}
long control_socket(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

BIO* make_bio(int socket) {
  static BIO_METHOD* const method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket of a link");
    BIO_meth_set_write(made, write_socket);
    BIO_meth_set_read(made, read_socket);
    BIO_meth_set_ctrl(made, control_socket);
    return made;
  }();
  auto* bio = BIO_new(method);
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

/// Empty: OpenSSL has nothing to complain about.
std::string last_reason() {
  const auto code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "";
}

}  // namespace

void tls_session::release::operator()(ssl_st* session) const { SSL_free(session); }

tls_session::step tls_session::outcome(int returned) {
  if (returned > 0) return step::moved;
  switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      return step::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return step::wants_write;
    default:
      trouble_ = last_reason();
      if (const auto found = SSL_get_verify_result(session_.get()); found != X509_V_OK)
        trouble_ += std::string(": ") + X509_verify_cert_error_string(found);
      return step::failed;
  }
}

tls_session::step tls_session::shake_hands() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(session_.get()));
}

tls_session::step tls_session::read(void* into, std::size_t size, std::size_t& moved) {
  ERR_clear_error();
  const auto got = SSL_read(session_.get(), into, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  moved = got > 0 ? static_cast<std::size_t>(got) : 0;
  return outcome(got);
}

tls_session::step tls_session::write(const void* from, std::size_t size, std::size_t& moved) {
  ERR_clear_error();
  const auto sent = SSL_write(session_.get(), from, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  moved = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  return outcome(sent);
}

void tls_session::read_ahead() {
  SSL_set_default_read_buffer_len(session_.get(), read_ahead_bytes);
  SSL_set_read_ahead(session_.get(), 1);
}
bool tls_session::holds_bytes() const { return SSL_has_pending(session_.get()) == 1; }
std::string tls_session::trouble() const { return trouble_; }

result<std::unique_ptr<tls_identity>> tls_identity::load(const tls_files& files) {
  for (const auto* file : {&files.certificate, &files.key, &files.authority})
    if (!std::ifstream(*file).good())  // OpenSSL's own message doesn't name it
      return error{errc::invalid_arguments, "can't read " + (file->empty() ? "a file without a name" : *file)};
  ERR_clear_error();
  std::unique_ptr<tls_identity> made(new tls_identity(SSL_CTX_new(TLS_method())));
  auto* context = made->context_;
  if (context == nullptr) return error{errc::internal_error, "OpenSSL: " + last_reason()};
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  // The same strength for a cluster's own links, a third cheaper than AES-256.
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_num_tickets(context, 0);  // links last; nobody comes back for a ticket
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  auto complain = [](const std::string& file) {
    return error{errc::invalid_arguments, file + " can't be used for TLS between nodes: " + last_reason()};
  };
  if (SSL_CTX_load_verify_locations(context, files.authority.c_str(), nullptr) != 1) return complain(files.authority);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) return complain(files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) return complain(files.key);
  if (SSL_CTX_check_private_key(context) != 1) return complain(files.key);
  if (X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0)
    return error{errc::invalid_arguments, files.certificate + " has expired"};
  return made;
}

tls_identity::~tls_identity() { SSL_CTX_free(context_); }

tls_session tls_identity::begin(int socket, bool as_dialer) const {
  tls_session made(SSL_new(context_));
  auto* bio = made ? make_bio(socket) : nullptr;
  if (bio == nullptr) return {};
  SSL_set_bio(made.session_.get(), bio, bio);
  as_dialer ? SSL_set_connect_state(made.session_.get()) : SSL_set_accept_state(made.session_.get());
  return made;
}

}  // namespace throng
