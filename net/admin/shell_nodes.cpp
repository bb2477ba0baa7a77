// SPDX-License-Identifier: Apache-2.0
// The shell's commands about the cluster, its nodes and what runs on them.
#include <algorithm>

#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

shell_tree gateway_tree(const server& sockets, const std::vector<entity_view>& entities, std::size_t limit) {
  shell_tree gateway{"gateway: " + std::to_string(sockets.figures().websockets) + " websockets", {}};
  for (std::size_t i = 0; i < sockets.loop_count(); ++i) {
    const auto figures = sockets.figures_of(i);
    gateway.children.push_back({"io loop " + std::to_string(i) + ": " + std::to_string(figures.connections) +
                                    " connections, " + std::to_string(figures.websockets) + " websockets",
                                {}});
  }
  shell_tree sessions{"sessions", {}};
  std::size_t count = 0;
  for (const auto& each : entities)
    if (each.key.kind == entity_kind::session && ++count <= limit) sessions.children.push_back({to_text(each.key), {}});
  if (count > limit) sessions.children.push_back({"… " + std::to_string(count - limit) + " more (--limit)", {}});
  sessions.name += ": " + std::to_string(count);
  gateway.children.push_back(std::move(sessions));
  return gateway;
}

shell_tree region_tree(std::vector<entity_view> entities, const cluster_agent::view* cluster, std::size_t limit) {
  std::stable_sort(entities.begin(), entities.end(),
                   [](const entity_view& a, const entity_view& b) { return slot_of(a.key) < slot_of(b.key); });
  shell_tree region{"region: " + std::to_string(entities.size()) + " entities", {}};
  std::optional<slot_id> last;
  std::size_t shown = 0;
  for (const auto& each : entities) {
    if (++shown > limit) break;
    if (last != slot_of(each.key)) {
      last = slot_of(each.key);
      region.children.push_back({"slot " + std::to_string(last->value), {}});
    }
    std::string line = to_text(each.key);
    if (const auto state = state_of(each, cluster); state != name_of(entity_view::state_t::active))
      line += " (" + state + ")";
    region.children.back().children.push_back({std::move(line), {}});
  }
  if (entities.size() > limit)
    region.children.push_back({"… " + std::to_string(entities.size() - limit) + " more (--limit)", {}});
  return region;
}

}  // namespace

std::vector<shell::command> shell::node_commands() {
  return {
      {"nodes", "nodes", "the cluster's nodes, with what they carry", false, &shell::nodes, scope_t::everywhere,
       &shell::merge_nodes},
      {"pins", "pins", "entities that belong on a node of their own, wherever their slots are", false, &shell::pins},
      {"slots", "slots [--limit N]", "slots in use: owner, epoch, entities", false, &shell::slots, scope_t::everywhere,
       &shell::merge_slots},
      {"tree", "tree [--limit N]", "the supervision tree; --limit is for the entities of each node", false,
       &shell::tree, scope_t::everywhere, &shell::merge_trees},
  };
}

/// What only the node itself knows; the rest is merge_nodes()'.
void shell::nodes(const shell_words&, io_loop&, answer reply) {
  shell_table table{{"NODE", "READY", "ENTITIES", "CONNECTIONS", "UP", "VERSION"}, {}, {}};
  const auto up = std::chrono::duration_cast<std::chrono::milliseconds>(services_.door.now() - services_.started);
  table.rows.push_back({services_.node, services_.is_ready.load() ? "yes" : "no", services_.inspect.figures().entities,
                        services_.sockets.figures().websockets, time_text(up), services_.version});
  reply(table_reply(table));
}

void shell::pins(const shell_words&, io_loop&, answer reply) {
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  if (!cluster) return reply(failure_reply({errc::not_found, "this node is alone: nothing can be pinned"}));
  reply(table_reply(pins_table(*cluster)));
}

