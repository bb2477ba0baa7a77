// SPDX-License-Identifier: Apache-2.0
// CAF LINKS: the links of a real node: LINK actors in an actor system of their own, connected by CAF's network layer
// (BASP), whose sockets come through the TLS GATE. All methods from any thread; events come on the system's threads.
//
// What loopback means: a node that listens on loopback without TLS believes whoever can connect to its port and knows
// the cluster's name: every process of the machine. Beyond loopback TLS files are required.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cluster/failure_detector.hpp"
#include "cluster/link/links.hpp"
#include "cluster/tls_gate.hpp"

namespace throng {

struct caf_links_options {
  node_identity self;  // its link_address is what others dial; `listen` is where this node is reached
  std::string cluster = "throng";
  std::string listen = "127.0.0.1:0";
  std::optional<tls_files> tls;
  failure_detector_options detector;  // its interval is that of the heartbeats
  link_window::limits window;         // of each link
  std::chrono::milliseconds handshake_deadline{3000};
  std::size_t handshakes_max = 64;
  std::chrono::milliseconds retry_min{20}, retry_max{500};
  /// While something is in flight, frames that aren't full go at most this often.
  std::chrono::microseconds gather{200};
  std::size_t threads = 0;  // 0: up to 4, one a core
};

class caf_links : public links {
 public:
  /// Errors: errc::invalid_arguments for an address or TLS files that can't be used.
  static result<std::unique_ptr<caf_links>> open(caf_links_options with);

  virtual std::uint16_t port() const = 0;
  virtual tls_gate::figures gate_figures() const = 0;
};

}  // namespace throng
