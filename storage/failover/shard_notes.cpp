// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/shard_analysis.hpp"
#include "storage/json/json.hpp"

namespace throng::failover {

std::string notes_key(const shard_record& record) { return "failover/" + record.keyspace + "/" + record.name(); }

std::string to_json(const shard_notes& notes) {
  std::string out;
  json_writer w(out);
  w.begin_object().key("trusted_runs").begin_object();
  for (const auto& [server, start] : notes.trusted_runs) w.text_key(server).value(start);
  w.end_object().key("errant").begin_object();
  for (const auto& [server, transactions] : notes.errant) w.text_key(server).value(transactions);
  w.end_object().end_object();
  return out;
}

result<shard_notes> parse_shard_notes(const topology_entry& entry) {
  const auto wrong = [&](const std::string& what) { return error{errc::invalid_json, entry.key + ": " + what}; };
  const auto parsed = parse_json(entry.value);
  if (!parsed) return wrong(parsed.failure().detail);
  const auto root = parsed->root();
  shard_notes notes;
  notes.version = entry.version;
  auto is_fine = root.find("trusted_runs").is_object() && root.find("errant").is_object();
  root.find("trusted_runs").for_each_member([&](std::string_view server, json_value start) {
    is_fine = is_fine && start.as_int();
    if (is_fine) notes.trusted_runs.emplace(server, *start.as_int());
  });
  root.find("errant").for_each_member([&](std::string_view server, json_value transactions) {
    is_fine = is_fine && transactions.as_string();
    if (is_fine) notes.errant.emplace(server, *transactions.as_string());
  });
  if (!is_fine) return wrong("expected objects \"trusted_runs\" and \"errant\"");
  return notes;
}

}  // namespace throng::failover
