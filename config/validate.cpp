// SPDX-License-Identifier: Apache-2.0
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

namespace throng {

namespace {

bool is_node_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
           c == '.';
  });
}

bool is_readable_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return file && file.peek() != std::ifstream::traits_type::eof();
}

bool is_base_url(std::string_view url) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    return !url.empty() && url.find_first_of(" \"<>\\^`{|}?#@") == std::string_view::npos && url.front() != '/';
  }
  return false;
}

/// Two listeners on one port of one machine; port 0 never collides.
bool collide(const host_port& a, const host_port& b) {
  auto any = [](const host_port& x) { return x.host == "0.0.0.0" || x.host == "::"; };
  return a.port != 0 && a.port == b.port && (a.host == b.host || any(a) || any(b));
}

bool are_addresses(std::string_view list) {
  while (true) {
    const auto comma = list.find(',');
    if (!parse_host_port(list.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

bool is_identifier(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  });
}

bool is_whole_seconds(configuration::duration time) { return time.count() % 1'000 == 0; }

}  // namespace

std::optional<config_problem> validate(const configuration& c, const config_origins& origins) {
  std::optional<config_problem> first;
  // Says it for the first of the keys that somebody set, since a default can't be wrong by itself.
  auto require = [&](bool holds, std::initializer_list<std::string_view> keys, std::string expected) {
    if (holds || first) return;
    auto blamed = std::ranges::find_if(keys, [&](auto key) { return origins.contains(key); });
    if (blamed == keys.end()) blamed = keys.begin();
    auto origin = origins.find(*blamed);
    first = {origin == origins.end() ? "default" : origin->second, std::string(*blamed), "expected " + expected};
  };

  require(is_node_name(c.node), {"node"}, "letters, digits, '-', '_' and '.'");
  require(!collide(c.listen.client, c.listen.admin), {"listen.admin", "listen.client"},
          "different ports in listen.client and listen.admin");
  require(!collide(c.listen.client, c.listen.node), {"listen.node", "listen.client"},
          "different ports in listen.client and listen.node");
  require(!collide(c.listen.admin, c.listen.node), {"listen.node", "listen.admin"},
          "different ports in listen.admin and listen.node");
  require(is_loopback(c.listen.node) || c.cluster.encrypts(), {"listen.node"},
          "a loopback address, or cluster.certificate to encrypt what nodes say");

  const auto& n = c.cluster;
  require(n.certificate.empty() == n.key.empty() && n.certificate.empty() == n.authority.empty(),
          {"cluster.certificate", "cluster.key", "cluster.authority"},
          "cluster.certificate, cluster.key and cluster.authority, or none of them");
  for (const auto& [key, file] : {std::pair{"cluster.certificate", n.certificate}, std::pair{"cluster.key", n.key},
                                  std::pair{"cluster.authority", n.authority}})
    require(file.empty() || is_readable_file(file), {key}, "a file that can be read");
  if (c.topology.kind == topology_kind::consul) {
    require(c.storage.kind == storage_kind::mysql, {"topology.kind", "storage.kind"},
            "storage.kind mysql with topology.kind consul: the nodes of a cluster share their store");
    require((c.listen.node.host != "0.0.0.0" && c.listen.node.host != "::") || !n.address.empty(), {"listen.node"},
            "an address that other nodes can connect to, or one in cluster.address");
    const auto told = parse_host_port(n.address);
    require(n.address.empty() || (told && told->port != 0), {"cluster.address"},
            "HOST:PORT that others can connect to");
    require(c.topology.prefix.empty() || c.topology.prefix.ends_with('/'), {"topology.prefix"}, "a slash at the end");
    require(are_addresses(c.topology.agents), {"topology.agents"}, "HOST:PORT, or several of them with commas");
  }

  require(c.tls.certificate.empty() == c.tls.key.empty(), {"tls.certificate", "tls.key"},
          "both tls.certificate and tls.key, or neither");
  require(!c.tls.enabled() || is_readable_file(c.tls.certificate), {"tls.certificate"}, "a file that can be read");
  require(!c.tls.enabled() || is_readable_file(c.tls.key), {"tls.key"}, "a file that can be read");

  require(c.storage.messages_kept.count() == 0 || c.storage.messages_kept >= std::chrono::hours(24),
          {"storage.messages_kept"}, "0 (for ever) or at least 1d");
  require(c.storage.batch_units_max <= c.storage.waiting_units_max,
          {"storage.batch_units_max", "storage.waiting_units_max"},
          "storage.batch_units_max of at most storage.waiting_units_max");

  const auto& m = c.storage.mysql;
  require(is_identifier(m.database), {"storage.mysql.database"}, "letters, digits and '_'");
  require(is_whole_seconds(m.connect_timeout), {"storage.mysql.connect_timeout"}, "whole seconds");
  require(is_whole_seconds(m.statement_timeout), {"storage.mysql.statement_timeout"}, "whole seconds");
  require(is_whole_seconds(m.idle_transaction_timeout), {"storage.mysql.idle_transaction_timeout"}, "whole seconds");
  if (c.storage.kind == storage_kind::mysql) {
    require(!m.vtgate || parse_host_port(m.shards), {"storage.mysql.shards", "storage.mysql.vtgate"},
            "the HOST:PORT of one vtgate, since storage.mysql.vtgate is true");
    require(m.vschema.empty() || is_readable_file(m.vschema), {"storage.mysql.vschema"}, "a file that can be read");
    require(m.vtgate || !m.supervise || m.user != m.admin_user, {"storage.mysql.admin_user", "storage.mysql.user"},
            "different accounts in storage.mysql.user and storage.mysql.admin_user: the first must not be able to "
            "write to a server that was deposed");
  }

  const auto& g = c.gateway;
  require(g.public_url.empty() || is_base_url(g.public_url), {"gateway.public_url"},
          "http://HOST or https://HOST, with a port or a path if need be");
  require(g.body_bytes_max <= g.bodies_bytes_max, {"gateway.body_bytes_max", "gateway.bodies_bytes_max"},
          "gateway.body_bytes_max of at most gateway.bodies_bytes_max, or the largest request never fits");
  require(g.frame_bytes_max <= g.body_bytes_max, {"gateway.frame_bytes_max", "gateway.body_bytes_max"},
          "gateway.frame_bytes_max of at most gateway.body_bytes_max");
  require(g.kernel_unsent_bytes_max <= g.outbox_bytes_max,
          {"gateway.kernel_unsent_bytes_max", "gateway.outbox_bytes_max"},
          "gateway.kernel_unsent_bytes_max of at most gateway.outbox_bytes_max, which is the one that is judged by");
  require(c.entities.ask_timeout <= g.request_timeout, {"entities.ask_timeout", "gateway.request_timeout"},
          "entities.ask_timeout of at most gateway.request_timeout, or nobody waits for the answer");

  // A message that is allowed must fit into the request that posts it; form encoding takes up to 3 bytes for one.
  const auto& l = c.limits;
  require(std::max(l.blocks_bytes_max, l.attachments_bytes_max) * 3 <= g.body_bytes_max,
          {"limits.blocks_bytes_max", "limits.attachments_bytes_max", "gateway.body_bytes_max"},
          "gateway.body_bytes_max of at least 3 times the larger of limits.blocks_bytes_max and "
          "limits.attachments_bytes_max");
  return first;
}

}  // namespace throng
