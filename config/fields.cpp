// SPDX-License-Identifier: Apache-2.0
#include "config/fields.hpp"

namespace throng {

namespace {

using namespace std::chrono_literals;
using duration = configuration::duration;

constexpr std::uint64_t path_chars_max = 1'024;

field text(std::string_view key, std::string& member, std::uint64_t min, std::uint64_t max, std::string_view doc) {
  return {key, &member, doc, min, max};
}

field flag(std::string_view key, bool& member, std::string_view doc) { return {key, &member, doc}; }

field count(std::string_view key, std::size_t& member, std::uint64_t min, std::uint64_t max, std::string_view doc) {
  return {key, &member, doc, min, max};
}

field bytes(std::string_view key, std::size_t& member, std::uint64_t min, std::uint64_t max, std::string_view doc) {
  return {key, &member, doc, min, max, field_unit::bytes};
}

field time(std::string_view key, duration& member, duration min, duration max, std::string_view doc) {
  return {key, &member, doc, static_cast<std::uint64_t>(min.count()), static_cast<std::uint64_t>(max.count())};
}

field secret(std::string_view key, std::string& member, std::uint64_t min, std::string_view doc) {
  return {key, &member, doc, min, 256, field_unit::none, true};
}

field address(std::string_view key, host_port& member, std::string_view doc) { return {key, &member, doc}; }

template <class Enum>
field choice(std::string_view key, Enum& member, std::vector<std::string_view> words, std::string_view doc) {
  auto index = [&member] { return static_cast<std::size_t>(member); };
  auto choose = [&member](std::size_t word) { member = static_cast<Enum>(word); };
  return {key, choice_ref{std::move(words), index, choose}, doc};
}

}  // namespace

// clang-format off
std::vector<field> fields(configuration& c) {
  return {
    text("node", c.node, 1, 64, "Name of this node: letters, digits, '-', '_' and '.'. Unique in a cluster; it is in every log line, metric and shell table."),
    text("data", c.data, 1, path_chars_max, "Folder for everything this node keeps; made on first start. Relative to the working directory, as all paths here."),

    address("listen.client", c.listen.client, "Where clients come: HTTP API, websockets, web client. Use 0.0.0.0 to be reached from other machines."),
    address("listen.admin", c.listen.admin, "Where the shell, metrics and health checks come. Loopback unless you put something in front."),
    address("listen.node", c.listen.node, "Where other nodes come, and what they are told to come to unless cluster.address says otherwise. Beyond loopback only with cluster.certificate: whoever reaches it owns the node."),

    text("tls.certificate", c.tls.certificate, 0, path_chars_max, "PEM file with the certificate chain for the client port. Empty: plain HTTP, for use behind a proxy or on one machine."),
    text("tls.key", c.tls.key, 0, path_chars_max, "PEM file with the certificate's private key; goes with tls.certificate."),

    choice("storage.kind", c.storage.kind, {"sqlite", "mysql"}, "Which store keeps the rows. sqlite: one file on this node. mysql: shards of MySQL or MariaDB servers, see storage.mysql."),
    text("storage.file", c.storage.file, 1, path_chars_max, "The SQLite file, below `data` unless it is an absolute path."),
    count("storage.readers", c.storage.readers, 1, 64, "Threads that read from the store; with mysql, from each shard. More: more reads at once, one more connection (sqlite: descriptors and page cache) each. Fewer: history waits behind history."),
    count("storage.reads_waiting_max", c.storage.reads_waiting_max, 1, 1'000'000, "Reads that may wait for a reader (of one shard); past it a request is answered `overloaded`. More: longer waits in a rush. Fewer: earlier refusals."),
    count("storage.batch_units_max", c.storage.batch_units_max, 1, 10'000, "Writes in one transaction. More: more posts a second under load, each waiting longer. Fewer: the opposite."),
    count("storage.waiting_units_max", c.storage.waiting_units_max, 1, 10'000'000, "Writes that may wait for a commit (of one shard); past it a post is answered `overloaded`. More: more memory and longer waits when the disk is slow."),
    bytes("storage.waiting_bytes_max", c.storage.waiting_bytes_max, 1_MiB, 64ull << 30, "Bytes of such waiting writes; the same rule. More: a slow disk may cost that much memory. Less: earlier refusals."),
    time("storage.events_kept", c.storage.events_kept, 1h, 24h * 3650, "How long the event log is kept, from which a client catches up after a long absence. More: a larger file. Less: clients that were away longer get a gap and fetch history."),
    time("storage.messages_kept", c.storage.messages_kept, 0s, 24h * 36500, "How long posts are kept; at least 1d, or 0 for ever. Older ones are deleted in small batches while the store is in use, threads' roots before their replies; history simply ends there."),

    text("storage.mysql.shards", c.storage.mysql.shards, 0, 16'384, "The servers of each shard, as \"-80=10.0.0.1:3306,10.0.0.2:3306 80-=10.0.0.3:3306,10.0.0.4:3306\": ranges of keyspace ids, and for each its servers, the first primary first. One shard: \"-=10.0.0.1:3306\". Read only when the topology knows no shards yet; from then on it knows better, through failovers and resharding. With vtgate: the address of the vtgate."),
    text("storage.mysql.database", c.storage.mysql.database, 1, 64, "The database on each server, which is also the keyspace's name in the topology and in Vitess."),
    text("storage.mysql.vschema", c.storage.mysql.vschema, 0, path_chars_max, "VSchema file in Vitess's JSON format: which column and vindex route each table. Empty: what config/vschema.json says. Never change it for data that is there."),
    flag("storage.mysql.vtgate", c.storage.mysql.vtgate, "true: `shards` is one vtgate, and failover and resharding are Vitess's work. false: the servers are talked to directly."),
    text("storage.mysql.user", c.storage.mysql.user, 1, 80, "The account that reads and writes rows. It must not have SUPER or READ_ONLY ADMIN, which would let it write to a server that isn't the primary any more."),
    secret("storage.mysql.password", c.storage.mysql.password, 0, "The account's password; only from THRONG_STORAGE_MYSQL_PASSWORD, never in a file: there is password_file."),
    text("storage.mysql.password_file", c.storage.mysql.password_file, 0, path_chars_max, "File whose first line is the password, for mode 0600. Empty: THRONG_STORAGE_MYSQL_PASSWORD, or none."),
    flag("storage.mysql.supervise", c.storage.mysql.supervise, "Whether this node watches the shards' servers, promotes a replica when a primary dies, and reshards, by the admin account. false: something else does."),
    text("storage.mysql.admin_user", c.storage.mysql.admin_user, 1, 80, "The account for that: replication, promotion, and tables and triggers of a reshard. Servers replicate with accounts that it makes: throng_replica_<server_id>."),
    secret("storage.mysql.admin_password", c.storage.mysql.admin_password, 0, "The admin account's password; only from THRONG_STORAGE_MYSQL_ADMIN_PASSWORD, never in a file: there is admin_password_file."),
    text("storage.mysql.admin_password_file", c.storage.mysql.admin_password_file, 0, path_chars_max, "File whose first line is the admin account's password, for mode 0600. Empty: THRONG_STORAGE_MYSQL_ADMIN_PASSWORD, or none."),
    count("storage.mysql.lanes", c.storage.mysql.lanes, 1, 16, "Threads that commit to each shard, a connection each. 2 commit a quarter more than 1 under load; more gain nothing."),
    time("storage.mysql.read_wait_max", c.storage.mysql.read_wait_max, 10ms, 10min, "How long a read may wait for a reader of its shard before it is refused as `overloaded`. More: patience with a slow shard. Less: earlier refusals."),
    time("storage.mysql.hold_max", c.storage.mysql.hold_max, 100ms, 10min, "How long writes are held while a reshard switches their shard; then they fail. A switch takes well under a second."),
    time("storage.mysql.start_patience", c.storage.mysql.start_patience, 0ms, 24h, "How long the start waits for shards that are away before it gives up and names them."),
    time("storage.mysql.connect_timeout", c.storage.mysql.connect_timeout, 1s, 60s, "How long making a connection may take; whole seconds. More: patience with a slow network. Less: a dead server is noticed sooner."),
    time("storage.mysql.statement_timeout", c.storage.mysql.statement_timeout, 1s, 10min, "How long one statement may take before its connection is given up; whole seconds. More: patience with a slow disk. Less: a hanging server is noticed sooner."),
    time("storage.mysql.idle_transaction_timeout", c.storage.mysql.idle_transaction_timeout, 1s, 10min, "How long a transaction may wait for its node's next statement before MariaDB ends it; whole seconds. Other nodes wait so long for what a node had locked when it was paused or cut off, or its machine was lost. More: patience with a node that gets no CPU. MySQL has nothing like it: such locks stay until the server misses the connection."),
    time("storage.mysql.commit_patience", c.storage.mysql.commit_patience, 100ms, 10min, "How long a write waits for its shard to have a primary before it fails. It should outlast a failover."),
    time("storage.mysql.read_patience", c.storage.mysql.read_patience, 100ms, 10min, "The same for a read, which somebody waits for."),
    count("storage.mysql.ackers_min", c.storage.mysql.ackers_min, 0, 1, "Replicas that must confirm writes for a shard to take any. 0: while all replicas are away the primary goes on alone, and the shard's record says so; then nobody else may become primary, so nothing is lost as long as its disk isn't. 1: it waits for a replica to come back."),
    time("storage.mysql.ping_interval", c.storage.mysql.ping_interval, 10ms, 60s, "How often each server is looked at. Less: a dead primary is noticed sooner, for more queries."),
    count("storage.mysql.failures_to_act", c.storage.mysql.failures_to_act, 1, 100, "Looks that must fail in a row before a primary counts as dead. More: fewer needless failovers. Fewer: faster ones."),

    choice("topology.kind", c.topology.kind, {"embedded", "consul"}, "Who says which node owns what. embedded: this node is alone and owns all. consul: the nodes that share a Consul, a prefix and a store make one cluster."),
    text("topology.agents", c.topology.agents, 1, 4'096, "Addresses of Consul's agents, separated by commas; the first that answers is asked. Only for consul, as the following."),
    secret("topology.token", c.topology.token, 0, "Consul's ACL token; only from THRONG_TOPOLOGY_TOKEN, never in a file."),
    text("topology.prefix", c.topology.prefix, 0, 128, "What is put before each key in Consul, ending with a slash, so that several clusters can share one."),

    text("cluster.name", c.cluster.name, 1, 64, "Nodes of another name are refused, should one find its way here."),
    count("cluster.nodes_min", c.cluster.nodes_min, 1, 1'000, "How many nodes must be there before a new cluster serves. More: the first ones needn't give away most of what they have just got. Later starts don't wait."),
    count("cluster.weight", c.cluster.weight, 0, 1'000'000, "This node's share of the load, compared with that of the others; 0: 100 for each core."),
    time("cluster.load_period", c.cluster.load_period, 100ms, 10min, "How often a node tells the others what its slots cost, if that has changed much. Less: the balancer sees better, for more writes to Consul of about 1 KB each."),
    time("cluster.balance_patience", c.cluster.balance_patience, 0ms, 1h, "How long load must be unevenly spread before anything is moved for it. Less: quicker, and more moves for what would have passed."),
    time("cluster.balance_pause", c.cluster.balance_pause, 0ms, 24h, "The least time between two rounds of balancing; what has moved for its load stays for five of them. Less: more moves."),
    count("cluster.hot_rate", c.cluster.hot_rate, 1, 1'000'000, "Messages a second from which one entity is hot, and goes to a quieter node if that makes it better."),
    count("cluster.hot_mailbox", c.cluster.hot_mailbox, 1, 1'000'000, "Messages waiting for one entity from which it is hot."),
    text("cluster.address", c.cluster.address, 0, 256, "What other nodes are told to come to, as HOST:PORT, if that isn't listen.node itself: the outside of a container, a relay. Empty: listen.node."),
    text("cluster.certificate", c.cluster.certificate, 0, path_chars_max, "PEM file with the certificate chain that this node shows to other nodes. Empty: links aren't encrypted, which is for one machine only."),
    text("cluster.key", c.cluster.key, 0, path_chars_max, "PEM file with its private key; goes with cluster.certificate."),
    text("cluster.authority", c.cluster.authority, 0, path_chars_max, "PEM file with the CA that signs the nodes' certificates and nothing else: who has one of it is a node."),

    count("scheduler.threads", c.scheduler.threads, 0, 1'024, "Threads that run actors; 0: one a core. More than cores only adds switching. Where a MariaDB server is on the same machine, leave it a core."),

    count("gateway.io_threads", c.gateway.io_threads, 0, 256, "Threads that serve sockets; 0: one a core. More than cores only adds switching."),
    text("gateway.public_url", c.gateway.public_url, 0, 512, "How clients reach this node from outside, such as https://chat.example.com; goes into websocket URLs and permalinks. Empty: taken from each request's Host header."),
    count("gateway.connections_max", c.gateway.connections_max, 1, 10'000'000, "Sockets of clients at once; past it new ones wait in the kernel's queue. More needs a larger descriptor limit (`ulimit -n`), and about 10 KiB each."),
    bytes("gateway.header_bytes_max", c.gateway.header_bytes_max, 1_KiB, 1_MiB, "A request's line and headers; past it: 431. More: more memory that a stranger can take. Less: long cookies are refused."),
    bytes("gateway.body_bytes_max", c.gateway.body_bytes_max, 16_KiB, 1024_MiB, "A request's body; past it: `request_too_large`. More: larger messages with blocks, and more memory that one request can take."),
    bytes("gateway.bodies_bytes_max", c.gateway.bodies_bytes_max, 1_MiB, 64ull << 30, "Bodies of all requests under way on one io thread; past it further ones are refused. More: more memory in a rush of large requests."),
    bytes("gateway.frame_bytes_max", c.gateway.frame_bytes_max, 1_KiB, 16_KiB, "One websocket message from a client; past it the connection is closed with 1009. The RTM protocol has no larger ones. Less: less memory that a client can take."),
    bytes("gateway.outbox_bytes_max", c.gateway.outbox_bytes_max, 16_KiB, 1024_MiB, "What may wait for one slow client; past it typing and presence are dropped, then the client is told to come back and resume. More: slower clients keep their line, for that much memory each. Less: earlier resyncs."),
    bytes("gateway.kernel_unsent_bytes_max", c.gateway.kernel_unsent_bytes_max, 4_KiB, 4_MiB, "What the kernel may hold unsent for one client (TCP_NOTSENT_LOWAT). More: fewer wakeups, but memory that outbox_bytes_max doesn't see. Less: more wakeups."),
    bytes("gateway.gzip_bytes_min", c.gateway.gzip_bytes_min, 0, 1024_MiB, "Answers from this size on are compressed for clients that ask. More: less CPU. Less: less traffic; below about 1KiB it gains nothing."),
    time("gateway.handshake_timeout", c.gateway.handshake_timeout, 100ms, 10min, "How long a client may take for its TLS handshake. More and less as for header_timeout."),
    time("gateway.header_timeout", c.gateway.header_timeout, 100ms, 10min, "How long a client may take to send a request's headers. More: slow senders hold sockets longer. Less: poor lines are cut."),
    time("gateway.body_timeout", c.gateway.body_timeout, 100ms, 1h, "How long a client may take to send a request's body. More and less as for header_timeout."),
    time("gateway.request_timeout", c.gateway.request_timeout, 100ms, 10min, "How long an API call may take inside; past it: `request_timeout`. More: clients wait longer in trouble. Less: slow stores show as errors."),
    time("gateway.idle_timeout", c.gateway.idle_timeout, 1s, 1h, "How long an HTTP connection may idle between requests. More: fewer handshakes. Less: fewer idle sockets."),
    time("gateway.ping_interval", c.gateway.ping_interval, 1s, 1h, "How often a quiet websocket is pinged. More: less traffic; but Socket Mode clients give up after 30 s without, and proxies often after 60 s. Less: a dead line is seen earlier."),
    time("gateway.ping_timeout", c.gateway.ping_timeout, 1s, 1h, "A websocket from which nothing at all came for so long after a ping is dead. More: dead lines linger. Less: stutters become reconnects."),
    time("gateway.stall_timeout", c.gateway.stall_timeout, 100ms, 10min, "A client whose full outbox doesn't move for so long is cut. More: more memory held for clients that stopped reading. Less: stutters become reconnects."),
    time("gateway.drain_timeout", c.gateway.drain_timeout, 0s, 10min, "How long SIGTERM waits for requests and sockets to finish. More: gentler restarts. Less: quicker ones."),
    count("gateway.drain_rate", c.gateway.drain_rate, 1, 1'000'000, "Websockets that are told to go elsewhere per second while this node stops or is drained; faster only if drain_timeout leaves no time for that. More: quicker restarts. Less: the clients, which come to the other nodes then, come more slowly."),

    time("sessions.resume_window", c.sessions.resume_window, 0s, 24h, "How long a session outlives its socket. More: longer absences resume, at about 1 KiB of memory each. Less: clients boot anew and read history."),
    time("sessions.ticket_ttl", c.sessions.ticket_ttl, 1s, 10min, "How long the websocket URL of rtm.connect is good for; it works once. More: a leaked URL lives longer. Less: slow clients have to ask again."),
    count("sessions.per_user_max", c.sessions.per_user_max, 1, 10'000, "Sessions of one user at once; past it the oldest that has no socket goes, else the new one is refused. More: more memory that one account can take."),
    count("sessions.subscriptions_max", c.sessions.subscriptions_max, 1, 1'000'000, "Channels on one person's list, which each of her sessions follows; past it she can't join more. More: more memory and a slower boot for people who are everywhere."),

    time("entities.passivate_after", c.entities.passivate_after, 1s, 24h, "An actor that got no message for so long is dropped from memory. More: more memory, fewer loads. Less: the opposite."),
    count("entities.active_max", c.entities.active_max, 100, 100'000'000, "Actors in memory at once; past it the idlest are dropped first. More: more memory (1 to 50 KiB each), fewer loads."),
    count("entities.mailbox_max", c.entities.mailbox_max, 10, 10'000'000, "Messages that may wait for one actor; past it senders are answered `overloaded`. More: longer waits in a rush. Fewer: earlier refusals."),
    count("entities.restarts_max", c.entities.restarts_max, 0, 1'000, "Restarts of one failing actor within restart_period before it is quarantined. More: more tries, and more noise. Fewer: one bad row takes its channel out sooner."),
    time("entities.restart_period", c.entities.restart_period, 1s, 24h, "The time in which restarts_max counts. More: slow failures count too. Less: only bursts do."),
    time("entities.quarantine", c.entities.quarantine, 1s, 24h, "How long a quarantined actor answers `unavailable` before it is tried again. More: less load from a lost cause. Less: quicker recovery."),
    time("entities.ask_timeout", c.entities.ask_timeout, 100ms, 10min, "How long the gateway waits for an actor's answer; actors wait half as long for each other. More: hangs are seen later. Less: slow stores show as errors."),
    time("entities.ring_window", c.entities.ring_window, 0s, 24h, "How long a channel keeps recent events in memory for clients that resume. More: more memory. Less: more reads from the store."),
    count("entities.ring_events_max", c.entities.ring_events_max, 1, 1'000'000, "Such events of one channel; the oldest go first. More and less as for ring_window."),
    bytes("entities.ring_bytes_max", c.entities.ring_bytes_max, 4_KiB, 1024_MiB, "Bytes of such events of one channel; the oldest go first. More and less as for ring_window."),

    time("presence.away_after", c.presence.away_after, 1s, 24h, "A user whose devices were idle for so long is shown as away. More: people look present longer than they are."),
    time("presence.flap_delay", c.presence.flap_delay, 0s, 5min, "How long a lost last connection is waited for before the user is shown as away. More: calmer on poor lines. Less: quicker news."),
    time("presence.publish_interval", c.presence.publish_interval, 0s, 1min, "How long presence changes are gathered into one event. More: fewer events in a storm. Less: quicker news."),
    count("presence.watched_max", c.presence.watched_max, 1, 1'000, "Users whose presence one session watches, as far as they are kept for its next socket; past it the rest is ignored. More: more memory for each session."),

    flag("rate_limits.enabled", c.rate_limits.enabled, "Whether the limits below are applied. Only for tests and benchmarks without."),
    count("rate_limits.tier1_per_minute", c.rate_limits.tier1_per_minute, 1, 1'000'000, "Calls a minute of each tier 1 method, for one app or person in one workspace; past it: 429 with Retry-After. Slack promises at least 1; more lets a fleet reconnect."),
    count("rate_limits.tier2_per_minute", c.rate_limits.tier2_per_minute, 1, 1'000'000, "The same for tier 2; Slack promises at least 20. More: more load from one caller. Fewer: bots wait more."),
    count("rate_limits.tier3_per_minute", c.rate_limits.tier3_per_minute, 1, 1'000'000, "The same for tier 3; Slack promises at least 50. More and fewer as for tier 2."),
    count("rate_limits.tier4_per_minute", c.rate_limits.tier4_per_minute, 1, 1'000'000, "The same for tier 4; Slack promises at least 100. More and fewer as for tier 2."),
    count("rate_limits.posts_per_second", c.rate_limits.posts_per_second, 1, 1'000'000, "Posts a second of one caller into one channel by chat.postMessage, in the long run. More: one bot can flood a channel."),
    count("rate_limits.posts_burst", c.rate_limits.posts_burst, 1, 1'000'000, "How many such posts may come at once before posts_per_second bites. More: larger bursts. Fewer: SDKs wait more."),
    count("rate_limits.frames_per_second", c.rate_limits.frames_per_second, 1, 60'000, "Messages a second from one websocket, in the long run; past it they are answered with an error. More: one client can load a node more."),
    count("rate_limits.frames_burst", c.rate_limits.frames_burst, 1, 60'000, "How many such messages may come at once before frames_per_second bites. More and fewer as for posts_burst."),

    count("limits.message_chars_max", c.limits.message_chars_max, 1, 1'000'000, "Characters in a message's text; longer: `msg_too_long`. Slack's is 40000. More: larger rows and events for everybody."),
    count("limits.attachments_max", c.limits.attachments_max, 1, 10'000, "Attachments of a message; more: `too_many_attachments`. Slack's is 100."),
    bytes("limits.attachments_bytes_max", c.limits.attachments_bytes_max, 1_KiB, 16_MiB, "Bytes of a message's attachments as JSON. More: larger rows and events for everybody."),
    count("limits.blocks_max", c.limits.blocks_max, 1, 10'000, "Blocks of a message; more: `invalid_blocks`. Slack's is 50."),
    bytes("limits.blocks_bytes_max", c.limits.blocks_bytes_max, 1_KiB, 16_MiB, "Bytes of a message's blocks as JSON; more: `msg_blocks_too_long`. More: larger rows and events for everybody."),
    bytes("limits.metadata_bytes_max", c.limits.metadata_bytes_max, 256, 16_MiB, "Bytes of a message's metadata as JSON; more: `metadata_too_large`. More: larger rows and events for everybody."),
    count("limits.page_items_max", c.limits.page_items_max, 1, 10'000, "Items in one page of a list; a larger `limit` is clamped to it. More: fewer calls, larger answers, longer reads."),
    count("limits.json_depth_max", c.limits.json_depth_max, 8, 1'000, "Nesting of a JSON request body; deeper is refused. JSON inside form fields may nest 64 deep. More: more stack that a stranger can use."),
    count("limits.channel_members_max", c.limits.channel_members_max, 1, 10'000'000, "Members of one channel; past it joining is refused. More: a larger actor and a longer fan-out."),
    count("limits.message_reactions_max", c.limits.message_reactions_max, 1, 10'000, "Different reactions on one message; past it: `too_many_reactions`. More: larger rows."),
    count("limits.channel_pins_max", c.limits.channel_pins_max, 1, 10'000, "Pinned messages of one channel; past it pinning is refused. More: larger rows."),

    choice("log.level", c.log.level, {"debug", "info", "warn", "error", "off"}, "The least important lines that are logged. debug is for people who write Throng, and costs speed."),
    choice("log.format", c.log.format, {"text", "json"}, "One line an event on standard error: text for people, json for machines."),
    count("log.waiting_lines_max", c.log.waiting_lines_max, 16, 10'000'000, "Lines that may wait when standard error is slow; then debug goes first, info next, and what was dropped is counted. More: more memory, fewer gaps."),

    secret("admin.token", c.admin.token, 16, "The admin token; only from THRONG_ADMIN_TOKEN, never in a file."),
    text("admin.token_file", c.admin.token_file, 1, path_chars_max, "Where the admin token is kept (mode 0600), below `data` unless absolute; made on first start, unless THRONG_ADMIN_TOKEN gives one."),
    secret("admin.viewer_token", c.admin.viewer_token, 16, "A token that may look by the shell, and change nothing; only from THRONG_ADMIN_VIEWER_TOKEN, never in a file."),
    text("admin.viewer_token_file", c.admin.viewer_token_file, 1, path_chars_max, "Where the viewer token is kept, as admin.token_file."),
    time("admin.answer_patience", c.admin.answer_patience, 10ms, 60s, "How long the shell waits for other nodes before it answers without them, and says so; --timeout for one command. More: slower answers when a node is away."),
  };
}
// clang-format on

std::string_view section_doc(std::string_view section) {
  if (section == "listen") return "Addresses as HOST:PORT; port 0 picks a free one and prints it in the ready line.";
  if (section == "tls") return "TLS on the client port.";
  if (section == "storage") return "What is kept, and the queue before it.";
  if (section == "storage.mysql") return "Only for storage.kind mysql.";
  if (section == "topology") return "Which nodes there are.";
  if (section == "cluster") return "Only for topology.kind consul: the nodes among each other.";
  if (section == "scheduler") return "The threads that run actors.";
  if (section == "gateway") return "Connections of clients.";
  if (section == "sessions") return "Signed-in devices; a session outlives its socket.";
  if (section == "entities") return "Channels, sessions, users, workspaces and presence buckets: one actor each.";
  if (section == "presence") return "Who is shown as active.";
  if (section == "rate_limits") return "What one caller may do.";
  if (section == "limits") return "How large things may be.";
  if (section == "log") return "Log lines on standard error.";
  if (section == "admin") return "Provisioning and the shell.";
  return {};
}

}  // namespace throng
