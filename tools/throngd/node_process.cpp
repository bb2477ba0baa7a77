// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/node_process.hpp"

#include <arpa/inet.h>
#include <filesystem>
#include <mutex>
#include <random>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "actors/channel/channel.hpp"
#include "actors/id_generator.hpp"
#include "actors/presence/presence.hpp"
#include "actors/session/session.hpp"
#include "actors/user/user.hpp"
#include "actors/workspace/workspace.hpp"
#include "cluster/node.hpp"
#include "config/log.hpp"
#include "config/print.hpp"
#include "net/admin/admin_server.hpp"
#include "net/api/admin_token.hpp"
#include "net/api/api_server.hpp"
#include "net/gateway/gateway.hpp"
#include "net/transport/server.hpp"
#include "storage/fence_holder.hpp"
#include "storage/retention.hpp"
#include "tools/throngd/client_drain.hpp"
#include "tools/throngd/metrics.hpp"
#include "tools/throngd/node_cluster.hpp"
#include "tools/throngd/node_storage.hpp"
#include "tools/throngd/options.hpp"
#include "tools/throngd/storage_metrics.hpp"

namespace throng {

namespace {

constexpr node_index lone_node{1};
constexpr std::chrono::milliseconds readiness_period{50};
constexpr std::chrono::milliseconds wishes_period{200};
constexpr std::chrono::hours no_hurry{1};  // for the clients of a node that goes on
constexpr std::size_t cached_tokens_max = 100'000;
constexpr std::chrono::seconds cached_token_ttl{60};
constexpr std::chrono::milliseconds least_grace{500};  // for requests under way, however long the websockets took

std::string url_of(const char* scheme, const host_port& address) {
  return std::string(scheme) + "://" + to_text(address);
}

/// The node port is this node's, though nobody talks to it before there is a second node.
class reserved_port {
 public:
  static result<std::unique_ptr<reserved_port>> reserve(const host_port& address) {
    auto made = std::make_unique<reserved_port>();
    made->socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(address.port);
    if (::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr) != 1)
      return error{errc::invalid_arguments, "listen.node: " + address.host + " is not an IPv4 address"};
    const int yes = 1;
    ::setsockopt(made->socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(made->socket_, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0)
      return error{errc::unavailable, "listen.node: port " + std::to_string(address.port) + " is taken"};
    socklen_t size = sizeof name;
    ::getsockname(made->socket_, reinterpret_cast<sockaddr*>(&name), &size);
    made->address_ = {address.host, ntohs(name.sin_port)};
    return made;
  }
  reserved_port() = default;
  reserved_port(const reserved_port&) = delete;
  reserved_port& operator=(const reserved_port&) = delete;
  ~reserved_port() {
    if (socket_ >= 0) ::close(socket_);
  }
  const host_port& address() const { return address_; }

 private:
  int socket_ = -1;
  host_port address_;
};

node::kinds placed_kinds(const configuration& settings, std::shared_ptr<id_generator> ids) {
  return {{entity_kind::channel, make_channel_factory(channel_options_of(settings))},
          {entity_kind::workspace, make_workspace_factory(workspace_options_of(settings, std::move(ids)))},
          {entity_kind::user, make_user_factory(user_options_of(settings))},
          {entity_kind::session, make_session_factory(session_options_of(settings))},
          {entity_kind::presence, make_presence_factory(presence_options_of(settings))}};
}

class live_process final : public node_process {
 public:
  live_process(const configuration& settings, std::string version, std::function<void(expulsion)> on_expelled)
      : settings_(settings), version_(std::move(version)), on_expelled_(std::move(on_expelled)) {}
  ~live_process() override { live_process::stop(); }

  result<> begin() {
    if (auto loaded = load_certificate(); !loaded) return loaded.failure();
    std::error_code failed;
    std::filesystem::create_directories(settings_.data, failed);
    if (failed) return error{errc::unavailable, "the data folder " + settings_.data + ": " + failed.message()};
    if (auto token = read_admin_token(); !token) return token.failure();
    if (auto token = read_viewer_token(); !token) return token.failure();
    if (settings_.topology.kind == topology_kind::consul) {
      auto joining = node_cluster::open(settings_);
      if (!joining) return joining.failure();
      cluster_ = std::move(*joining);
    }
    auto opened = node_storage::open(settings_, cluster_ ? &cluster_->topology() : nullptr);
    if (!opened) return opened.failure();
    storage_ = std::move(*opened);
    if (!cluster_)
      if (auto taken = take_slots(); !taken) return taken.failure();
    put_together();
    return listen();
  }

