// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_plan.hpp"

#include <algorithm>
#include <optional>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

error refuse(std::string why) { return {errc::invalid_arguments, std::move(why)}; }

std::string list_of(std::span<const key_range> ranges) {
  std::string out;
  for (const auto& range : ranges) out += (out.empty() ? "" : ", ") + to_text(range);
  return out;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// Of sorted ranges, the first two that overlap.
std::optional<std::pair<key_range, key_range>> first_overlap(std::span<const key_range> sorted) {
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1].overlaps(sorted[i])) return std::pair{sorted[i - 1], sorted[i]};
  return std::nullopt;
}

/// The first part of `of` that no range of `by` has. Both sorted, without overlaps.
std::optional<key_range> first_uncovered(std::span<const key_range> of, std::span<const key_range> by) {
  for (const auto& range : of) {
    auto expected = range.begin;
    for (const auto& each : by) {
      if (!each.overlaps(range)) continue;
      if (each.begin > expected) return key_range{expected, each.begin};
      expected = each.end;
      if (expected == 0 || (range.end != 0 && expected >= range.end)) break;
    }
    const auto is_covered =
        (expected == 0 &&
         std::ranges::any_of(by, [&](const auto& each) { return each.end == 0 && each.overlaps(range); })) ||
        (range.end != 0 && expected >= range.end);
    if (!is_covered) return key_range{expected, range.end};
  }
  return std::nullopt;
}

bool serves(const shard_map& map, const key_range& range) {
  return std::ranges::find(map.serving(), range, &shard_record::range) != map.serving().end();
}

std::vector<key_range> serving_ranges(const shard_map& map) {
  std::vector<key_range> ranges;
  for (const auto& shard : map.serving()) ranges.push_back(shard.range);
  return ranges;
}

/// Who has a server already, "" if nobody has.
std::string owner_of(const shard_map& map, const server_address& server) {
  for (const auto* list : {&map.serving(), &map.others()})
    for (const auto& shard : *list)
      if (std::ranges::find(shard.servers, server) != shard.servers.end()) return shard.name();
  return {};
}

/// Each target has servers, of its own.
std::optional<error> check_servers(const shard_map& map, std::vector<reshard_target>& targets) {
  std::vector<server_address> seen;
  for (auto& target : targets) {
    const auto name = to_text(target.range);
    const auto* known = map.find(target.range);
    if (!known && target.servers.empty())
      return refuse("target " + name +
                    " has no servers, and the topology doesn't know such a shard: name them, as in " + name +
                    "=host:port");
    if (known && target.servers.empty()) target.servers = known->servers;
    if (known && target.servers != known->servers)
      return refuse("the topology has other servers for target " + name + ": leave them out to use those");
    for (const auto& server : target.servers) {
      if (!is_server_address(server)) return refuse("target " + name + ": " + server + " is no host:port");
      if (const auto owner = owner_of(map, server); !owner.empty() && owner != name)
        return refuse("server " + server + " belongs to shard " + owner + " already");
      if (std::ranges::find(seen, server) != seen.end()) return refuse("server " + server + " is named twice");
      seen.push_back(server);
    }
  }
  return std::nullopt;
}

}  // namespace

key_range shared_part(const key_range& a, const key_range& b) {
  THRONG_ASSERT(a.overlaps(b));
  const auto end = a.end == 0 ? b.end : b.end == 0 ? a.end : std::min(a.end, b.end);
  return {std::max(a.begin, b.begin), end};
}

std::vector<key_range> serving_set_after(std::span<const key_range> serving, std::span<const key_range> from,
                                         std::span<const key_range> to) {
  std::vector<key_range> after(to.begin(), to.end());
  for (const auto& range : serving)
    if (std::ranges::find(from, range) == from.end() && std::ranges::find(to, range) == to.end())
      after.push_back(range);
  std::ranges::sort(after);
  return after;
}

