// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/caf_links.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/io/middleman.hpp>
#include <caf/send.hpp>

#include "cluster/borrowed_logger.hpp"
#include "cluster/link/basp_socket.hpp"
#include "cluster/link/link_actor.hpp"
#include "cluster/link/link_messages.hpp"
#include "config/log.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::size_t threads_most = 4;

struct network_config : caf::actor_system_config {
  explicit network_config(const caf_links_options& with) {
    add_message_types<caf::id_block::throng_link>();
    const auto cores = std::max<std::size_t>(1, std::thread::hardware_concurrency());
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", with.threads ? with.threads : std::min(cores, threads_most));
    set("scheduler.max-throughput", std::size_t{50});
    load<caf::io::middleman>();
    // facts: without BASP workers a round trip takes two thirds of the time, and no throughput is lost.
    set("middleman.workers", std::size_t{0});
    // The LINKs have heartbeats of their own. Those of BASP would end connections while they shake hands.
    set("middleman.heartbeat-interval", caf::timespan(0));
    set("middleman.connection-timeout", caf::timespan(0));
    // The ids of two nodes that see the same network cards and process id (containers) differ in a counter only, which
    // starts at 0 in each process.
    for (unsigned i = 0; i < with.self.node.value % 256u; ++i) (void)caf::node_id::default_data::local(*this);
  }
};

std::uint64_t random_id() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return random() | 1;
}

class live_links final : public caf_links {
 public:
  explicit live_links(caf_links_options with) : options_(std::move(with)), config_(options_) {}
  ~live_links() override { live_links::stop(); }

  result<> open() {
    auto gate = tls_gate::open(
        {options_.listen, options_.tls, options_.handshake_deadline, options_.handshakes_max},
        {[this](const link_greeting& greeting) { return judge(greeting); },
         [this](const link_greeting& greeting, peer_socket socket) { arrive(greeting, std::move(socket)); }});
    if (!gate) return gate.failure();
    gate_ = std::move(*gate);
    port_ = gate_->port();
    system_ = std::make_unique<caf::actor_system>(config_);
    borrowed_logger::give_back();  // another thread may stop the links
    auto services = std::make_shared<link_services>();
    services->self = options_.self;
    services->cluster = options_.cluster;
    services->detector = options_.detector;
    services->handshake_deadline = options_.handshake_deadline;
    services->retry_min = options_.retry_min;
    services->retry_max = options_.retry_max;
    services->gather = options_.gather;
    services->broker = basp_broker_of(*system_);
    services->dial = [gate = gate_.get()](const auto& address, const auto& greeting, auto done) {
      gate->dial(address, greeting, std::move(done));
    };
    services->look = [gate = gate_.get()](const auto& address, auto done) { gate->look(address, std::move(done)); };
    services_ = std::move(services);
    return done;
  }

  void listen(events to) override {
    std::lock_guard lock(mutex_);
    services_->events = std::move(to);
    is_listening_ = true;
  }

  void set_peers(std::vector<node_identity> members) override {
    std::lock_guard lock(mutex_);
    THRONG_ASSERT(is_listening_);
    if (is_stopped_) return;
    std::map<node_index, std::shared_ptr<link_end>> now;
    for (const auto& member : members) {
      if (member.node == options_.self.node) continue;
      auto found = ends_.find(member.node);
      if (found == ends_.end()) {
        now.emplace(member.node, add(member));
      } else {
        change(*found->second, member);
        now.insert(ends_.extract(found));
      }
    }
    for (auto& [node, end] : ends_) finish(*end, true);
    ends_ = std::move(now);
  }

  bool post(node_index to, std::string parcel) override {
    auto end = find(to);
    return end && end->post(std::move(parcel));
  }

  std::vector<view> views() const override {
    std::lock_guard lock(mutex_);
    std::vector<view> all;
    for (const auto& [node, end] : ends_) all.push_back(end->view());
    return all;
  }