  std::string ready_line() const override { return ready_line_; }
  configuration::listen_t listening() const override { return listening_; }

  void stop() override {
    if (is_stopped_) return;
    is_stopped_ = true;
    {
      std::lock_guard lock(draining_mutex_);
      has_begun_to_stop_.store(true);
    }
    if (admin_) admin_->is_ready.store(false);
    if (cluster_) cluster_->start_leaving();
    if (sockets_) {
      sockets_->stop_accepting();
      const auto until = system_time().now() + settings_.gateway.drain_timeout;
      // First, so that the sessions of those who are sent away stay where they are then.
      if (cluster_) (void)cluster_->leave(system_time().now() + settings_.gateway.drain_timeout / 3);
      if (gateway_) drain_websockets(until);
      if (cluster_ && !cluster_->leave(until))
        log::warn("node {} goes with slots that nobody has taken yet", settings_.node);
      const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - system_time().now());
      sockets_->stop(std::max(rest, least_grace));
    }
    if (admin_server_) admin_server_->stop();
    if (cluster_) cluster_->end();
    if (node_) node_->stop();
    if (storage_) storage_->stop();
    node_.reset();
  }

 private:
  /// First, because what is wrong with it is wrong in the configuration: nothing is made then.
  result<> load_certificate() {
    if (!settings_.tls.enabled()) return done;
    auto loaded = tls_context::load(settings_.tls.certificate, settings_.tls.key);
    if (!loaded) return loaded.failure();
    tls_ = std::move(*loaded);
    return done;
  }

  result<> read_admin_token() {
    admin_token_ = settings_.admin.token;
    if (!admin_token_.empty()) return done;
    auto token = load_admin_token(settings_.data_path(settings_.admin.token_file));
    if (!token) return token.failure();
    admin_token_ = std::move(*token);
    return done;
  }

  result<> read_viewer_token() {
    viewer_token_ = settings_.admin.viewer_token;
    if (!viewer_token_.empty()) return done;
    auto token = load_admin_token(settings_.data_path(settings_.admin.viewer_token_file), "xview-");
    if (!token) return token.failure();
    viewer_token_ = std::move(*token);
    return done;
  }

  /// One node owns every slot; each start is a new epoch, so that nothing of an earlier life can write any more.
  result<> take_slots() {
    auto& rows = storage_->rows();
    auto fences = rows.fences();
    if (!fences) return fences.failure();
    auto table = std::make_shared<slot_table>(slot_table::single_node(lone_node, *fences));
    if (auto raised = rows.raise_fences(table->fences_of(lone_node), new_fence_holder()); !raised)
      return raised.failure();
    table_ = std::move(table);
    return done;
  }

