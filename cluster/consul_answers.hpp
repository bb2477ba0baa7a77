// SPDX-License-Identifier: Apache-2.0
// What Consul's HTTP API says, as values: https://developer.hashicorp.com/consul/api-docs. Pure; nothing that an agent
// (or whoever answers at its address) sends throws or is believed: what isn't as it should be is errc::invalid_json
// with a sentence.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

/// One key of Consul's KV store.
struct consul_pair {
  std::string key;
  std::string value;
  std::uint64_t flags = 0;  // ours to use
  std::string session;      // who holds it; empty: nobody
  std::uint64_t modify_index = 0;
};

/// One instance of a service, as it registered itself.
struct consul_instance {
  std::string id;
  std::string name;
  std::string address;
  std::uint16_t port = 0;
  std::vector<std::string> tags;
  std::map<std::string, std::string> meta;
  friend bool operator==(const consul_instance&, const consul_instance&) = default;
};

/// GET /v1/kv/…; in the order of the keys' bytes.
result<std::vector<consul_pair>> parse_consul_pairs(std::string_view body);
/// PUT /v1/session/create.
result<std::string> parse_consul_session_id(std::string_view body);
/// PUT /v1/kv/…?cas=: "true" or "false".
result<bool> parse_consul_flag(std::string_view body);
/// PUT /v1/txn when it was rolled back (status 409): the numbers of the operations that failed.
result<std::vector<std::size_t>> parse_consul_failed_operations(std::string_view body);
/// GET /v1/health/service/…; by id. An instance without an address of its own has its node's.
result<std::vector<consul_instance>> parse_consul_instances(std::string_view body);

/// The index to wait for next, from the last one and the header X-Consul-Index; 0: ask without waiting. By Consul's
/// rules for clients: an index that went backwards (an agent that forgot, or was restored) starts again, and one that
/// makes no sense never waits.
std::uint64_t next_consul_index(std::uint64_t last, std::string_view header);

}  // namespace throng
