// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_health.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace throng {

namespace {

using std::chrono::milliseconds;
using level_t = finding::level_t;

// From here on it is worth a word. Guesses, well below the bounds themselves.
constexpr std::uint32_t mailbox_long = 1'000;
constexpr std::size_t link_waiting_long = 4u << 20;
constexpr std::size_t link_in_flight_long = 3u << 20;
constexpr double suspicion_high = 5;
constexpr milliseconds moving_long{10'000};
constexpr std::size_t units_long = 5'000;
constexpr std::size_t reads_long = 1'000;
constexpr milliseconds commit_slow{250};
constexpr milliseconds clock_apart{500};
constexpr std::size_t named_max = 20;  // of a sort

class list {
 public:
  void wrong(std::string what, std::string todo) { add(level_t::wrong, std::move(what), std::move(todo)); }
  void suspicious(std::string what, std::string todo) { add(level_t::suspicious, std::move(what), std::move(todo)); }
  std::vector<finding> all;

 private:
  void add(level_t level, std::string what, std::string todo) {
    all.push_back({level, std::move(what), std::move(todo)});
  }
};

void check_members(const cluster_agent::view& cluster, wall_time now, list& found) {
  const auto& facts = cluster.facts;
  if (!cluster.is_member)
    found.wrong(cluster.self.name + " is no member of its cluster",
                "see its log; it joins again by itself when it can");
  if (!facts.table)
    return found.wrong("there is no slot table", "see that a coordinator can reach Consul and the store");
  if (facts.lead.leader.empty())
    found.wrong("nobody coordinates: nothing is moved, and dead nodes keep their slots", "see whether Consul is there");
  for (const auto& member : facts.members) {
    if (is_unreachable(facts, member.who.node))
      found.wrong(member.who.name + " can't be reached by others",
                  "see its process and network; it is declared dead and its slots move if it stays so");
    if (member.is_draining) found.suspicious(member.who.name + " is being emptied", "nothing, if that is wanted");
    if (facts.wishes.draining.contains(member.who.name))
      found.suspicious(member.who.name + " is drained by hand: it takes no slots and no clients",
                       "undrain " + member.who.name + " when it shall serve again");
    const auto made = milliseconds(static_cast<std::int64_t>(facts.table->version()));
    const auto age = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()) - made;
    if (age < moving_long) continue;
    if (member.applied < facts.table->version())
      found.wrong(member.who.name + " doesn't follow the latest slot table", "see its log and its way to Consul");
    if (member.moving > 0)
      found.suspicious(
          member.who.name + " has been moving " + std::to_string(member.moving) + " slots for " +
              std::to_string(age.count() / 1'000) + " s",
          "see whether the node that gives them lives (nodes), and long mailboxes there (ps --sort mailbox)");
  }
  std::size_t orphans = 0;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) {
    const auto owner = facts.table->owner_of(slot_id{slot}).node;
    orphans += std::ranges::none_of(facts.members, [&](const auto& each) { return each.who.node == owner; });
  }
  if (orphans > 0)
    found.wrong(std::to_string(orphans) + " slots belong to nodes that are gone",
                "the coordinator gives them to others within seconds; if not, see its log");
}

void check_links(const node_condition& at, list& found) {
  for (const auto& each : at.between) {
    const auto name = at.node + " → " + each.peer.name;
    if (!each.is_up)
      found.wrong("the link " + name + " is down",
                  "see that " + each.peer.name + " runs and its node port is reachable");
    else if (each.suspicion > suspicion_high)
      found.suspicious("the link " + name + " has been silent for long",
                       "see whether that node is overloaded or paused");
    if (each.figures.waiting_bytes > link_waiting_long || each.figures.in_flight_bytes > link_in_flight_long)
      found.suspicious("the link " + name + " is near its bound: " +
                           std::to_string(each.figures.waiting_bytes + each.figures.in_flight_bytes) + " bytes wait",
                       "see whether " + each.peer.name + " keeps up (top --node " + each.peer.name + ")");
  }
}

void check_entities(const node_condition& at, list& found) {
  for (const auto& each : at.longest)
    if (each.mailbox >= mailbox_long)
      found.suspicious(to_text(each.key) + " has " + std::to_string(each.mailbox) + " messages waiting",
                       "trace " + to_text(each.key) + "; migrate it to a quieter node, or quarantine it");
  for (const auto& each : at.troubled) {
    if (each.state == entity_view::state_t::quarantined)
      found.wrong(to_text(each.key) + " is in quarantine for " + std::to_string(each.quarantine_left.count() / 1'000) +
                      " s more: " + each.reason,
                  "when the cause is gone: release " + to_text(each.key));
    else if (each.crashes > 0)
      found.suspicious(to_text(each.key) + " crashed " + std::to_string(each.crashes) + " times: " + each.reason,
                       "report it, with the output of snapshot");
  }
  if (at.placed.held_items > 0)
    found.suspicious(std::to_string(at.placed.held_items) + " messages are held at " + at.node + " for slots that move",
                     "nothing, if they go within seconds; else see slots that move for long");
}

void check_storage(const node_condition& at, list& found) {
  if (at.commits.waiting_units > units_long)
    found.suspicious(std::to_string(at.commits.waiting_units) + " commits wait on " + at.node,
                     "see shards: which one is slow or away");
  if (at.waiting_reads > reads_long)
    found.suspicious(std::to_string(at.waiting_reads) + " reads wait on " + at.node, "see shards and storage settings");
  for (const auto& each : at.shards) {
    if (!each.is_serving) continue;
    if (each.primary.empty())
      found.wrong("shard " + each.range + " has no primary: " + each.diagnosis, "see shards --servers; reparent");
    else if (each.diagnosis != "fine" && !each.diagnosis.empty())
      found.suspicious("shard " + each.range + ": " + each.diagnosis, "see shards --servers");
    if (each.commit_p99 > commit_slow)
      found.suspicious("commits in shard " + each.range + " are slow: p99 " +
                           std::to_string(each.commit_p99.count() / 1'000) + " ms",
                       "see the disk and the load of " + each.primary);
  }
}

/// check_members() says so.
bool goes_on_purpose(const node_condition& at) {
  if (!at.cluster) return false;
  const auto& facts = at.cluster->facts;
  const bool is_leaving = std::ranges::any_of(
      facts.members, [&](const auto& each) { return each.who.name == at.node && each.is_draining; });
  return is_leaving || facts.wishes.draining.contains(at.node);
}

}  // namespace

std::vector<finding> findings_of(const node_condition& at) {
  list found;
  if (!at.is_ready && !goes_on_purpose(at))
    found.wrong(at.node + " is not ready", "nothing, while it starts; else see its log");
  if (at.is_topology_away)
    found.wrong("Consul can't be reached by " + at.node,
                "see Consul; all goes on by the last table meanwhile, but nothing moves");
  if (at.cluster) check_members(*at.cluster, at.now, found);
  check_links(at, found);
  check_entities(at, found);
  check_storage(at, found);
  return std::move(found.all);
}

const std::vector<std::string>& checks() {
  static const std::vector<std::string> all{"members",     "slot table", "moving slots",  "links",   "mailboxes",
                                            "quarantines", "crashes",    "held messages", "commits", "reads",
                                            "shards",      "Consul",     "clocks"};
  return all;
}

shell_table diagnosis_of(const std::vector<std::pair<std::string, std::vector<finding>>>& by_node,
                         const std::vector<std::pair<std::string, std::int64_t>>& clocks,
                         const std::vector<std::string>& silent) {
  list all;
  std::map<std::string, std::string> seen_by;
  auto add = [&](const std::string& node, const finding& each) {
    auto& nodes = seen_by[each.what];
    if (nodes.empty()) all.all.push_back(each);
    nodes += (nodes.empty() ? "" : ", ") + node;
  };
  for (const auto& [node, findings] : by_node)
    for (const auto& each : findings) add(node, each);
  for (const auto& [node, ahead] : clocks)
    if (std::abs(ahead) > std::chrono::microseconds(clock_apart).count())
      add(node, {level_t::suspicious,
                 "the clock of " + node + " is " + std::to_string(std::abs(ahead) / 1'000) + " ms " +
                     (ahead > 0 ? "ahead" : "behind"),
                 "see its time synchronisation: messages' times follow it"});
  for (const auto& each : silent)
    add(each.substr(0, each.find(':')), {level_t::wrong, each, "see its process, and the link to it"});
  std::ranges::stable_sort(all.all, {}, &finding::level);
  shell_table table{{"LEVEL", "WHAT", "WHAT TO DO", "SEEN BY"}, {}, {}};
  for (const auto& each : all.all) {
    if (table.rows.size() >= 10 * named_max) break;
    table.rows.push_back(
        {each.level == level_t::wrong ? "wrong" : "suspicious", each.what, each.todo, seen_by[each.what]});
  }
  std::string checked;
  for (const auto& each : checks()) checked += (checked.empty() ? "" : ", ") + each;
  table.note = (table.rows.empty() ? "all is well; " : "") + std::string("checked on ") +
               std::to_string(by_node.size()) + (by_node.size() == 1 ? " node: " : " nodes: ") + checked;
  return table;
}

}  // namespace throng