result<std::vector<key_range>> parse_shard_list(std::string_view text) {
  std::vector<key_range> ranges;
  for (const auto part : split(text, ", ")) {
    const auto range = parse_key_range(part);
    if (!range) return refuse(std::string(part) + " is no range of whole slots such as 40-80");
    ranges.push_back(*range);
  }
  if (ranges.empty()) return refuse("expected shards, as in -80,80-");
  return ranges;
}

result<std::vector<reshard_target>> parse_reshard_targets(std::string_view text) {
  std::vector<reshard_target> targets;
  const auto has_servers = text.find('=') != std::string_view::npos;  // then a comma separates servers, not shards
  for (const auto part : split(text, has_servers ? " " : ", ")) {
    const auto equals = std::min(part.find('='), part.size());
    const auto range = parse_key_range(part.substr(0, equals));
    if (!range) return refuse(std::string(part.substr(0, equals)) + " is no range of whole slots such as 40-80");
    reshard_target target{*range, {}};
    for (const auto server : split(part.substr(std::min(equals + 1, part.size())), ","))
      target.servers.emplace_back(server);
    targets.push_back(std::move(target));
  }
  if (targets.empty()) return refuse("expected targets, as in -80=host:port 80-=host:port");
  return targets;
}

result<reshard_plan> make_reshard_plan(const shard_map& map, std::string keyspace, std::vector<key_range> sources,
                                       std::vector<reshard_target> targets) {
  if (sources.empty()) return refuse("a reshard needs source shards");
  if (targets.empty()) return refuse("a reshard needs target shards");
  std::ranges::sort(sources);
  std::ranges::sort(targets, {}, &reshard_target::range);
  std::vector<key_range> target_ranges;
  for (const auto& target : targets) target_ranges.push_back(target.range);

  for (const auto& source : sources)
    if (!serves(map, source))
      return refuse("source " + to_text(source) + " doesn't serve (serving: " + list_of(serving_ranges(map)) + ")");
  for (const auto& target : target_ranges)
    if (serves(map, target)) return refuse("target " + to_text(target) + " serves already");
  if (const auto both = first_overlap(sources))
    return refuse("sources " + to_text(both->first) + " and " + to_text(both->second) + " overlap");
  if (const auto both = first_overlap(target_ranges))
    return refuse("targets " + to_text(both->first) + " and " + to_text(both->second) + " overlap");
  if (const auto hole = first_uncovered(sources, target_ranges))
    return refuse("no target takes " + to_text(*hole) + " of the sources");
  if (const auto hole = first_uncovered(target_ranges, sources))
    return refuse("the targets take " + to_text(*hole) + ", which no source has");
  if (auto wrong = check_servers(map, targets)) return *std::move(wrong);

  reshard_plan plan;
  plan.keyspace = std::move(keyspace);
  plan.serving_after = serving_set_after(serving_ranges(map), sources, target_ranges);
  for (const auto& source : sources)
    for (const auto& target : target_ranges)
      if (source.overlaps(target)) plan.streams.push_back({source, target, shared_part(source, target)});
  for (const auto& target : target_ranges)
    if (!map.find(target)) plan.unknown.push_back(target);
  plan.sources = std::move(sources);
  plan.targets = std::move(targets);
  return plan;
}

std::string to_text(const reshard_plan& plan) {
  std::string out = "keyspace " + plan.keyspace + ": " + list_of(plan.sources) + " -> ";
  for (std::size_t i = 0; i < plan.targets.size(); ++i) out += (i ? ", " : "") + to_text(plan.targets[i].range);
  out += "\n";
  for (const auto& stream : plan.streams)
    out += "  stream " + to_text(stream.source) + " -> " + to_text(stream.target) + ": rows of " +
           to_text(stream.rows) + "\n";
  for (const auto& target : plan.targets) {
    out += "  target " + to_text(target.range) + " on";
    for (const auto& server : target.servers) out += " " + server;
    out += "\n";
  }
  return out + "  serving after the switch: " + list_of(plan.serving_after) + "\n";
}

}  // namespace throng
