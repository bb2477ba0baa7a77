// SPDX-License-Identifier: Apache-2.0
// The shell's commands about the cluster, its nodes and what runs on them.
#include <algorithm>

#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

std::vector<shell::command> shell::node_commands() {
  return {
      {"nodes", "nodes", "the cluster's nodes, with what they carry", false, &shell::nodes},
      {"slots", "slots [--limit N]", "slots in use: owner, epoch, entities", false, &shell::slots},
      {"tree", "tree [--limit N]", "the supervision tree", false, &shell::tree},
  };
}

void shell::nodes(const shell_words&, io_loop&, answer reply) {
  if (const auto cluster = services_.membership ? services_.membership() : nullptr)
    return reply(table_reply(nodes_table(*cluster, services_.link_views())));
  const auto figures = services_.inspect.figures();
  const auto sockets = services_.sockets.figures();
  shell_table table{{"NODE", "STATE", "SLOTS", "ENTITIES", "CONNECTIONS", "VERSION"}, {}, {}};
  table.rows.push_back({services_.node, services_.is_ready.load() ? "ready" : "not ready", slot_count, figures.entities,
                        sockets.websockets, services_.version});
  reply(table_reply(table));
}

void shell::slots(const shell_words& words, io_loop&, answer reply) {
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  services_.inspect.slots(
      [limit = limit_of(words), node = services_.node, cluster, reply](std::vector<slot_view> views) {
        std::sort(views.begin(), views.end(), [](const slot_view& a, const slot_view& b) { return a.slot < b.slot; });
        shell_table table{{"SLOT", "OWNER", "EPOCH", "ENTITIES", "STREAMS", "MAILBOX"}, {}, {}};
        for (const auto& each : views)
          if (table.rows.size() < limit && (each.entities || each.streams))
            table.rows.push_back({each.slot.value, cluster ? owner_of(*cluster, each.slot) : node, each.epoch,
                                  each.entities, each.streams, each.mailbox});
        table.note = (cluster ? slots_summary(*cluster) : std::to_string(slot_count) + " slots, all owned by " + node) +
                     "; " + std::to_string(views.size()) + " have been used on " + node + " since the start";
        reply(table_reply(table));
      });
}

void shell::tree(const shell_words& words, io_loop&, answer reply) {
  inspection::filter filter;
  filter.count_max = shell_rows_max;
  const auto sockets = services_.sockets.figures();
  const auto commits = services_.commits.read_figures();
  auto root = std::make_shared<shell_tree>(shell_tree{"node " + services_.node, {}});
  root->children.push_back({"storage",
                            {{"commit queue: " + std::to_string(commits.waiting_units) + " waiting", {}},
                             {"readers: " + std::to_string(services_.readers.waiting()) + " waiting", {}}}});
  shell_tree gateway{"gateway: " + std::to_string(sockets.websockets) + " websockets", {}};
  for (std::size_t i = 0; i < services_.sockets.loop_count(); ++i)
    gateway.children.push_back({"io loop " + std::to_string(i), {}});
  root->children.push_back(std::move(gateway));
  services_.inspect.entities(filter, [root, limit = limit_of(words), reply](std::vector<entity_view> views) {
    sort_views(views, "");
    std::stable_sort(views.begin(), views.end(),
                     [](const entity_view& a, const entity_view& b) { return slot_of(a.key) < slot_of(b.key); });
    shell_tree region{"region: " + std::to_string(views.size()) + " entities", {}};
    std::optional<slot_id> last;
    std::size_t shown = 0;
    for (const auto& each : views) {
      if (++shown > limit) break;
      if (last != slot_of(each.key)) {
        last = slot_of(each.key);
        region.children.push_back({"slot " + std::to_string(last->value), {}});
      }
      std::string line = to_text(each.key);
      if (each.state != entity_view::state_t::active) line += " (" + std::string(name_of(each.state)) + ")";
      region.children.back().children.push_back({std::move(line), {}});
    }
    if (views.size() > limit)
      region.children.push_back({"… " + std::to_string(views.size() - limit) + " more (--limit)", {}});
    root->children.push_back(std::move(region));
    reply(tree_reply(*root));
  });
}

}  // namespace throng
