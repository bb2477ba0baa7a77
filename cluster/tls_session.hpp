// SPDX-License-Identifier: Apache-2.0
// TLS SESSION: TLS 1.3 between two nodes over a non-blocking socket: both show a certificate of the cluster's own CA.
// A session belongs to one thread at a time; an identity to any.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cluster/link/unique_socket.hpp"
#include "storage/model/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace throng {

/// PEM files: this node's chain and key, and the CA that signs the nodes' certificates and nothing else. Whoever has a
/// certificate of it is a node; names in it aren't compared.
struct tls_files {
  std::string certificate, key, authority;
};

/// Doesn't own its socket. Bytes move as far as the socket lets them; `wants_read` and `wants_write` say for what to
/// wait.
class tls_session {
 public:
  enum class step : std::uint8_t { moved, wants_read, wants_write, failed };

  tls_session() = default;
  explicit operator bool() const { return session_ != nullptr; }

  step shake_hands();  // moved: done
  step read(void* into, std::size_t size, std::size_t& moved);
  step write(const void* from, std::size_t size, std::size_t& moved);
  /// From here on it may take more from the socket than it was asked for, so that a record takes one call of the
  /// kernel.
  void read_ahead();
  /// There may be something to read that the socket doesn't show.
  bool holds_bytes() const;
  /// Why a step failed; for people. Empty: none has, or the connection ended.
  std::string trouble() const;

 private:
  friend class tls_identity;
  struct release {
    void operator()(ssl_st* session) const;
  };
  explicit tls_session(ssl_st* session) : session_(session) {}
  step outcome(int returned);
  std::unique_ptr<ssl_st, release> session_;
  std::string trouble_;
};

class tls_identity {
 public:
  /// Errors: errc::invalid_arguments, which names the file that can't be used.
  static result<std::unique_ptr<tls_identity>> load(const tls_files& files);
  ~tls_identity();
  tls_identity(const tls_identity&) = delete;
  tls_identity& operator=(const tls_identity&) = delete;

  tls_session begin(int socket, bool as_dialer) const;

 private:
  explicit tls_identity(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// A socket whose other end has been greeted, with its TLS if there is any.
struct peer_socket {
  tls_session tls;
  unique_socket socket;
  explicit operator bool() const { return static_cast<bool>(socket); }
};

}  // namespace throng
