// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/node_cluster.hpp"

#include <algorithm>
#include <thread>

#include "actors/repeatable.hpp"
#include "cluster/consul_topology.hpp"
#include "cluster/coordinator/placement_wishes.hpp"
#include "config/log.hpp"
#include "storage/fence_holder.hpp"
#include "tools/throngd/node_storage.hpp"
#include "tools/throngd/options.hpp"
#include "tools/throngd/placement_admin.hpp"

namespace throng {

namespace {

constexpr std::chrono::milliseconds look_again{250};
constexpr std::uint32_t weight_of_core = 100;

std::uint32_t weight_of(const configuration& settings) {
  if (settings.cluster.weight > 0) return static_cast<std::uint32_t>(settings.cluster.weight);
  return weight_of_core * std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

result<std::unique_ptr<node_cluster>> node_cluster::open(const configuration& settings) {
  std::unique_ptr<node_cluster> made(new node_cluster(settings));
  if (auto begun = made->begin(); !begun) return begun.failure();
  return made;
}

node_cluster::~node_cluster() { end(); }

result<> node_cluster::begin() {
  consul_ = std::make_shared<consul_client>(consul_options_of(settings_));
  auto topology = open_consul_topology(consul_, settings_.topology.prefix);
  if (!topology) return error{topology.code(), "topology.prefix: " + topology.failure().detail};
  topology_ = std::move(*topology);
  placement_ = make_placement_admin(*topology_, [this] { return membership(); }, {});
  memory_ = std::make_unique<topology_memory>(*topology_, std::vector{std::string(placement_wishes_key)});
  auto started = begin_start_patiently();
  if (!started) return error{started.code(), "the topology: " + started.failure().detail};
  self_.node = started->node;
  self_.incarnation = started->incarnation;
  self_.name = settings_.node;
  auto options = links_options_of(settings_);
  options.self = self_;
  auto links = caf_links::open(std::move(options));
  if (!links) return error{links.code(), "listen.node: " + links.failure().detail};
  links_ = std::move(*links);
  self_.link_address = settings_.cluster.address.empty() ? to_text(listening()) : settings_.cluster.address;
  return done;
}

result<node_start> node_cluster::begin_start_patiently() {
  const auto until = system_time().now() + settings_.storage.mysql.start_patience;
  while (true) {
    auto started = begin_start(*topology_, settings_.node, system_time().wall());
    const bool may_pass = !started && (started.code() == errc::service_unavailable || started.code() == errc::conflict);
    if (!may_pass || system_time().now() >= until) return started;
    std::this_thread::sleep_for(look_again);
  }
}

void node_cluster::add_to(node::parts& parts, node_storage& storage) {
  fences_ = std::make_unique<fence_threads>(storage.rows(), new_fence_holder(),
                                            [&storage](slot_id slot) { return storage.shard_of(slot); });
  parts.between = links_.get();
  parts.may_repeat = &is_repeatable;
  parts.raise_fences = [this](std::vector<fence> guards, const std::function<void(fence_outcomes)>& told) {
    fences_->raise(std::move(guards), told);
  };
  parts.on_link_state = [this](const node_identity& peer, bool is_up) {
    if (auto* agent = joined_.load()) agent->link_changed(peer, is_up);
  };
  parts.on_peer_gone = [this](const node_identity& peer) {
    if (auto* agent = joined_.load()) agent->peer_gone(peer);
  };
}

void node_cluster::join(node& here, node_storage& storage, const addresses& where,
                        std::function<void(expulsion)> on_expelled) {
  self_.client_url = where.client_url;
  self_.admin_address = where.admin;
  cluster_agent::options how;
  how.weight = weight_of(settings_);
  const auto& cluster = settings_.cluster;
  how.load_period = cluster.load_period;
  how.meter.lag = 2 * cluster.load_period;
  how.meter.hot_rate = static_cast<std::uint32_t>(cluster.hot_rate);
  how.meter.hot_mailbox = static_cast<std::uint32_t>(cluster.hot_mailbox);
  how.balance.patience = cluster.balance_patience;
  how.balance.pause = cluster.balance_pause;
  how.coordination.members_min = settings_.cluster.nodes_min;
  agent_ =
      std::make_unique<cluster_agent>(cluster_agent::parts{self_, *topology_, *links_, here, system_time(),
                                                           [&storage] { return storage.rows().fences(); },
                                                           std::move(on_expelled), [this] { return restore_shards(); }},
                                      how);
  joined_.store(agent_.get());
  agent_->start();
}

result<> node_cluster::restore_shards() {
  auto written = memory_->restore();
  if (!written) return written.failure();
  log::warn("the topology has forgotten what it knew: {} records of shards are there again", *written);
  return done;
}

bool node_cluster::serves() const {
  const auto now = membership();
  return now && now->is_member && now->has_met_most && now->facts.table;
}

void node_cluster::start_leaving() {
  if (agent_) agent_->start_leaving();
}

bool node_cluster::leave(steady_time until) { return !agent_ || !serves() || agent_->leave(until); }

/// The last news of this node get through to those who can be reached.
void node_cluster::empty_links() {
  const auto until = system_time().now() + std::chrono::seconds(1);
  const auto is_empty = [](const links::view& each) {
    return !each.is_up || (each.figures.waiting_parcels == 0 && each.figures.in_flight_frames == 0);
  };
  while (!std::ranges::all_of(links_->views(), is_empty) && system_time().now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

void node_cluster::end() {
  if (agent_ && links_) empty_links();
  if (agent_) agent_->stop();
  if (links_) links_->stop();
  if (fences_) fences_->stop();
}

std::shared_ptr<const cluster_agent::view> node_cluster::membership() const {
  const auto* agent = joined_.load();
  return agent ? agent->look() : nullptr;
}

void node_cluster::add_metrics(std::vector<metric>& all) const {
  auto add = [&](const char* name, const char* help, bool is_counter, double value,
                 std::vector<std::pair<std::string, std::string>> labels = {}) {
    all.push_back({name, help, is_counter, std::move(labels), value});
  };
  if (const auto now = membership()) {
    const auto& table = now->facts.table;
    add("cluster_is_member", "1 if this node is a member of its cluster", false, now->is_member);
    add("cluster_is_coordinator", "1 if this node coordinates", false, now->is_leader);
    add("cluster_members", "Members that this node knows", false, static_cast<double>(now->facts.members.size()));
    add("cluster_slot_table_version", "Of the slot table that it follows", false,
        table ? static_cast<double>(table->version()) : 0);
    add("cluster_slots", "Slots of this node", false, table ? static_cast<double>(table->owned_by(self_.node)) : 0);
    add("cluster_tables_made_total", "Slot tables that this node has made", true,
        static_cast<double>(now->tables_made));
    add("cluster_declared_dead_total", "Nodes that this node has declared dead", true,
        static_cast<double>(now->members_expelled));
    add("cluster_load", "What its slots cost: messages a second, and CPU time a second in units of 10 us", false,
        static_cast<double>(now->load.total()));
    add("cluster_hot_entities", "Entities of this node with more messages than one should have", false,
        static_cast<double>(now->load.hot.size()));
    add("cluster_load_reports_total", "Load reports that this node has written to the topology", true,
        static_cast<double>(now->load_reports));
    add("cluster_load_report_bytes_total", "Their bytes", true, static_cast<double>(now->load_report_bytes));
    add("cluster_balance_moves_total", "Slots that this node has moved for balance", true,
        static_cast<double>(now->balance_moves));
    add("cluster_hot_moves_total", "Slots that this node has moved because of one hot entity", true,
        static_cast<double>(now->hot_moves));
  }
  for (const auto& each : link_views()) {
    const std::vector<std::pair<std::string, std::string>> peer{{"peer", each.peer.name}};
    add("link_up", "1 if the link to this peer is there", false, each.is_up, peer);
    add("link_round_trip_seconds", "Of its heartbeats", false, static_cast<double>(each.round_trip.count()) / 1e6,
        peer);
    add("link_reconnects_total", "How often it was connected again", true, static_cast<double>(each.reconnects), peer);
    add("link_parcels_sent_total", "Parcels put on the wire", true, static_cast<double>(each.figures.parcels_sent),
        peer);
    add("link_bytes_sent_total", "Their bytes", true, static_cast<double>(each.figures.bytes_sent), peer);
    add("link_refused_total", "Parcels that weren't taken because too much waited", true,
        static_cast<double>(each.figures.refused), peer);
    add("link_waiting_bytes", "Bytes that wait for the window", false, static_cast<double>(each.figures.waiting_bytes),
        peer);
    add("link_in_flight_bytes", "Bytes sent and not acknowledged", false,
        static_cast<double>(each.figures.in_flight_bytes), peer);
  }
}

}  // namespace throng
