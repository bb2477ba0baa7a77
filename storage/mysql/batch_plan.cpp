// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/batch_plan.hpp"

#include <algorithm>
#include <optional>

#include "storage/model/sabotage.hpp"
#include "storage/store.hpp"
#include "storage/unit_bytes.hpp"

namespace throng::mysql {

namespace {

using refusal = std::optional<error>;

/// VARBINARY(255) and BLOB: what other stores take without a bound.
constexpr std::size_t short_bytes_max = 255;
constexpr std::size_t scopes_bytes_max = 65'535;

refusal check_column(std::string_view what, std::size_t bytes, std::size_t bytes_max) {
  if (bytes <= bytes_max) return std::nullopt;
  return error{errc::request_too_large, std::string(what) + " of " + std::to_string(bytes) + " bytes; at most " +
                                            std::to_string(bytes_max) + " are stored"};
}

refusal check_size(const write_op& op) {
  if (auto bytes = row_bytes(op); bytes > row_bytes_max)
    return error{errc::request_too_large, "a row of " + std::to_string(bytes) + " bytes; at most " +
                                              std::to_string(row_bytes_max) + " are stored"};
  if (auto* one = std::get_if<insert_message>(&op))
    return check_column("a client_msg_id", one->row.client_msg_id.size(), short_bytes_max);
  if (auto* one = std::get_if<put_message>(&op))
    return check_column("a client_msg_id", one->row.client_msg_id.size(), short_bytes_max);
  if (auto* one = std::get_if<put_workspace>(&op))
    return check_column("a domain", one->row.domain.size(), short_bytes_max);
  if (auto* one = std::get_if<put_token>(&op))
    return check_column("a list of scopes", one->row.scopes.size(), scopes_bytes_max);
  return std::nullopt;
}

std::uint64_t number_of(entity_kind kind) { return static_cast<std::uint64_t>(kind); }
message_key key_of_row(const message_record& row) { return {row.channel.value, row.ts.micros}; }
event_key key_of_row(const event_record& row) { return {number_of(row.stream.kind), row.stream.id, row.seq}; }

class planner {
 public:
  planner(const batch_facts& facts, const placement& where) : facts_(facts), where_(where) {}

  void take(const commit_unit& unit) {
    auto refused = check(unit);
    for (std::size_t i = 0; i < unit.ops.size() && !refused; ++i)
      refused = std::visit([this](const auto& op) { return apply(op); }, unit.ops[i]);
    if (refused) {
      each_table([](auto& table) { table.undo(); });
      plan_.trims.resize(trims_kept_);
      if (unit.lineage) broken_.push_back(unit.lineage.get());
    } else {
      each_table([](auto& table) { table.keep(); });
      trims_kept_ = plan_.trims.size();
    }
    plan_.outcomes.push_back(refused ? result<>(std::move(*refused)) : result<>(done));
  }

  batch_plan finish() {
    for (const auto& [hash, owner] : facts_.token_owners) {
      auto* change = plan_.tokens.find(hash);
      if (change && table_routes::owner_of(*change->row) != owner) plan_.moved_tokens.emplace_back(owner, hash);
    }
    std::ranges::sort(plan_.moved_tokens);
    return std::move(plan_);
  }

 private:
  refusal check(const commit_unit& unit) const {
    if (unit.lineage && (unit.lineage->load() || std::ranges::find(broken_, unit.lineage.get()) != broken_.end()))
      return error{errc::conflict, "an earlier write that this one builds on has failed"};
    auto slot = std::to_string(unit.guard.slot.value);
    if (unit.guard.slot.value >= slot_count) return error{errc::internal_error, "slot " + slot + " doesn't exist"};
    if (auto epoch = facts_.epochs[unit.guard.slot.value];
        unit.guard.epoch != 0 && unit.guard.epoch < epoch && !sabotage::ignores_fences)
      return error{errc::stale_epoch, "slot " + slot + " has epoch " + std::to_string(epoch) + ", the write has " +
                                          std::to_string(unit.guard.epoch)};
    for (const auto& op : unit.ops)
      if (auto refused = check_size(op)) return refused;
    return std::nullopt;
  }

  template <class Visitor>
  void each_table(Visitor visit) {
    visit(plan_.workspaces), visit(plan_.domains), visit(plan_.directory), visit(plan_.users);
    visit(plan_.memberships), visit(plan_.channels), visit(plan_.members), visit(plan_.messages);
    visit(plan_.events), visit(plan_.tokens), visit(plan_.apps);
  }