  void put_together() {
    auto& commits = storage_->commits();
    auto& readers = storage_->reads();
    retention_ = std::make_unique<retention>(commits, retention_options_of(settings_), std::random_device{}());
    const auto self = cluster_ ? cluster_->number() : lone_node;
    ids_ = std::make_shared<id_generator>(self, system_time(), std::random_device{}());
    node::parts parts{self, node_options_of(settings_), table_, system_time(), commits, readers, false};
    if (cluster_) cluster_->add_to(parts, *storage_);
    parts.on_broken = [this](const std::string& why) {
      if (has_given_up_.exchange(true)) return;
      log::error("node {} gives up and starts again: {}", settings_.node, why);
      on_expelled_(expulsion::broken);
    };
    node_ = node::start(std::move(parts), placed_kinds(settings_, ids_));
    sockets_ = std::make_unique<server>(transport_options_of(settings_));

    std::vector<io_loop*> loops;
    for (std::size_t i = 0; i < sockets_->loop_count(); ++i) loops.push_back(&sockets_->loop(i));
    gateway_ = std::make_unique<gateway>(self, node_->door(), loops, gateway_options_of(settings_),
                                         cluster_ ? cluster_->incarnation() : 0);

    tokens_ = std::make_unique<authenticator>(readers, admin_token_, cached_tokens_max, cached_token_ttl);
    rates_ = std::make_unique<shared_rate_limiter>(api_options_of(settings_).rates);
    api_services_.reset(new api_services{node_->door(), readers, commits, *tokens_, *rates_, &gateway_->bots(),
                                         api_options_of(settings_), storage_->shards(), &gateway_->deliveries(),
                                         [this](std::string url) { return gateway_->place_for(std::move(url)); }});
    api_ = std::make_unique<api_server>(*api_services_);
    admin_.reset(new admin_services{settings_.node,
                                    version_,
                                    admin_token_,
                                    node_->door(),
                                    node_->inspect(),
                                    readers,
                                    commits,
                                    *sockets_,
                                    {},
                                    {},
                                    api_.get(),
                                    settings_.gateway.request_timeout + std::chrono::seconds(1),
                                    &storage_->admin(),
                                    storage_->shards()});
    admin_->more_metrics = [this] {
      auto all = gateway_and_api_metrics(gateway_->figures(), *api_);
      for (auto& each : storage_->metrics()) all.push_back(std::move(each));
      if (cluster_) cluster_->add_metrics(all);
      all.push_back({"cached_tokens",
                     "Tokens whose owner is known without asking the store",
                     false,
                     {},
                     static_cast<double>(tokens_->cache().size())});
      add_retention_metrics(all, retention_->read_figures());
      return all;
    };
    audit_ = std::make_unique<audit_log>(settings_.data_path("audit.jsonl"));
    admin_->audit = audit_.get();
    admin_->deliveries = &gateway_->deliveries();
    admin_->viewer_token = viewer_token_;
    admin_->answer_patience = settings_.admin.answer_patience;
    admin_->configuration = print_configuration(settings_);
    admin_->started = system_time().now();
    if (cluster_) {
      admin_->peers = &node_->peers();
      admin_->placed = [this] { return node_->placed(); };
      admin_->is_topology_away = [this] { return cluster_->is_topology_away(); };
      admin_->membership = [this] { return cluster_->membership(); };
      admin_->link_views = [this] { return cluster_->link_views(); };
      admin_->placement = &cluster_->placement();
    }
    admin_->streams = [this](std::function<void(std::vector<stream_view>)> show) {
      gateway_->streams([show = std::move(show)](std::vector<gateway_stream> streams) {
        std::vector<stream_view> views;
        for (const auto& each : streams) views.push_back({each.stream, each.connections, each.is_catching_up});
        show(std::move(views));
      });
    };
    admin_server_ = std::make_unique<admin_server>(*admin_);
  }

  result<> listen() {
    auto client_address = sockets_->listen({settings_.listen.client, client_handler(), tls_, 0});
    if (!client_address) return client_address.failure();
    // Its own small bound, so that operators get in while clients have used theirs up.
    auto admin_address = sockets_->listen({settings_.listen.admin, admin_server_->handler(), nullptr, 100});
    if (!admin_address) return admin_address.failure();
    const auto client_url = url_of(tls_ ? "https" : "http", *client_address);
    listening_ = {*client_address, *admin_address, {}};
    if (cluster_) {
      const auto& public_url = settings_.gateway.public_url;
      cluster_->join(*node_, *storage_, {public_url.empty() ? client_url : public_url, to_text(*admin_address)},
                     on_expelled_);
      listening_.node = cluster_->listening();
      sockets_->loop(0).post_always([this] { await_membership(); });
    } else {
      auto reserved = reserved_port::reserve(settings_.listen.node);
      if (!reserved) return reserved.failure();
      node_port_ = std::move(*reserved);
      listening_.node = node_port_->address();
      admin_->is_ready.store(true);
    }

    sockets_->loop(0).post_always([this] { keep_house(); });
    sockets_->loop(0).post_always([this] { trim_rows_when_due(); });
    ready_line_ = "ready node=" + settings_.node + " client=" + client_url +
                  " admin=" + url_of("http", *admin_address) + " cluster=" + to_text(listening_.node);
    log::info("node {} serves clients at {}", settings_.node, to_text(*client_address));
    return done;
  }

