// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_writer.hpp"

#include <algorithm>
#include <utility>

#include "storage/fence_holder.hpp"
#include "storage/model/sabotage.hpp"
#include "storage/store.hpp"
#include "storage/unit_bytes.hpp"

namespace throng::sqlite {

namespace {

/// May this write be refused although the store is fine?
bool can_be_refused(const write_op& op) {
  return std::holds_alternative<insert_message>(op) || std::holds_alternative<insert_event>(op) ||
         std::holds_alternative<put_workspace>(op);
}

/// A unit that can only be refused by its first write has nothing to undo then, since a refused statement leaves no
/// trace by itself. That is every ordinary post; it saves two statements of about 1 µs each.
bool needs_savepoint(const commit_unit& unit) {
  for (std::size_t i = 1; i < unit.ops.size(); ++i)
    if (can_be_refused(unit.ops[i])) return true;
  return false;
}

std::int64_t kind_of(entity_key key) { return static_cast<std::int64_t>(key.kind); }

constexpr std::string_view message_columns =
    "messages(channel, ts, seq, user, thread_ts, in_channel, is_deleted, client_msg_id, data)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)";

}  // namespace

writer::writer(database& db)
    : db_(db),
      fence_rows_(slot_count),
      put_workspace_(db,
                     "INSERT INTO workspaces(id, domain, data) VALUES(?, ?, ?)"
                     " ON CONFLICT(id) DO UPDATE SET domain = excluded.domain, data = excluded.data"),
      put_directory_(db,
                     "INSERT INTO directory(team, kind, id, data) VALUES(?, ?, ?, ?)"
                     " ON CONFLICT DO UPDATE SET data = excluded.data"),
      put_user_(db,
                "INSERT INTO users(id, team, data) VALUES(?, ?, ?)"
                " ON CONFLICT DO UPDATE SET team = excluded.team, data = excluded.data"),
      put_membership_(db,
                      "INSERT INTO memberships(user, channel, last_read, is_open, is_listed, is_private)"
                      " VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET last_read = excluded.last_read,"
                      " is_open = excluded.is_open, is_listed = excluded.is_listed, is_private = excluded.is_private"),
      erase_membership_(db, "DELETE FROM memberships WHERE user = ? AND channel = ?"),
      put_channel_(db,
                   "INSERT INTO channels(id, team, data) VALUES(?, ?, ?)"
                   " ON CONFLICT DO UPDATE SET team = excluded.team, data = excluded.data"),
      put_member_(db,
                  "INSERT INTO members(channel, user, joined) VALUES(?, ?, ?)"
                  " ON CONFLICT DO UPDATE SET joined = excluded.joined"),
      erase_member_(db, "DELETE FROM members WHERE channel = ? AND user = ?"),
      insert_message_(db, "INSERT INTO " + std::string(message_columns)),
      put_message_(db, "INSERT INTO " + std::string(message_columns) +
                           " ON CONFLICT DO UPDATE SET seq = excluded.seq, user = excluded.user,"
                           " thread_ts = excluded.thread_ts, in_channel = excluded.in_channel,"
                           " is_deleted = excluded.is_deleted, client_msg_id = excluded.client_msg_id,"
                           " data = excluded.data"),
      insert_event_(db, "INSERT INTO events(kind, id, seq, at, data) VALUES(?, ?, ?, ?, ?)"),
      put_token_(db,
                 "INSERT INTO tokens(hash, type, team, user, app, scopes, created, expires, is_revoked)"
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET type = excluded.type,"
                 " team = excluded.team, user = excluded.user, app = excluded.app, scopes = excluded.scopes,"
                 " created = excluded.created, expires = excluded.expires, is_revoked = excluded.is_revoked"),
      put_app_(db, "INSERT INTO apps(id, data) VALUES(?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"),
      read_fence_(db, "SELECT epoch, holder FROM fences WHERE slot = ?"),
      put_fence_(db,
                 "INSERT INTO fences(slot, epoch, holder) VALUES(?, ?, ?)"
                 " ON CONFLICT DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder"),
      all_fences_(db, "SELECT slot, epoch FROM fences ORDER BY slot"),
      trimmer_(db),
      savepoint_(db, "SAVEPOINT one_unit"),
      release_(db, "RELEASE one_unit"),
      undo_(db, "ROLLBACK TO one_unit") {}

std::vector<result<>> writer::commit(std::span<const commit_unit> units) {
  std::vector<result<>> outcomes;
  if (units.empty()) return outcomes;
  outcomes.reserve(units.size());
  ++batch_;
  trimmed_.clear();
  transaction all(db_);
  for (const auto& unit : units) {
    auto refused = check_unit(unit);
    outcomes.push_back(refused ? result<>(std::move(*refused)) : apply_unit(unit));
    if (!outcomes.back() && unit.lineage) unit.lineage->store(true);
  }
  all.commit();
  for (const auto& [told, came_to] : trimmed_) {
    if (!told) continue;
    told->rows.store(came_to.rows);
    told->busy_micros.store(came_to.busy.count());
    told->is_through.store(came_to.is_through);
  }
  return outcomes;
}

/// What can be told before anything of the unit is written.
writer::refusal writer::check_unit(const commit_unit& unit) {
  if (unit.lineage && unit.lineage->load())
    return error{errc::conflict, "an earlier write that this one builds on has failed"};
  if (unit.guard.slot.value >= slot_count)
    return error{errc::internal_error, "slot " + std::to_string(unit.guard.slot.value) + " doesn't exist"};
  if (unit.guard.epoch != 0) {
    auto epoch = row_of(unit.guard.slot).epoch;
    if (unit.guard.epoch < epoch && !sabotage::ignores_fences)
      return error{errc::stale_epoch, "slot " + std::to_string(unit.guard.slot.value) + " has epoch " +
                                          std::to_string(epoch) + ", the write has " +
                                          std::to_string(unit.guard.epoch)};
  }
  for (const auto& op : unit.ops)
    if (auto bytes = row_bytes(op); bytes > row_bytes_max)
      return error{errc::request_too_large, "a row of " + std::to_string(bytes) + " bytes; at most " +
                                                std::to_string(row_bytes_max) + " are stored"};
  return std::nullopt;
}

result<> writer::apply_unit(const commit_unit& unit) {
  bool has_savepoint = needs_savepoint(unit);
  if (has_savepoint) savepoint_.execute();
  const auto trims_before = trimmed_.size();
  for (const auto& op : unit.ops) {
    auto refused = std::visit([this](const auto& one) { return apply(one); }, op);
    if (!refused) continue;
    trimmed_.resize(trims_before);
    if (has_savepoint) {
      undo_.execute();
      release_.execute();
    }
    return std::move(*refused);
  }
  if (has_savepoint) release_.execute();
  return done;
}

writer::refusal writer::apply(const put_workspace& op) {
  if (put_workspace_.execute(op.row.id, text{op.row.domain}, blob{op.row.data})) return std::nullopt;
  return error{errc::domain_taken, "another workspace has the domain " + op.row.domain};
}

writer::refusal writer::apply(const put_directory& op) {
  put_directory_.execute(op.row.team, static_cast<std::int64_t>(op.row.kind), ordered{op.row.id}, blob{op.row.data});
  return std::nullopt;
}

writer::refusal writer::apply(const put_user& op) {
  put_user_.execute(op.row.id, op.row.team, blob{op.row.data});
  return std::nullopt;
}

writer::refusal writer::apply(const put_membership& op) {
  put_membership_.execute(op.row.user, op.row.channel, op.row.last_read, op.row.is_open, op.row.is_listed,
                          op.row.is_private);
  return std::nullopt;
}

writer::refusal writer::apply(const erase_membership& op) {
  erase_membership_.execute(op.user, op.channel);
  return std::nullopt;
}

writer::refusal writer::apply(const put_channel& op) {
  put_channel_.execute(op.row.id, op.row.team, blob{op.row.data});
  return std::nullopt;
}

writer::refusal writer::apply(const put_member& op) {
  put_member_.execute(op.row.channel, op.row.user, op.row.joined);
  return std::nullopt;
}

writer::refusal writer::apply(const erase_member& op) {
  erase_member_.execute(op.channel, op.user);
  return std::nullopt;
}

bool writer::write_message(statement& how, const message_record& row) {
  return how.execute(row.channel, row.ts, counter{row.seq}, row.user, row.thread_ts, row.in_channel, row.is_deleted,
                     text{row.client_msg_id}, blob{row.data});
}

writer::refusal writer::apply(const insert_message& op) {
  if (write_message(insert_message_, op.row)) return std::nullopt;
  return error{errc::conflict, to_text(op.row.channel) + " has a post " + to_text(op.row.ts) + " already"};
}

writer::refusal writer::apply(const put_message& op) {
  write_message(put_message_, op.row);
  return std::nullopt;
}

writer::refusal writer::apply(const insert_event& op) {
  const auto& row = op.row;
  if (insert_event_.execute(kind_of(row.stream), ordered{row.stream.id}, counter{row.seq}, row.at, blob{row.data}))
    return std::nullopt;
  return error{errc::conflict, to_text(row.stream) + " has an event " + std::to_string(row.seq) + " already"};
}

writer::refusal writer::apply(const put_token& op) {
  const auto& row = op.row;
  put_token_.execute(row.hash, static_cast<std::int64_t>(row.type), row.team, row.user, row.app, text{row.scopes},
                     row.created, row.expires, row.is_revoked);
  return std::nullopt;
}

writer::refusal writer::apply(const put_app& op) {
  put_app_.execute(op.row.id, blob{op.row.data});
  return std::nullopt;
}

writer::refusal writer::apply(const trim_rows& op) {
  trimmed_.emplace_back(op.report, trimmer_.trim(op));
  return std::nullopt;
}

writer::fence_row& writer::row_of(slot_id slot) {
  auto& seen = fence_rows_[slot.value];
  if (seen.batch == batch_) return seen;
  seen = {batch_};
  auto found = read_fence_.query(std::int64_t{slot.value});
  if (found.next()) {
    seen.epoch = found.count();
    seen.holder = {found.ordered_number()};
  }
  return seen;
}

result<> writer::raise_fences(std::span<const fence> guards, fence_holder by) {
  ++batch_;
  transaction all(db_);
  for (const auto& guard : guards) {
    if (guard.slot.value >= slot_count)
      return error{errc::internal_error, "slot " + std::to_string(guard.slot.value) + " doesn't exist"};
    auto& row = row_of(guard.slot);
    if (row.epoch == guard.epoch && row.holder == by) continue;
    if (guard.epoch <= row.epoch) return stale_fence(guard, row.epoch);
    put_fence_.execute(std::int64_t{guard.slot.value}, counter{guard.epoch}, ordered{by.value});
    row.epoch = guard.epoch;
    row.holder = by;
  }
  all.commit();
  return done;
}

std::vector<fence> writer::fences() {
  std::vector<fence> all;
  auto found = all_fences_.query();
  while (found.next()) {
    auto slot = slot_id{static_cast<std::uint16_t>(found.number())};
    all.push_back({slot, found.count()});
  }
  return all;
}

}  // namespace throng::sqlite
