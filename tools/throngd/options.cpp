// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/options.hpp"

namespace throng {

node_options node_options_of(const configuration& settings) {
  node_options options;
  options.threads = settings.scheduler.threads;
  options.entity_mailbox_max = static_cast<std::uint32_t>(settings.entities.mailbox_max);
  options.slot_mailbox_max = static_cast<std::uint32_t>(settings.entities.mailbox_max * 5);
  options.passivate_after = settings.entities.passivate_after;
  options.hot_mailbox = static_cast<std::uint32_t>(settings.cluster.hot_mailbox);
  options.active_max = settings.entities.active_max;
  options.restarts = {static_cast<std::uint32_t>(settings.entities.restarts_max), settings.entities.restart_period};
  options.quarantine = settings.entities.quarantine;
  return options;
}

consul_options consul_options_of(const configuration& settings) {
  consul_options options;
  options.agents.clear();
  std::string_view left = settings.topology.agents;
  while (!left.empty()) {
    const auto comma = left.find(',');
    options.agents.emplace_back(left.substr(0, comma));
    left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
  }
  options.token = settings.topology.token;
  return options;
}

caf_links_options links_options_of(const configuration& settings) {
  caf_links_options options;
  options.cluster = settings.cluster.name;
  options.listen = to_text(settings.listen.node);
  if (settings.cluster.encrypts())
    options.tls = tls_files{settings.cluster.certificate, settings.cluster.key, settings.cluster.authority};
  return options;
}

transport_options transport_options_of(const configuration& settings) {
  const auto& gateway = settings.gateway;
  transport_options options;
  options.io_threads = gateway.io_threads;
  options.connections_max = gateway.connections_max;
  options.header_bytes_max = gateway.header_bytes_max;
  options.body_bytes_max = gateway.body_bytes_max;
  options.bodies_bytes_max = gateway.bodies_bytes_max;
  options.gzip_bytes_min = gateway.gzip_bytes_min;
  options.handshake_timeout = gateway.handshake_timeout;
  options.header_timeout = gateway.header_timeout;
  options.body_timeout = gateway.body_timeout;
  options.idle_timeout = gateway.idle_timeout;
  options.outbox_bytes_max = gateway.outbox_bytes_max;
  options.notsent_lowat_bytes = static_cast<int>(gateway.kernel_unsent_bytes_max);
  options.write_stall_timeout = gateway.stall_timeout;
  options.websocket_message_bytes_max = gateway.frame_bytes_max;
  options.ping_interval = gateway.ping_interval;
  options.ping_timeout = gateway.ping_timeout;
  return options;
}

namespace {

rate_limit per_minute(std::size_t calls) {
  const auto count = static_cast<double>(calls);
  return {count, count / 60};
}

}  // namespace

api_options api_options_of(const configuration& settings) {
  api_options options;
  options.public_url = settings.gateway.public_url;
  options.request_timeout = settings.gateway.request_timeout;
  options.ask_timeout = settings.entities.ask_timeout;
  options.ticket_ttl = settings.sessions.ticket_ttl;
  options.body_bytes_max = settings.gateway.body_bytes_max;
  options.json_depth_max = settings.limits.json_depth_max;
  options.page_items_max = settings.limits.page_items_max;
  options.message_chars_max = settings.limits.message_chars_max;
  options.blocks_max = settings.limits.blocks_max;
  options.blocks_bytes_max = settings.limits.blocks_bytes_max;
  options.attachments_max = settings.limits.attachments_max;
  options.attachments_bytes_max = settings.limits.attachments_bytes_max;
  options.metadata_bytes_max = settings.limits.metadata_bytes_max;
  options.rates.enabled = settings.rate_limits.enabled;
  options.rates.tier1 = per_minute(settings.rate_limits.tier1_per_minute);
  options.rates.tier2 = per_minute(settings.rate_limits.tier2_per_minute);
  options.rates.tier3 = per_minute(settings.rate_limits.tier3_per_minute);
  options.rates.tier4 = per_minute(settings.rate_limits.tier4_per_minute);
  options.rates.post = {static_cast<double>(settings.rate_limits.posts_burst),
                        static_cast<double>(settings.rate_limits.posts_per_second)};
  return options;
}

commit_queue::limits commit_limits_of(const configuration& settings) {
  commit_queue::limits limits;
  limits.batch_units_max = settings.storage.batch_units_max;
  limits.waiting_units_max = settings.storage.waiting_units_max;
  limits.waiting_bytes_max = settings.storage.waiting_bytes_max;
  return limits;
}

namespace {

std::chrono::seconds whole_seconds(duration time) { return std::chrono::duration_cast<std::chrono::seconds>(time); }

}  // namespace

mysql_options mysql_options_of(const configuration& settings) {
  const auto& mysql = settings.storage.mysql;
  mysql_options options;
  options.connect.user = mysql.user;
  options.connect.password = mysql.password;
  options.connect.database = mysql.database;
  options.connect.connect_timeout = whole_seconds(mysql.connect_timeout);
  options.connect.io_timeout = whole_seconds(mysql.statement_timeout);
  if (!mysql.vtgate)  // which ends them by itself
    options.connect.idle_transaction_max = whole_seconds(mysql.idle_transaction_timeout);
  options.commit_patience = mysql.commit_patience;
  options.read_patience = mysql.read_patience;
  return options;
}

mysql::connect_options mysql_admin_account_of(const configuration& settings) {
  auto account = mysql_options_of(settings).connect;
  account.user = settings.storage.mysql.admin_user;
  account.password = settings.storage.mysql.admin_password;
  account.database.clear();
  // A reshard asks one shard for rows while a transaction is open in the other.
  account.idle_transaction_max += 2 * account.io_timeout;
  return account;
}

sharded_storage::options sharded_options_of(const configuration& settings) {
  const auto& mysql = settings.storage.mysql;
  sharded_storage::options options;
  options.lanes = static_cast<unsigned>(mysql.lanes);
  options.readers = static_cast<unsigned>(settings.storage.readers);
  options.reads_waiting_max = settings.storage.reads_waiting_max;
  options.read_wait_max = mysql.read_wait_max;
  options.commits = commit_limits_of(settings);
  options.hold_max = mysql.hold_max;
  options.start_patience = mysql.start_patience;
  return options;
}

failover::supervisor_options supervisor_options_of(const configuration& settings) {
  const auto& mysql = settings.storage.mysql;
  failover::supervisor_options options;
  options.name = settings.node;
  options.admin = mysql_admin_account_of(settings);
  options.replication.password = mysql.admin_password;
  options.probe.interval = mysql.ping_interval;
  options.probe.failures_to_report = static_cast<unsigned>(mysql.failures_to_act);
  options.policy.dead_after = mysql.ping_interval * mysql.failures_to_act;
  options.policy.ackers_min = static_cast<unsigned>(mysql.ackers_min);
  options.is_alone = settings.topology.kind == topology_kind::embedded;
  return options;
}

reshard_options reshard_options_of(const configuration& settings) {
  reshard_options options;
  options.keyspace = settings.storage.mysql.database;
  options.admin = mysql_admin_account_of(settings);
  options.admin.database = settings.storage.mysql.database;
  options.node = settings.node;
  return options;
}

retention::options retention_options_of(const configuration& settings) {
  using std::chrono::hours;
  using std::chrono::minutes;
  constexpr hours useless_tokens_kept(24 * 30);  // so that somebody who looks into yesterday's trouble finds them
  retention::options options;
  options.jobs.push_back({trim_kind::events, settings.storage.events_kept, minutes(1)});
  options.jobs.push_back({trim_kind::tokens, useless_tokens_kept, hours(6)});
  if (settings.storage.messages_kept.count() != 0)
    options.jobs.push_back({trim_kind::messages, settings.storage.messages_kept, minutes(10)});
  return options;
}

gateway_options gateway_options_of(const configuration& settings) {
  gateway_options options;
  constexpr unsigned unlimited = 60'000;  // frames; a connection can't send more than that in a second
  const auto& limits = settings.rate_limits;
  options.rtm.frames_per_second = limits.enabled ? static_cast<unsigned>(limits.frames_per_second) : unlimited;
  options.rtm.frames_burst = limits.enabled ? static_cast<unsigned>(limits.frames_burst) : unlimited;
  options.rtm.public_url = settings.gateway.public_url;
  options.rtm.ask_timeout = settings.entities.ask_timeout;
  options.drain_rate = settings.gateway.drain_rate;
  return options;
}

namespace {

event_ring::limits ring_limits_of(const configuration& settings) {
  return {settings.entities.ring_events_max, settings.entities.ring_bytes_max, settings.entities.ring_window};
}

/// What an entity gives another within one of its own requests: less than the gateway gives it.
duration inner_ask_timeout(const configuration& settings) { return settings.entities.ask_timeout / 2; }

}  // namespace

channel_options channel_options_of(const configuration& settings) {
  channel_options options;
  options.limits.message_chars_max = settings.limits.message_chars_max;
  options.limits.members_max = settings.limits.channel_members_max;
  options.limits.reaction_names_max = settings.limits.message_reactions_max;
  options.limits.pins_max = settings.limits.channel_pins_max;
  options.ring = ring_limits_of(settings);
  options.ask_timeout = inner_ask_timeout(settings);
  return options;
}

workspace_options workspace_options_of(const configuration& settings, std::shared_ptr<id_generator> ids) {
  workspace_options options;
  options.ids = std::move(ids);
  options.stream.ring = ring_limits_of(settings);
  options.ask_timeout = inner_ask_timeout(settings);
  return options;
}

user_options user_options_of(const configuration& settings) {
  user_options options;
  options.stream.ring = ring_limits_of(settings);
  options.ask_timeout = inner_ask_timeout(settings);
  options.channels_max = settings.sessions.subscriptions_max;
  options.channels_page_max = settings.sessions.subscriptions_max;
  options.sessions_max = settings.sessions.per_user_max;
  return options;
}

session_options session_options_of(const configuration& settings) {
  session_options options;
  options.limits.resume_window = settings.sessions.resume_window;
  options.limits.ticket_ttl = settings.sessions.ticket_ttl;
  options.limits.cursors_max = settings.sessions.subscriptions_max + 2;  // workspace and user have one too
  options.limits.watched_max = settings.presence.watched_max;
  options.ask_timeout = inner_ask_timeout(settings);
  return options;
}

presence_options presence_options_of(const configuration& settings) {
  presence_options options;
  options.limits.away_after = settings.presence.away_after;
  options.limits.flap_delay = settings.presence.flap_delay;
  options.limits.publish_interval = settings.presence.publish_interval;
  // Who was there before a bucket's node died and isn't heard of by then may yet be on her way to another gateway.
  options.limits.recovery = std::max(options.limits.recovery, presence_set::duration(settings.presence.flap_delay));
  return options;
}

}  // namespace throng
