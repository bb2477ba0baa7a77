// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/shard_map.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "storage/json/json.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

error wrong(const topology_entry& entry, const std::string& what) {
  return {errc::invalid_json, entry.key + ": " + what};
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failed == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

/// Nothing if `name` isn't a list of servers.
std::optional<std::vector<server_address>> servers_of(json_value object, std::string_view name) {
  const auto list = object.find(name);
  if (!list.is_array()) return std::nullopt;
  std::vector<server_address> servers;
  bool is_fine = true;
  list.for_each_element([&](json_value each) {
    const auto text = each.as_string();
    if (text && is_server_address(*text) && std::ranges::find(servers, *text) == servers.end())
      servers.emplace_back(*text);
    else
      is_fine = false;
  });
  if (!is_fine) return std::nullopt;
  return servers;
}

bool is_one_of(const server_address& server, const std::vector<server_address>& servers) {
  return std::ranges::find(servers, server) != servers.end();
}

void append_servers(json_writer& w, std::string_view name, const std::vector<server_address>& servers) {
  w.key(name).begin_array();
  for (const auto& server : servers) w.value(server);
  w.end_array();
}

/// The keyspace ids that no shard of these has, where the first hole is.
std::optional<key_range> first_hole(const std::vector<shard_record>& sorted) {
  ksid_t expected = 0;
  for (const auto& shard : sorted) {
    if (shard.range.begin != expected) return key_range{expected, shard.range.begin};
    expected = shard.range.end;
    if (expected == 0) return std::nullopt;
  }
  return key_range{expected, 0};
}

}  // namespace

bool is_server_address(std::string_view text) {
  if (text.starts_with('/')) return text.size() > 1 && text.size() < 108;  // sockaddr_un::sun_path
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 255 || !is_port(text.substr(colon + 1))) return false;
  return std::ranges::all_of(text.substr(0, colon), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
           c == '_';
  });
}

std::string shard_key(std::string_view keyspace, const key_range& range) {
  return "shards/" + std::string(keyspace) + "/" + to_text(range);
}

std::string serving_key(std::string_view keyspace) { return "serving/" + std::string(keyspace); }

std::string to_json(const shard_record& record) {
  std::string out;
  json_writer w(out);
  w.begin_object();
  w.member("keyspace", record.keyspace).member("range", to_text(record.range)).member("term", record.term);
  w.member("primary", record.primary);
  append_servers(w, "servers", record.servers);
  append_servers(w, "in_sync", record.in_sync);
  w.member("reason", record.reason).end_object();
  return out;
}

result<shard_record> parse_shard_record(const topology_entry& entry) {
  const auto parsed = parse_json(entry.value);
  if (!parsed) return wrong(entry, parsed.failure().detail);
  const auto root = parsed->root();
  if (!root.is_object()) return wrong(entry, "expected a JSON object");

  shard_record record;
  record.version = entry.version;
  const auto keyspace = root.find("keyspace").as_string();
  if (!keyspace || keyspace->empty()) return wrong(entry, "expected a text \"keyspace\"");
  record.keyspace = *keyspace;
  const auto range_text = root.find("range").as_string();
  const auto range = range_text ? parse_key_range(*range_text) : std::nullopt;
  if (!range) return wrong(entry, "expected a \"range\" such as \"40-80\"");
  record.range = *range;
  if (entry.key != shard_key(record.keyspace, record.range))
    return wrong(entry, "holds another shard's record, " + shard_key(record.keyspace, record.range));

  const auto term = root.find("term").as_int();
  if (!term || *term < 1) return wrong(entry, "expected a \"term\" from 1 on");
  record.term = static_cast<term_t>(*term);
  auto servers = servers_of(root, "servers");
  if (!servers || servers->empty())
    return wrong(entry, "expected \"servers\", a list of one or more \"host:port\", each once");
  record.servers = std::move(*servers);
  auto in_sync = servers_of(root, "in_sync");
  if (!in_sync || !std::ranges::all_of(*in_sync, [&](const auto& each) { return is_one_of(each, record.servers); }))
    return wrong(entry, "expected \"in_sync\", a list of some of the servers");
  record.in_sync = std::move(*in_sync);
  const auto primary = root.find("primary").as_string();
  if (!primary || (!primary->empty() && !is_one_of(std::string(*primary), record.servers)))
    return wrong(entry, "expected a \"primary\" that is one of the servers, or empty");
  record.primary = *primary;
  if (const auto reason = root.find("reason").as_string()) record.reason = *reason;
  return record;
}

std::string serving_to_json(std::span<const key_range> ranges) {
  std::string out;
  json_writer w(out);
  w.begin_object().key("ranges").begin_array();
  for (const auto& range : ranges) w.value(to_text(range));
  w.end_array().end_object();
  return out;
}

result<std::vector<key_range>> parse_serving(const topology_entry& entry) {
  const auto parsed = parse_json(entry.value);
  if (!parsed) return wrong(entry, parsed.failure().detail);
  const auto list = parsed->root().find("ranges");
  if (!list.is_array()) return wrong(entry, "expected \"ranges\", a list of texts such as \"40-80\"");
  std::vector<key_range> ranges;
  std::string bad;
  list.for_each_element([&](json_value each) {
    const auto text = each.as_string();
    if (const auto range = text ? parse_key_range(*text) : std::nullopt)
      ranges.push_back(*range);
    else if (bad.empty())
      bad = each.raw();
  });
  if (!bad.empty()) return wrong(entry, bad + " is no range of whole slots such as \"40-80\"");
  return ranges;
}

result<shard_map> shard_map::make(std::vector<shard_record> serving, std::vector<shard_record> others,
                                  topology_version version) {
  std::ranges::sort(serving, {}, &shard_record::range);
  std::ranges::sort(others, {}, &shard_record::range);
  for (std::size_t i = 1; i < serving.size(); ++i) {
    const auto& left = serving[i - 1].range;
    const auto& right = serving[i].range;
    if (left == right) return error{errc::invalid_arguments, "there are two shards " + to_text(left)};
    if (left.overlaps(right))
      return error{errc::invalid_arguments, "shards " + to_text(left) + " and " + to_text(right) + " overlap"};
  }
  if (const auto hole = first_hole(serving)) return error{errc::invalid_arguments, "no shard has " + to_text(*hole)};
  shard_map map;
  map.serving_ = std::move(serving);
  map.others_ = std::move(others);
  map.version_ = version;
  return map;
}

shard_map shard_map::single(server_address primary) {
  shard_record record;
  record.term = 1;
  record.primary = primary;
  record.servers = {primary};
  record.in_sync = {std::move(primary)};
  auto map = make({std::move(record)}, {}, 1);
  THRONG_ASSERT(map);
  return std::move(map).value();
}

std::size_t shard_map::index_of(ksid_t place) const {
  const auto behind =
      std::ranges::upper_bound(serving_, place, {}, [](const auto& shard) { return shard.range.begin; });
  THRONG_ASSERT(behind != serving_.begin());  // make() saw to it: the first shard begins at 0
  return static_cast<std::size_t>(behind - serving_.begin()) - 1;
}

const shard_record* shard_map::find(const key_range& range) const {
  for (const auto* list : {&serving_, &others_}) {
    const auto found = std::ranges::find(*list, range, &shard_record::range);
    if (found != list->end()) return &*found;
  }
  return nullptr;
}

}  // namespace throng