  void stop() override {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(is_stopped_, true)) return;
      for (auto& [node, end] : ends_) finish(*end, false);
      ends_.clear();
    }
    if (gate_) gate_->stop();
    if (!system_) return;
    system_->await_all_actors_done();
    // Handles of LINKs, in callbacks that won't come, must be gone before the system is.
    gate_.reset();
    services_.reset();
    system_.reset();
  }

  std::uint16_t port() const override { return port_; }
  tls_gate::figures gate_figures() const override { return gate_->read_figures(); }  // before stop()

 private:
  std::shared_ptr<link_end> find(node_index node) const {
    std::lock_guard lock(mutex_);
    const auto found = ends_.find(node);
    return found == ends_.end() ? nullptr : found->second;
  }

  std::shared_ptr<link_end> add(const node_identity& peer) {
    auto end = std::make_shared<link_end>(peer, options_.window);
    end->with([](auto& shared) { shared.window_id = random_id(); });
    auto link = spawn_link(*system_, services_, end);
    end->with([&](auto& shared) { shared.link = link; });
    return end;
  }

  /// What is posted from here on is for the new incarnation. A late view of an older one changes nothing.
  static void change(link_end& end, const node_identity& peer) {
    link_peer_changed change;
    const auto link = end.with([&](auto& shared) -> caf::actor {
      if (peer.incarnation < shared.peer.incarnation || peer == shared.peer) return nullptr;
      change.is_another = peer.incarnation > shared.peer.incarnation;
      change.before = std::exchange(shared.peer, peer);
      if (change.is_another) {
        change.lost = shared.window.give_up();
        shared.window_id = random_id();
        shared.other_window = 0;
        shared.is_up = false;  // the LINK says so when it hears of it; until then nothing of this is for the old one
      }
      return shared.link;
    });
    if (link) caf::anon_send(link, link_input{std::move(change)});
  }

  static void finish(link_end& end, bool peer_is_gone) {
    const auto link = end.with([](auto& shared) {
      shared.has_ended = true;
      return std::exchange(shared.link, nullptr);
    });
    if (link) caf::anon_send(link, link_input{link_stop{peer_is_gone}});
  }

  // -- on the gate's thread
  // ------------------------------------------------------------------------------------------------

  /// Why not; empty: welcome.
  std::string judge(const link_greeting& from) const {
    if (from.version != link_protocol_version)
      return "this node speaks version " + std::to_string(link_protocol_version) + " of the protocol, not " +
             std::to_string(from.version);
    if (from.cluster != options_.cluster)
      return "this node belongs to cluster " + options_.cluster + ", not " + from.cluster;
    if (from.to != options_.self.node)
      return "this is node " + std::to_string(options_.self.node.value) + ", not " + std::to_string(from.to.value);
    const auto end = find(from.from);
    if (!end) return "node " + std::to_string(from.from.value) + " is no member, as far as this node knows";
    if (from.from < options_.self.node) return "it is this node that dials";
    if (from.incarnation < end->with([](auto& shared) { return shared.peer.incarnation; }))
      return "a newer incarnation of node " + std::to_string(from.from.value) + " has been seen";
    return {};
  }

  void arrive(const link_greeting& from, peer_socket socket) {
    const auto end = find(from.from);
    const auto link = end ? end->with([](auto& shared) { return shared.link; }) : nullptr;
    if (!link) return;
    caf::anon_send(
        link, link_input{link_socket{0, std::make_shared<result<peer_socket>>(std::move(socket)), from.incarnation}});
  }

  const caf_links_options options_;
  network_config config_;
  std::unique_ptr<tls_gate> gate_;
  std::uint16_t port_ = 0;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<link_services> services_;

  mutable std::mutex mutex_;
  bool is_listening_ = false, is_stopped_ = false;
  std::map<node_index, std::shared_ptr<link_end>> ends_;
};

}  // namespace

result<std::unique_ptr<caf_links>> caf_links::open(caf_links_options with) {
  auto made = std::make_unique<live_links>(std::move(with));
  if (auto opened = made->open(); !opened) return opened.failure();
  return std::unique_ptr<caf_links>(std::move(made));
}

}  // namespace throng