  void await_membership() {
    if (has_begun_to_stop_.load()) return;
    if (cluster_->serves()) return follow_wishes();
    sockets_->loop(0).after(readiness_period, [this] { await_membership(); });
  }

  /// On the first io loop: ready, unless somebody drains it by hand.
  void follow_wishes() {
    {
      std::lock_guard lock(draining_mutex_);
      if (has_begun_to_stop_.load()) return;
      const auto made = client_drain_.look(*cluster_->membership(), system_time().now());
      admin_->is_ready.store(!made.is_wanted);
      if (made.begins) gateway_->drain(*made.begins, no_hurry);
      if (made.ends) gateway_->stay();
    }
    sockets_->loop(0).after(wishes_period, [this] { follow_wishes(); });
  }

  /// Once a second, on the first io loop.
  void keep_house() {
    storage_->tick();
    sockets_->loop(0).after(std::chrono::seconds(1), [this] { keep_house(); });
  }

  /// On the first io loop, as often as it wants to be called: it never waits there.
  void trim_rows_when_due() {
    using std::chrono::milliseconds;
    const auto now = system_time().now();
    const auto next = std::min(retention_->tick(now, system_time().wall()), now + std::chrono::seconds(1));
    const auto pause = std::chrono::duration_cast<milliseconds>(next - now);
    sockets_->loop(0).after(std::max(pause, milliseconds(1)), [this] { trim_rows_when_due(); });
  }

  /// Clients are told to go one after the other, so that they don't come to the other gateways as one herd.
  void drain_websockets(steady_time until) {
    using std::chrono::milliseconds;
    const auto now = cluster_ ? cluster_->membership() : nullptr;
    // What is left is for the last ones' goodbyes.
    const auto rest = std::chrono::duration_cast<milliseconds>(until - system_time().now());
    gateway_->drain(now ? way_out(*now, true) : drain_order(), rest * 3 / 4);
    while (gateway_->figures().connections > 0 && system_time().now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  http_handler client_handler() {
    return [this](http_request request, http_responder responder) {
      if (gateway::serves(request.path)) return gateway_->handle(std::move(request), std::move(responder));
      api_->handle(std::move(request), std::move(responder));
    };
  }

  const configuration settings_;
  const std::string version_;
  std::string admin_token_;
  std::string viewer_token_;
  std::string ready_line_;
  const std::function<void(expulsion)> on_expelled_;
  configuration::listen_t listening_;
  bool is_stopped_ = false;
  std::atomic<bool> has_begun_to_stop_{false};
  std::mutex draining_mutex_;  // so that nobody takes clients again while the node stops
  std::atomic<bool> has_given_up_{false};
  client_drain client_drain_{settings_.gateway.drain_timeout / 3};
  std::shared_ptr<tls_context> tls_;  // null: plain HTTP

  // In the order in which they stand on each other.
  std::unique_ptr<node_cluster> cluster_;  // null: the node is alone
  std::unique_ptr<node_storage> storage_;
  std::shared_ptr<const slot_table> table_;
  std::unique_ptr<retention> retention_;
  std::shared_ptr<id_generator> ids_;
  std::unique_ptr<node> node_;
  std::unique_ptr<gateway> gateway_;
  std::unique_ptr<authenticator> tokens_;
  std::unique_ptr<shared_rate_limiter> rates_;
  std::unique_ptr<api_services> api_services_;
  std::unique_ptr<api_server> api_;
  std::unique_ptr<audit_log> audit_;
  std::unique_ptr<admin_services> admin_;
  std::unique_ptr<admin_server> admin_server_;
  std::unique_ptr<reserved_port> node_port_;
  std::unique_ptr<server> sockets_;  // first to go: its connections use all of the above
};

}  // namespace

result<std::unique_ptr<node_process>> node_process::start(const configuration& settings, std::string version,
                                                          std::function<void(expulsion)> on_expelled) {
  auto made = std::make_unique<live_process>(settings, std::move(version), std::move(on_expelled));
  if (auto begun = made->begin(); !begun) return begun.failure();
  return std::unique_ptr<node_process>(std::move(made));
}

}  // namespace throng
