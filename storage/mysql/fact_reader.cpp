// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/fact_reader.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "storage/lookups.hpp"
#include "storage/mysql/query_by_keys.hpp"

namespace throng::mysql {

namespace {

token_hash hash_of(const std::string& bytes) {
  token_hash hash{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.size()), hash.begin());
  return hash;
}

/// Shows each operation of type Op to `take`.
template <class Op, class Take>
void each_op(std::span<const commit_unit> units, Take take) {
  for (const auto& unit : units)
    for (const auto& op : unit.ops)
      if (auto* one = std::get_if<Op>(&op)) take(*one);
}

}  // namespace

bool needs_facts(std::span<const commit_unit> units) {
  return std::ranges::any_of(units, [](const auto& unit) {
    return std::ranges::any_of(unit.ops, [](const auto& op) {
      return std::holds_alternative<put_workspace>(op) || std::holds_alternative<put_token>(op);
    });
  });
}

void read_rows(connection& db, std::span<const commit_unit> units, batch_facts& facts) {
  std::vector<message_key> messages;
  each_op<insert_message>(units,
                          [&](const auto& op) { messages.emplace_back(op.row.channel.value, op.row.ts.micros); });
  query_by_keys(db, "SELECT channel, ts FROM messages WHERE (channel, ts)", messages, "", [&](rows& found) {
    auto channel = found.unsigned_number();
    facts.messages.emplace(channel, found.number());
  });
  std::vector<event_key> events;
  each_op<insert_event>(units, [&](const auto& op) {
    events.emplace_back(static_cast<std::uint64_t>(op.row.stream.kind), op.row.stream.id, op.row.seq);
  });
  query_by_keys(db, "SELECT kind, id, seq FROM events WHERE (kind, id, seq)", events, "", [&](rows& found) {
    auto kind = found.unsigned_number();
    auto id = found.unsigned_number();
    facts.events.emplace(kind, id, found.unsigned_number());
  });
}

void read_domains(connection& db, std::span<const commit_unit> units, const placement& where, batch_facts& facts) {
  std::vector<std::uint64_t> teams;
  std::vector<std::string_view> domains;
  each_op<put_workspace>(units, [&](const auto& op) {
    teams.push_back(op.row.id.value);
    if (where.keeps(op.row.domain)) domains.push_back(op.row.domain);
  });
  if (teams.empty()) return;
  query_by_keys(db, "SELECT id, domain FROM workspaces WHERE id", teams, " FOR UPDATE", [&](rows& found) {
    auto id = found.unsigned_number();
    facts.domain_of.emplace(id, found.bytes());
  });
  for (const auto& [team, domain] : facts.domain_of)
    if (where.keeps(domain)) domains.push_back(domain);
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto taken_before = (now - std::chrono::microseconds(reservation_lasts)).count();
  query_by_keys(db,
                "SELECT d.domain, d.workspace, d.reserved < " + std::to_string(taken_before) +
                    ", w.id IS NOT NULL FROM workspace_domains d LEFT JOIN workspaces w"
                    " ON w.id = d.workspace AND w.domain = d.domain WHERE d.domain",
                domains, " FOR UPDATE", [&](rows& found) {
                  auto& fact = facts.domains[found.bytes()];
                  fact.owner = found.unsigned_number();
                  auto is_old = found.flag();
                  auto is_there = found.flag();
                  fact.is_free_to_take = is_old && !is_there && where.range.contains(where.routes.of_key(fact.owner));
                });
}

void read_tokens(connection& db, std::span<const commit_unit> units, const placement& where, batch_facts& facts) {
  std::vector<token_hash> hashes;
  each_op<put_token>(units, [&](const auto& op) {
    if (where.keeps(op.row.hash)) hashes.push_back(op.row.hash);
  });
  query_by_keys(db, "SELECT hash, owner FROM token_owners WHERE hash", hashes, " FOR UPDATE", [&](rows& found) {
    auto hash = hash_of(found.bytes());
    facts.token_owners.emplace(hash, found.unsigned_number());
  });
}

}  // namespace throng::mysql
