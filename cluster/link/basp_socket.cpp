// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/basp_socket.hpp"

#include <set>
#include <string>

#include <caf/actor_cast.hpp>
#include <caf/io/basp/header.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/scribe_impl.hpp>
#include <caf/send.hpp>

namespace throng {

namespace {

class bounded_scribe final : public caf::io::network::scribe_impl {
 public:
  bounded_scribe(caf::io::network::default_multiplexer& loop, int socket) : scribe_impl(loop, socket) {}

  void configure_read(caf::io::receive_policy::config wanted) override {
    if (wanted.second > basp_message_bytes_max) {
      // The broker waits for what won't come: what is there instead isn't that long, and it closes the connection.
      ::shutdown(stream_.fd(), SHUT_RDWR);
      wanted = caf::io::receive_policy::exactly(caf::io::basp::header_size);
    }
    scribe_impl::configure_read(wanted);
  }
  // Those of scribe_impl abort for a socket that isn't TCP.
  std::string addr() const override { return {}; }
  std::uint16_t port() const override { return 0; }
};

caf::io::scribe_ptr scribe_of(caf::actor_system& system, unique_socket socket) {
  auto& loop = dynamic_cast<caf::io::network::default_multiplexer&>(system.middleman().backend());
  return caf::make_counted<bounded_scribe>(loop, socket.release());
}

}  // namespace

caf::actor basp_broker_of(caf::actor_system& system) {
  return system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
}

void serve_basp(caf::actor_system& system, const caf::actor& broker, unique_socket socket, std::uint16_t port,
                const caf::actor& published) {
  caf::anon_send(broker, caf::publish_atom::value, scribe_of(system, std::move(socket)), port,
                 caf::actor_cast<caf::strong_actor_ptr>(published), std::set<std::string>{});
}

void withdraw_basp(const caf::actor& broker, std::uint16_t port) {
  caf::anon_send(broker, caf::close_atom::value, port);
}

void join_basp(caf::event_based_actor* self, const caf::actor& broker, unique_socket socket, std::uint16_t port,
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
