// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_why.hpp"

#include <algorithm>
#include <cstdio>

namespace throng {

namespace {

std::string counted(std::uint32_t count, std::string_view one, std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string since_text(std::chrono::microseconds time) {
  char text[32];
  std::snprintf(text, sizeof text, "%+.3f ms", static_cast<double>(time.count()) / 1000);
  return text;
}

}  // namespace

std::vector<why_hop> hops_of(const passage& past, const std::string& here,
                             const std::function<std::string(node_index)>& name_of) {
  const auto& path = past.path;
  const auto name = to_text(past.stream);
  const auto origin = name_of(path.origin);
  std::vector<why_hop> hops;
  const auto add = [&hops](wall_time at, const std::string& node, std::string step, std::string what) {
    if (at != wall_time{}) hops.push_back({at, node, std::move(step), std::move(what)});
  };
  add(path.asked, origin, "asked", name + " is asked to post it");
  add(path.arrived, here, "arrived", "over the link from " + origin);
  add(path.delivered, here, "delivered", "into the mailbox of slot " + std::to_string(slot_of(past.stream).value));
  add(path.begun, here, "begun", name + " looks at it");
  add(path.committed, here, "committed",
      "as seq " + std::to_string(past.seq) + " in epoch " + std::to_string(past.epoch) + "; " + name + " knows");
  add(past.published, here, "published", "to " + counted(past.nodes, "node", "nodes"));
  return hops;
}

why_hop hop_of(const delivery_note& note, const std::string& here) {
  using step_t = delivery_note::step_t;
  switch (note.step) {
    case step_t::encoded:
      return {note.at, here, "encoded", "for " + counted(note.count, "io loop", "io loops")};
    case step_t::written:
      return {note.at, here, "written",
              "to " + counted(note.count, "reader", "readers") + " on io loop " + std::to_string(note.loop)};
    case step_t::answered:
      return {note.at, here, "answered", "who posted it hears that it is stored"};
  }
  return {};
}

why_hop stored_hop(entity_key channel, message_ts ts, const result<message_record>& row, const std::string& here) {
  why_hop hop{wall_time(std::chrono::microseconds(ts.micros)), here, "stored", {}};
  if (!row)
    hop.what = row.code() == errc::message_not_found || row.code() == errc::not_found
                   ? to_text(channel) + " has no such message"
                   : "the store doesn't say: " + std::string(to_string(row.code())) + " " + row.failure().detail;
  else
    hop.what = "as seq " + std::to_string(row->seq) + " of " + to_text(channel) + ", by " + to_text(row->user) +
               (row->is_deleted ? "; deleted since" : "") + " (its time is its ts)";
  return hop;
}

shell_table why_part(const std::vector<why_hop>& hops) {
  shell_table table{{"TIME", "NODE", "STEP", "WHAT"}, {}, {}};
  for (const auto& each : hops)
    table.rows.push_back({to_text(message_ts{each.at.time_since_epoch().count()}), each.node, each.step, each.what});
  return table;
}

std::vector<why_hop> hops_of(json_value part) {
  std::vector<why_hop> hops;
  const auto rows = part.find("rows");
  if (!rows.is_array()) return hops;
  rows.for_each_element([&hops](json_value row) {
    if (!row.is_array()) return;
    std::vector<std::string> cells;
    row.for_each_element([&](json_value cell) { cells.emplace_back(cell.as_string().value_or("")); });
    if (cells.size() != 4) return;
    if (const auto at = parse_ts(cells[0]))
      hops.push_back({wall_time(std::chrono::microseconds(at->micros)), cells[1], cells[2], cells[3]});
  });
  return hops;
}

shell_table why_table(std::vector<why_hop> hops) {
  std::ranges::stable_sort(hops, {}, &why_hop::at);
  shell_table table{{"TIME", "AFTER", "NODE", "STEP", "WHAT"}, {}, {}};
  for (const auto& each : hops)
    table.rows.push_back({to_text(message_ts{each.at.time_since_epoch().count()}), since_text(each.at - hops[0].at),
                          each.node, each.step, each.what});
  return table;
}

}  // namespace throng