std::string shell::merge_nodes(const shell_words&, const shell_parts& all) {
  const auto parts = parsed(all);
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  auto table = cluster ? nodes_table(*cluster, services_.link_views())
                       : shell_table{{"NODE", "SLOTS"}, {{services_.node, slot_count}}, {}};
  const std::vector<std::string> own_columns{"READY", "ENTITIES", "CONNECTIONS", "UP", "VERSION"};
  table.columns.insert(table.columns.end(), own_columns.begin(), own_columns.end());
  for (auto& row : table.rows) {
    const auto part = std::ranges::find(parts.good, row[0].text, &parsed_part::node);
    const auto own = part != parts.good.end() ? table_of(part->root()) : shell_table{};
    for (const auto& column : own_columns) {
      const auto found = static_cast<std::size_t>(std::ranges::find(own.columns, column) - own.columns.begin());
      row.push_back(found < own.columns.size() && !own.rows.empty() ? own.rows[0][found] : shell_cell("?"));
    }
  }
  return with_partial(table_reply(table), parts.partial);
}

void shell::slots(const shell_words& words, io_loop&, answer reply) {
  services_.inspect.slots([limit = limit_of(words), node = services_.node, reply](std::vector<slot_view> views) {
    std::sort(views.begin(), views.end(), [](const slot_view& a, const slot_view& b) { return a.slot < b.slot; });
    shell_table table{{"SLOT", "EPOCH", "ENTITIES", "STREAMS", "MAILBOX", "NODE"}, {}, {}};
    std::uint64_t used = 0;
    for (const auto& each : views) {
      if (!each.entities && !each.streams) continue;
      if (++used > limit) continue;
      table.rows.push_back({each.slot.value, each.epoch, each.entities, each.streams, each.mailbox, node});
      table.order.push_back(-std::int64_t{each.slot.value});  // the smallest first
    }
    table.total = used;
    reply(table_reply(table));
  });
}

std::string shell::merge_slots(const shell_words& words, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  auto table = merged_table(parts.good, limit_of(words), "slots in use");
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  table.note += "; " + (cluster ? slots_summary(*cluster)
                                : std::to_string(slot_count) + " slots, all owned by " + services_.node);
  return with_partial(table_reply(table), parts.partial);
}

void shell::tree(const shell_words& words, io_loop&, answer reply) {
  with_shards([this, limit = limit_of(words), reply](const std::vector<shard_view>& shards) {
    auto root = std::make_shared<shell_tree>(shell_tree{"node " + services_.node, {}});
    shell_tree storage{"storage", {}};
    storage.children.push_back(
        {"commit queue: " + std::to_string(services_.commits.read_figures().waiting_units) + " waiting", {}});
    storage.children.push_back({"readers: " + std::to_string(services_.readers.waiting()) + " waiting", {}});
    for (const auto& each : shards) {
      shell_tree shard{"shard " + each.range + ": " + each.diagnosis, {}};
      for (const auto& server : each.servers)
        shard.children.push_back(
            {(server.is_primary ? "primary " : "replica ") + server.address + ": " + server.state, {}});
      storage.children.push_back(std::move(shard));
    }
    root->children.push_back(std::move(storage));
    inspection::filter filter;
    filter.count_max = shell_rows_max;
    services_.inspect.entities(filter, [this, root, limit, reply](std::vector<entity_view> views) {
      sort_views(views, inspection::filter::order_t::any);
      root->children.push_back(gateway_tree(services_.sockets, views, limit));
      const auto cluster = services_.membership ? services_.membership() : nullptr;
      root->children.push_back(region_tree(std::move(views), cluster.get(), limit));
      reply(tree_reply(*root));
    });
  });
}

std::string shell::merge_trees(const shell_words&, const shell_parts& all) {
  const auto parts = parsed(all);
  if (parts.good.empty()) return with_partial(parts.first_failure, all.partial);
  if (parts.good.size() == 1 && parts.partial.empty()) return all.answered[0].text;
  std::string text;
  json_writer out(text);
  out.begin_object().member("ok", true).key("tree").begin_object();
  out.member("name", "cluster of " + std::to_string(parts.good.size() + parts.partial.size()) + " nodes");
  out.key("children").begin_array();
  for (const auto& each : parts.good) out.raw(each.root().find("tree").raw());
  for (const auto& each : parts.partial) out.begin_object().member("name", each).end_object();
  out.end_array().end_object().end_object();
  return with_partial(std::move(text), parts.partial);
}

}  // namespace throng
