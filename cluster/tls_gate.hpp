// SPDX-License-Identifier: Apache-2.0
// TLS GATE: the door between this node's links and the network. CAF's network layer (BASP) has no port at all: it gets
// connected sockets from here, and only those whose other end is a member.
//
//   a stranger ─► accept ─► TLS 1.3, both certificates of the cluster's own CA ─► greeting ─► judge ─► BASP's socket
//                    └ everything up to here within one deadline, at most `handshakes_max` at a time
//
// What comes out is a connected socket with its TLS, and the gate has nothing more to do with it: no copying, no second
// pair of sockets (measured: that would double what an envelope costs over TLS).
// Thread-safe; one thread of its own, on which all callbacks come. They must not block.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/link/link_greeting.hpp"
#include "cluster/tls_session.hpp"
#include "storage/model/result.hpp"

namespace throng {

class tls_gate {
 public:
  struct options {
    std::string listen = "127.0.0.1:0";  // numbers; port 0: any that is free
    std::optional<tls_files> tls;
    std::chrono::milliseconds handshake_deadline{3000};
    std::size_t handshakes_max = 64;  // past it the oldest one that isn't done makes room
  };
  struct events {
    /// Why this dialer isn't wanted; empty: it is.
    std::function<std::string(const link_greeting&)> judge;
    std::function<void(const link_greeting&, peer_socket)> arrived;
  };
  struct figures {
    std::uint64_t accepted = 0, welcomed = 0, refused = 0, failed = 0, evicted = 0, timed_out = 0;
    std::size_t handshakes = 0;
  };

  /// Errors: errc::invalid_arguments for an address or files that can't be used, and for one beyond loopback without
  /// TLS.
  static result<std::unique_ptr<tls_gate>> open(options with, events to);
  ~tls_gate();  // stop()
  tls_gate(const tls_gate&) = delete;
  tls_gate& operator=(const tls_gate&) = delete;

  std::uint16_t port() const;
  /// Connects to `address`, and says the greeting. Errors: errc::no_permission with the other end's words if it
  /// refuses, or with those of TLS if one of the ends doesn't trust the other; errc::not_found if its host says that
  /// nobody listens there; errc::service_unavailable if it can't be reached in time; errc::stopping.
  void dial(const std::string& address, const link_greeting& greeting, std::function<void(result<peer_socket>)> done);
  /// Does anybody listen there? Connects, and ends the connection. Errors: errc::not_found, errc::service_unavailable.
  void look(const std::string& address, std::function<void(result<>)> done);
  /// Ends all connections; no callback comes after it.
  void stop();
  figures read_figures() const;

 private:
  class impl;
  explicit tls_gate(std::unique_ptr<impl> made);
  std::unique_ptr<impl> impl_;
};

}  // namespace throng
