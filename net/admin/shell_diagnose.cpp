// SPDX-License-Identifier: Apache-2.0
// The shell's commands for when something is wrong: `diagnose`, one screen of it, and `snapshot`, all for a bug report.
#include <algorithm>

#include "config/log.hpp"
#include "net/admin/metrics.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_cluster.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_health.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"

namespace throng {

namespace {

constexpr std::size_t entities_max = 100;  // of each sort
constexpr std::size_t audit_max = 50;

std::chrono::milliseconds a_while(const shell_words&) { return std::chrono::seconds(2); }

void write_view(json_writer& out, const entity_view& view) {
  out.begin_object().member("entity", to_text(view.key)).member("state", name_of(view.state));
  out.member("mailbox", view.mailbox).member("waiting", view.waiting).member("messages", view.messages);
  out.member("crashes", view.crashes).member("age_ms", view.age.count()).member("idle_ms", view.idle.count());
  if (!view.reason.empty()) out.member("reason", view.reason);
  out.end_object();
}

void write_link(json_writer& out, const links::view& link) {
  const auto& figures = link.figures;
  out.begin_object().member("peer", link.peer.name).member("is_up", link.is_up);
  out.member("suspicion_x1000", static_cast<std::int64_t>(std::min(link.suspicion, 1e6) * 1'000));
  out.member("round_trip_us", link.round_trip.count()).member("reconnects", link.reconnects);
  out.member("parcels_sent", figures.parcels_sent).member("parcels_received", figures.parcels_received);
  out.member("bytes_sent", figures.bytes_sent).member("refused", figures.refused);
  out.member("waiting_bytes", figures.waiting_bytes).member("in_flight_bytes", figures.in_flight_bytes).end_object();
}

void write_members(json_writer& out, const cluster_agent::view& cluster) {
  out.begin_object().member("is_member", cluster.is_member).member("is_leader", cluster.is_leader);
  out.member("leader", cluster.facts.lead.leader).member("term", cluster.facts.lead.term);
  out.member("table_version", cluster.facts.table ? cluster.facts.table->version() : 0);
  out.member("slots", slots_summary(cluster)).key("members").begin_array();
  for (const auto& each : cluster.facts.members)
    out.begin_object()
        .member("node", each.who.name)
        .member("number", each.who.node.value)
        .member("incarnation", each.who.incarnation)
        .member("link", each.who.link_address)
        .member("clients", each.who.client_url)
        .member("applied", each.applied)
        .member("moving", each.moving)
        .member("is_draining", each.is_draining)
        .end_object();
  out.end_array().end_object();
}

void write_metrics(json_writer& out, std::string_view text) {
  out.begin_object();
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto blank = line.rfind(' ');
    if (line.starts_with('#') || blank == line.npos) continue;
    out.text_key(line.substr(0, blank)).value(line.substr(blank + 1));
  }
  out.end_object();
}

}  // namespace

std::vector<shell::command> shell::trouble_commands() {
  return {
      {"diagnose", "diagnose", "what is wrong or suspicious in the whole cluster, and what to do", false,
       &shell::diagnose, scope_t::everywhere, &shell::merge_diagnoses, a_while},
      {"snapshot", "snapshot [--file FILE]", "all that is known of the cluster now, for a bug report; no secrets",
       false, &shell::snapshot, scope_t::everywhere, &shell::merge_snapshots, a_while},
  };
}

/// What can't be said of the store now is left out: the rest is worth seeing all the more.
void shell::with_shards(std::function<void(std::vector<shard_view>)> use) {
  const bool is_taken = looker_.submit([this, use] {
    std::vector<shard_view> shards;
    try {
      if (services_.storage) shards = services_.storage->shards();
    } catch (const std::exception& failure) {
      log::warn("the shell could not look at the store: {}", failure.what());
    }
    use(std::move(shards));
  });
  if (!is_taken) use({});
}

/// What the node knows now.
void shell::look_around(std::function<void(node_condition)> done) {
  auto run = [this, done](std::vector<shard_view> shards) {
    auto at = std::make_shared<node_condition>();
    at->node = services_.node;
    at->is_ready = services_.is_ready.load();
    at->is_topology_away = services_.is_topology_away && services_.is_topology_away();
    if (services_.membership) at->cluster = services_.membership();
    if (services_.link_views) at->between = services_.link_views();
    if (services_.placed) at->placed = services_.placed();
    at->now = services_.door.wall();
    at->region = services_.inspect.figures();
    at->commits = services_.commits.read_figures();
    at->waiting_reads = services_.readers.waiting();
    at->shards = std::move(shards);
    inspection::filter longest;
    longest.order = inspection::filter::order_t::mailbox;
    longest.count_max = entities_max;
    services_.inspect.entities(longest, [this, at, done](std::vector<entity_view> views) {
      sort_views(views, inspection::filter::order_t::mailbox);
      at->longest = std::move(views);
      inspection::filter troubled;
      troubled.only_troubled = true;
      troubled.order = inspection::filter::order_t::crashes;
      troubled.count_max = entities_max;
      services_.inspect.entities(troubled, [at, done](std::vector<entity_view> ill) {
        at->troubled = std::move(ill);
        done(std::move(*at));
      });
    });
  };
  with_shards(run);
}

void shell::diagnose(const shell_words&, io_loop&, answer reply) {
  look_around([reply](const node_condition& at) {
    std::string text;
    json_writer out(text);
    out.begin_object().member("at_us", at.now.time_since_epoch().count()).key("findings").begin_array();
    for (const auto& each : findings_of(at))
      out.begin_object()
          .member("is_wrong", each.level == finding::level_t::wrong)
          .member("what", each.what)
          .member("todo", each.todo)
          .end_object();
    out.end_array().end_object();
    reply(value_reply(text));
  });
}

std::string shell::merge_diagnoses(const shell_words&, const shell_parts& all) {
  const auto parts = parsed(all);
  std::vector<std::pair<std::string, std::vector<finding>>> by_node;
  std::vector<std::pair<std::string, std::int64_t>> clocks;
  for (const auto& part : parts.good) {
    const auto value = part.root().find("value");
    auto& findings = by_node.emplace_back(part.node(), std::vector<finding>()).second;
    value.find("findings").for_each_element([&](json_value each) {
      findings.push_back(
          {each.find("is_wrong").as_bool().value_or(false) ? finding::level_t::wrong : finding::level_t::suspicious,
           std::string(each.find("what").as_string().value_or("")),
           std::string(each.find("todo").as_string().value_or(""))});
    });
    // It looked at its clock while it was asked: at most as far off as it took.
    const auto ahead = value.find("at_us").as_int().value_or(0) - part.part().came_at.time_since_epoch().count();
    const auto took = part.part().took.count();
    clocks.emplace_back(part.node(), ahead > 0 ? ahead : std::min<std::int64_t>(0, ahead + took));
  }
  return with_partial(table_reply(diagnosis_of(by_node, clocks, parts.partial)), parts.partial);
}

void shell::snapshot(const shell_words&, io_loop&, answer reply) {
  look_around([this, reply](const node_condition& at) {
    std::string text;
    json_writer out(text);
    out.begin_object().member("node", at.node).member("version", services_.version).member("at", utc_text(at.now));
    out.member("is_ready", at.is_ready).member("is_topology_away", at.is_topology_away);
    if (at.cluster) write_members(out.key("cluster"), *at.cluster);
    out.key("placement").begin_object().member("table_version", at.placed.table_version);
    out.member("open_slots", at.placed.open_slots).member("moving_slots", at.placed.moving_slots);
    out.member("held_items", at.placed.held_items).end_object();
    out.key("entities").begin_object();
    for (const auto& [kind, count] : at.region.entities_by_kind) out.member(to_string(kind), count);
    out.end_object().key("longest_mailboxes").begin_array();
    for (const auto& each : at.longest) write_view(out, each);
    out.end_array().key("troubled").begin_array();
    for (const auto& each : at.troubled) write_view(out, each);
    out.end_array().key("links").begin_array();
    for (const auto& each : at.between) write_link(out, each);
    out.end_array().raw_member("shards", table_reply(shards_table(at.shards)));
    out.raw_member("servers", table_reply(servers_table(at.shards))).key("findings").begin_array();
    for (const auto& each : findings_of(at)) out.value(each.what);
    out.end_array().key("audit").begin_array();
    if (services_.audit)
      for (const auto& each : services_.audit->newest(audit_max)) out.raw(to_json(each));
    out.end_array().key("metrics");
    write_metrics(out, render_metrics(services_));
    out.member("configuration", services_.configuration).end_object();
    reply(value_reply(text));
  });
}

std::string shell::merge_snapshots(const shell_words&, const shell_parts& all) {
  const auto parts = parsed(all);
  std::string text;
  json_writer out(text);
  out.begin_object().member("at", utc_text(services_.door.wall())).member("asked", services_.node);
  out.key("nodes").begin_object();
  for (const auto& each : parts.good) out.text_key(each.node()).raw(each.root().find("value").raw());
  out.end_object().end_object();
  return with_partial(value_reply(text), parts.partial);
}

}  // namespace throng