  refusal apply(const put_workspace& op) {
    auto team = op.row.id.value;
    std::string_view domain = op.row.domain;
    if (auto owner = owner_of(domain); owner && *owner != team)
      return error{errc::domain_taken, "another workspace has the domain " + op.row.domain};
    if (auto before = domain_before(team); before && *before != domain && owner_of(*before) == team)
      plan_.domains.set(*before, {change_kind::erase});
    if (where_.keeps(domain))
      plan_.domains.set(domain, {facts_.domains.contains(domain) ? change_kind::put : change_kind::insert, &op.row});
    plan_.workspaces.set(team, {change_kind::put, &op.row});
    return std::nullopt;
  }
  /// Of a domain that lies here.
  std::optional<std::uint64_t> owner_of(std::string_view domain) const {
    if (auto* change = plan_.domains.find(domain))
      return change->row ? std::optional(change->row->id.value) : std::nullopt;
    auto found = facts_.domains.find(domain);
    if (found == facts_.domains.end() || found->second.is_free_to_take) return std::nullopt;
    return found->second.owner;
  }
  std::optional<std::string_view> domain_before(std::uint64_t team) const {
    if (auto* change = plan_.workspaces.find(team)) return change->row->domain;
    auto found = facts_.domain_of.find(team);
    if (found == facts_.domain_of.end()) return std::nullopt;
    return found->second;
  }

  refusal apply(const put_directory& op) {
    const auto& row = op.row;
    plan_.directory.set({row.team.value, static_cast<std::uint64_t>(row.kind), row.id}, {change_kind::put, &row});
    return std::nullopt;
  }
  refusal apply(const put_user& op) {
    plan_.users.set(op.row.id.value, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const put_membership& op) {
    plan_.memberships.set({op.row.user.value, op.row.channel.value}, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const erase_membership& op) {
    plan_.memberships.set({op.user.value, op.channel.value}, {change_kind::erase});
    return std::nullopt;
  }
  refusal apply(const put_channel& op) {
    plan_.channels.set(op.row.id.value, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const put_member& op) {
    plan_.members.set({op.row.channel.value, op.row.user.value}, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const erase_member& op) {
    plan_.members.set({op.channel.value, op.user.value}, {change_kind::erase});
    return std::nullopt;
  }

  refusal apply(const insert_message& op) {
    auto key = key_of_row(op.row);
    if (plan_.messages.find(key) || facts_.messages.contains(key))
      return error{errc::conflict, to_text(op.row.channel) + " has a post " + to_text(op.row.ts) + " already"};
    plan_.messages.set(key, {change_kind::insert, &op.row});
    return std::nullopt;
  }
  refusal apply(const put_message& op) {
    auto key = key_of_row(op.row);
    auto* before = plan_.messages.find(key);  // an edit of what the same batch inserts is still an insert
    plan_.messages.set(key, {before ? before->kind : change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const insert_event& op) {
    auto key = key_of_row(op.row);
    if (plan_.events.find(key) || facts_.events.contains(key))
      return error{errc::conflict, to_text(op.row.stream) + " has an event " + std::to_string(op.row.seq) + " already"};
    plan_.events.set(key, {change_kind::insert, &op.row});
    return std::nullopt;
  }

  refusal apply(const put_token& op) {
    plan_.tokens.set(op.row.hash, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const put_app& op) {
    plan_.apps.set(op.row.id.value, {change_kind::put, &op.row});
    return std::nullopt;
  }
  refusal apply(const trim_rows& op) {
    plan_.trims.push_back(&op);
    return std::nullopt;
  }

  const batch_facts& facts_;
  const placement& where_;
  batch_plan plan_;
  std::vector<const std::atomic<bool>*> broken_;  // the lineages that this batch breaks: few, or none
  std::size_t trims_kept_ = 0;
};

}  // namespace

bool batch_plan::writes_beside_posts() const {
  return !(workspaces.empty() && domains.empty() && directory.empty() && users.empty() && memberships.empty() &&
           channels.empty() && members.empty() && events.empty() && tokens.empty() && moved_tokens.empty() &&
           apps.empty() && trims.empty());
}

bool batch_plan::writes() const { return writes_beside_posts() || !messages.empty(); }

bool batch_plan::is_only_new_posts() const {
  return !writes_beside_posts() && !messages.empty() && std::ranges::all_of(messages.in_order(), [](const auto& each) {
           return each.second.kind == change_kind::insert;
         });
}

batch_plan plan_batch(std::span<const commit_unit> units, const batch_facts& facts, const placement& where) {
  planner all(facts, where);
  for (const auto& unit : units) all.take(unit);
  return all.finish();
}

}  // namespace throng::mysql
