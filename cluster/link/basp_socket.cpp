// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/basp_socket.hpp"

#include <set>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/io/basp/header.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <caf/io/scribe.hpp>
#include <caf/policy/tcp.hpp>
#include <caf/send.hpp>

namespace throng {

namespace {

using caf::io::network::rw_state;

/// How a stream of CAF reads and writes over TLS. Called by the network layer's thread only.
class tls_policy {
 public:
  explicit tls_policy(tls_session session) : session_(std::move(session)) { session_.read_ahead(); }

  rw_state read_some(std::size_t& moved, int, void* into, std::size_t size) {
    switch (session_.read(into, size, moved)) {
      case tls_session::step::moved:
        return rw_state::success;
      case tls_session::step::failed:
        return rw_state::failure;
      default:
        return rw_state::indeterminate;
    }
  }
  /// Writes until the socket is full. (A stream takes "indeterminate" for: throw the buffer away.)
  rw_state write_some(std::size_t& moved, int, const void* from, std::size_t size) {
    moved = 0;
    for (std::size_t one = 0; moved < size; moved += one) {
      const auto said = session_.write(static_cast<const char*>(from) + moved, size - moved, one);
      if (said == tls_session::step::failed) return rw_state::failure;
      if (said != tls_session::step::moved) break;
    }
    return rw_state::success;
  }
  /// What TLS has taken from the socket doesn't wake the loop again.
  bool must_read_more(int, std::size_t) { return session_.holds_bytes(); }

 private:
  tls_session session_;
};

/// One end of a connection, as CAF's broker knows it.
template <class Policy>
class link_scribe final : public caf::io::scribe {
 public:
  template <class... Ts>
  link_scribe(caf::io::network::default_multiplexer& loop, int socket, Ts&&... policy)
      : scribe(caf::io::network::conn_hdl_from_socket(socket)), stream_(loop, socket, std::forward<Ts>(policy)...) {}

  void configure_read(caf::io::receive_policy::config wanted) override {
    if (wanted.second > basp_message_bytes_max) {
      // The broker waits for what won't come: what is there instead isn't that long, and it closes the connection.
      ::shutdown(stream_.fd(), SHUT_RDWR);
      wanted = caf::io::receive_policy::exactly(caf::io::basp::header_size);
    }
    stream_.configure_read(wanted);
    if (!std::exchange(is_launched_, true)) stream_.start(this);
  }
  void ack_writes(bool on) override { stream_.ack_writes(on); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }
  void flush() override { stream_.flush(this); }
  std::string addr() const override { return {}; }
  std::uint16_t port() const override { return 0; }
  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

 private:
  caf::io::network::stream_impl<Policy> stream_;
  bool is_launched_ = false;
};

caf::io::scribe_ptr scribe_of(caf::actor_system& system, peer_socket of) {
  auto& loop = dynamic_cast<caf::io::network::default_multiplexer&>(system.middleman().backend());
  const int socket = of.socket.release();
  if (of.tls) return caf::make_counted<link_scribe<tls_policy>>(loop, socket, std::move(of.tls));
  return caf::make_counted<link_scribe<caf::policy::tcp>>(loop, socket);
}

}  // namespace

caf::actor basp_broker_of(caf::actor_system& system) {
  return system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
}

void serve_basp(caf::actor_system& system, const caf::actor& broker, peer_socket socket, std::uint16_t port,
                const caf::actor& published) {
  caf::anon_send(broker, caf::publish_atom::value, scribe_of(system, std::move(socket)), port,
                 caf::actor_cast<caf::strong_actor_ptr>(published), std::set<std::string>{});
}

void withdraw_basp(const caf::actor& broker, std::uint16_t port) {
  caf::anon_send(broker, caf::close_atom::value, port);
}

void join_basp(caf::event_based_actor* self, const caf::actor& broker, peer_socket socket, std::uint16_t port,
               std::chrono::milliseconds patience, std::function<void(result<caf::actor>)> done) {
  self->request(broker, patience, caf::connect_atom::value, scribe_of(self->system(), std::move(socket)), port)
      .then(
          [done, self](const caf::node_id& node, const caf::strong_actor_ptr& published, const std::set<std::string>&) {
            if (published == nullptr) return done(error{errc::service_unavailable, "it publishes nothing"});
            if (node == self->node()) return done(error{errc::service_unavailable, "it has the id of this node"});
            done(caf::actor_cast<caf::actor>(published));
          },
          [done, self](const caf::error& failed) {
            done(error{errc::service_unavailable, self->system().render(failed)});
          });
}

}  // namespace throng
