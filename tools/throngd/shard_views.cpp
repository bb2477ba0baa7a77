// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/shard_views.hpp"

#include <algorithm>

namespace throng {

namespace {

std::string ms_text(std::chrono::microseconds time) {
  return std::to_string(time.count() / 1000) + "." + std::to_string(time.count() / 100 % 10) + " ms";
}

bool is_one_of(const server_address& server, const std::vector<server_address>& servers) {
  return std::ranges::find(servers, server) != servers.end();
}

server_view view_of(const failover::server_observation& seen, const shard_record& record) {
  server_view view{seen.server, seen.server == record.primary, {}, std::nullopt};
  if (seen.replication && seen.replication->lag_s) view.lag = std::chrono::seconds(*seen.replication->lag_s);
  if (!seen.is_reachable)
    view.state = "away: " + (seen.trouble.empty() ? std::string("not asked yet") : seen.trouble);
  else if (view.is_primary)
    view.state = seen.is_read_only ? "read-only" : "takes writes";
  else if (is_one_of(seen.server, record.in_sync))
    view.state = "in sync";
  else if (!seen.replicates_from(record.primary))
    view.state = "doesn't replicate";
  else if (!seen.replication->is_connected || !seen.replication->is_applying)
    view.state = "replication stands: " +
                 (seen.replication->sql_error.empty() ? seen.replication->io_error : seen.replication->sql_error);
  else
    view.state = "not in sync";
  return view;
}

std::string diagnosis_of(const shard_record& record, const failover::shard_status& status) {
  std::string text;
  for (const auto& each : status.findings) {
    if (each.problem == failover::problem_t::none) continue;
    if (!text.empty()) text += "; ";
    text += std::string(to_string(each.problem));
    if (!each.server.empty()) text += " " + each.server;
    if (!each.detail.empty()) text += ": " + each.detail;
  }
  if (!status.trouble.empty()) text += (text.empty() ? "" : "; ") + ("last try: " + status.trouble);
  if (text.empty() && record.primary.empty()) return "no primary: " + record.reason;
  return text.empty() ? "fine" : text;
}

}  // namespace

shard_view view_of(const shard_record& known, bool is_serving, const failover::shard_status* status) {
  const auto& record = status ? status->record : known;
  shard_view view;
  view.keyspace = record.keyspace;
  view.range = known.name();
  view.is_serving = is_serving;
  view.primary = record.primary;
  view.term = record.term;
  view.in_sync = record.in_sync.size();
  if (status) {
    for (const auto& each : status->servers) view.servers.push_back(view_of(each, record));
    view.diagnosis = diagnosis_of(record, *status);
    return view;
  }
  for (const auto& server : record.servers)
    view.servers.push_back(
        {server, server == record.primary, is_one_of(server, record.in_sync) ? "in sync" : "", std::nullopt});
  view.diagnosis = "not supervised by this node";
  return view;
}

std::string to_text(const failover::reparent_report& report) {
  std::string text = report.to + " is the primary now, in the place of " +
                     (report.from.empty() ? std::string("none") : report.from) + "; it took " + ms_text(report.total);
  for (std::size_t i = 0; i < report.phases.size(); ++i)
    text += (i == 0 ? ": " : ", ") + report.phases[i].first + " " + ms_text(report.phases[i].second);
  return text;
}

shell_table table_of(const reshard_status& status) {
  shell_table table{{"WHAT", "HOW"}, {}, {}};
  const auto text = to_text(status);
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    auto line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    const auto first = line.find_first_not_of(' ');
    if (first == std::string_view::npos) continue;
    line.remove_prefix(first);
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos)
      table.rows.push_back({std::string(line), ""});
    else
      table.rows.push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 2))});
  }
  return table;
}

}  // namespace throng
