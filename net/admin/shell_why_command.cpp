// SPDX-License-Identifier: Apache-2.0
// The shell's `why`: each node tells its part of a message's way, and the node that has the channel what is stored.
#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_gather.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_why.hpp"

namespace throng {

namespace {

constexpr std::size_t deliveries_max = 1'000;  // a node has a few for each post: one an io loop, and repeats

/// What this node knows: the posts with that ts, as far as it keeps them.
struct local_hops {
  std::vector<why_hop> hops;
  std::optional<entity_key> channel;  // of the latest
  bool was_published_here = false;
};

}  // namespace

std::vector<shell::command> shell::why_commands() {
  return {
      {"why", "why MESSAGE-TS [CHANNEL]", "where a message was, and when, from the call to its readers' sockets", false,
       &shell::why, scope_t::everywhere, &shell::merge_why},
  };
}

void shell::why(const shell_words& words, io_loop&, answer reply) {
  const auto ts = words.arguments.empty() ? std::nullopt : parse_ts(words.arguments[0]);
  if (!ts || words.arguments.size() > 2) return reply(failure_reply(usage_of("why")));
  std::optional<entity_key> channel;
  if (words.arguments.size() == 2) {
    channel = parse_entity_key(words.arguments[1]);
    if (!channel || channel->kind != entity_kind::channel)
      return reply(failure_reply({errc::invalid_arguments, words.arguments[1] + " is no channel"}));
  }

  const auto cluster = services_.membership ? services_.membership() : nullptr;
  const auto name_of_node = [&](node_index node) { return cluster ? name_of(*cluster, node) : services_.node; };
  local_hops local;
  for (const auto& past : services_.inspect.passages(ts->micros, channel)) {
    auto hops = hops_of(past, services_.node, name_of_node);
    local.hops.insert(local.hops.end(), hops.begin(), hops.end());
    local.channel = past.stream;
    local.was_published_here = true;
  }
  if (services_.deliveries)
    for (const auto& each : services_.deliveries->find(deliveries_max, [&](const delivery_note& note) {
           return note.ts == *ts && (!channel || note.stream == *channel);
         })) {
      local.hops.push_back(hop_of(each, services_.node));
      local.channel = each.stream;
    }

  // One node looks into the store: the one that published it, or the one that has the channel now.
  if (!channel) channel = local.channel;
  const bool has_channel = channel && (!cluster || owner_of(*cluster, slot_of(*channel)) == services_.node);
  if (!channel || !(local.was_published_here || has_channel)) return reply(table_reply(why_part(local.hops)));
  services_.readers.read(keyspace_id(*channel), [hops = std::move(local.hops), at = *ts, key = *channel, reply,
                                                 here = services_.node](store_reader* reader, errc refused) mutable {
    auto row = reader ? reader->message({key.id}, at) : result<message_record>(refused);
    hops.push_back(stored_hop(key, at, row, here));
    reply(table_reply(why_part(std::move(hops))));
  });
}

std::string shell::merge_why(const shell_words& words, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  std::vector<why_hop> hops;
  for (const auto& part : parts.good)
    for (auto& hop : hops_of(part.root())) hops.push_back(std::move(hop));
  if (hops.empty())
    return with_partial(
        failure_reply(
            {errc::not_found, "no node remembers a message " + words.arguments[0] +
                                  (words.arguments.size() < 2 ? "; name its channel to look in the store" : "")}),
        parts.partial);
  return with_partial(table_reply(why_table(std::move(hops))), parts.partial);
}

}  // namespace throng
