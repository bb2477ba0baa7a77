// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_writer.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "storage/fence_holder.hpp"
#include "storage/mysql/batch_sql.hpp"
#include "storage/mysql/fact_reader.hpp"
#include "storage/mysql/open_transaction.hpp"
#include "storage/mysql/query_by_keys.hpp"
#include "storage/store.hpp"

namespace throng::mysql {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::hours mark_renewed_after{1};  // far within what marks are kept for

std::int64_t now_micros() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string text_of(std::uint64_t number) { return std::to_string(number); }

error not_our_range() { return {errc::wrong_owner, "the shard takes no writes now, because it is being resharded"}; }

void execute(connection& db, const batch_statement& one) {
  if (one.values.empty()) {
    db.run(one.text);
    return;
  }
  statement prepared(db, one.text);
  bind_all(prepared, one.values);
  prepared.finish();
}

}  // namespace

writer::writer(connection& db, const placement& where)
    : db_(db),
      where_(where),
      trimmer_(db, where),
      inserts_(db, where.routes),
      epochs_(slot_count),
      is_known_(slot_count) {}

result<std::vector<result<>>> writer::commit(std::span<const commit_unit> units, batch_mark mark, bool is_careful) {
  is_commit_sent_ = false;
  posts_.clear();
  if (db_.sends_packets() && !is_careful && !needs_facts(units))
    if (auto answer = commit_at_once(units, mark)) return *std::move(answer);
  return commit_step_by_step(units, mark, is_careful);
}

/// In one packet. The server checks on its own that the epochs still hold: it carries out nothing behind a statement
/// that fails. nullopt: this batch doesn't go into one packet.
std::optional<result<std::vector<result<>>>> writer::commit_at_once(std::span<const commit_unit> units,
                                                                    batch_mark mark) {
  std::optional<open_transaction> all;
  bool is_guard_locked = false;
  const auto look = [&] {
    if (!all) all.emplace(db_);
    is_guard_locked = true;
    if (look_at_guard() == claim::not_ours) return false;
    read_epochs(units);
    return true;
  };
  if (!knows_epochs_of(units) && !look()) return not_our_range();
  while (true) {
    batch_facts facts;
    facts.epochs = epochs_;
    auto plan = plan_batch(units, facts, where_);
    if (!plan.writes()) return std::nullopt;
    if (!all && has_fresh_mark() && plan.is_only_new_posts()) {
      const auto how = insert_posts(plan, mark);
      if (how == inserted::all) return std::move(plan.outcomes);
      if (how == inserted::refused) {
        if (!look()) return not_our_range();
        continue;
      }
    }
    auto packet = packet_of(claim_sql(mark), plan, where_, db_.statement_bytes_max() / 2);
    if (!packet) return std::nullopt;
    outcomes_ = std::move(plan.outcomes);
    if (send(*std::move(packet), all)) return take_outcomes();
    if (is_guard_locked) throw failure(1205, "the guard row changed under its lock");
    if (!look()) return not_our_range();
  }
}

/// Nothing was done, unless it says `all`. Refused: the guard row isn't as we know it. Elsewhere: as a packet.
writer::inserted writer::insert_posts(batch_plan& plan, batch_mark mark) {
  auto* insert = inserts_.find(plan);
  if (!insert) return inserted::elsewhere;
  try {
    inserts_.run(*insert, plan, generation_, mark);
    return inserted::all;
  } catch (const failure& why) {
    if (why.is_null_refused()) return inserted::refused;
    if (why.is_stale_statement()) {
      inserts_.forget();
      return inserted::elsewhere;
    }
    is_commit_sent_ = !post_inserts::is_refusal(why);
    if (is_commit_sent_) posts_ = identities_of(plan);
    outcomes_ = std::move(plan.outcomes);
    throw;
  }
}

/// Starts the transaction, unless one is open. False: the guard row isn't as we know it, and nothing was done.
bool writer::send(std::vector<std::string> packet, std::optional<open_transaction>& all) {
  std::size_t claim_at = 0;
  if (!all) {
    packet.insert(packet.begin(), open_transaction::start);
    all.emplace(db_, open_transaction::started_elsewhere{});
    claim_at = 1;
  }
  std::size_t through = 0;
  is_commit_sent_ = true;
  try {
    db_.run_all(packet, through);
  } catch (const failure& why) {
    const bool is_commit = through + 1 == packet.size();
    is_commit_sent_ = is_commit || why.is_connection_lost();
    if (is_commit_sent_) all->release();
    if (through == claim_at && why.is_null_refused()) return false;
    throw;
  }
  all->release();
  is_commit_sent_ = false;
  marked_at_ = steady_clock::now();
  return true;
}

bool writer::has_fresh_mark() const { return marked_at_ && steady_clock::now() < *marked_at_ + mark_renewed_after; }

result<std::vector<result<>>> writer::commit_step_by_step(std::span<const commit_unit> units, batch_mark mark,
                                                          bool is_careful) {
  open_transaction all(db_);
  const auto may_write = std::ranges::any_of(units, [](const auto& unit) { return !unit.ops.empty(); });
  if ((may_write ? claim_shard(mark) : look_at_guard()) == claim::not_ours) return not_our_range();
  read_epochs(units);
  batch_facts facts;
  facts.epochs = epochs_;
  read_domains(db_, units, where_, facts);
  read_tokens(db_, units, where_, facts);
  if (is_careful) read_rows(db_, units, facts);

  auto plan = plan_batch(units, facts, where_);
  if (!plan.writes()) return std::move(plan.outcomes);
  for (const auto& one : statements_of(plan, where_)) execute(db_, one);
  trimmed_.clear();
  for (const auto* op : plan.trims) trimmed_.emplace_back(op->report, trimmer_.trim(*op));
  outcomes_ = std::move(plan.outcomes);
  all.release();
  is_commit_sent_ = true;  // from here on the server may have committed, whatever it says
  db_.run("COMMIT");
  is_commit_sent_ = false;
  marked_at_ = steady_clock::now();
  return take_outcomes();
}

std::vector<result<>> writer::take_outcomes() {
  for (auto& [told, progress] : trimmed_) {
    if (!told) continue;
    told->rows.store(progress.rows);
    told->busy_micros.store(progress.busy.count());
    told->is_through.store(progress.is_through);
  }
  trimmed_.clear();
  return std::move(outcomes_);
}

/// For a packet: leaves the mark and locks the guard row as claim_shard() does, and fails where that row isn't as we
/// know it, and where a later mark is there already: then somebody has asked for this batch's fate, and was told that
/// it never came.
std::string writer::claim_sql(batch_mark mark) const {
  return "INSERT INTO writers(id, batch, at) VALUES (" + text_of(mark.writer) +
         ", (SELECT IF(state = 0 AND generation = " + text_of(generation_) + ", " + text_of(mark.batch) +
         ", NULL) FROM shard_guard WHERE id = 0 LOCK IN SHARE MODE), " + std::to_string(now_micros()) +
         ") ON DUPLICATE KEY UPDATE batch = IF(batch < VALUES(batch), VALUES(batch), NULL), at = VALUES(at)";
}

/// Leaves the mark, and locks the guard row against changes until the end: fences stay as they are, and whoever freezes
/// the shard waits for us. One statement when nothing has changed since the last batch.
writer::claim writer::claim_shard(batch_mark mark) {
  for (bool is_sure = false;; is_sure = true) {
    auto marked = db_.run("INSERT INTO writers(id, batch, at) SELECT " + text_of(mark.writer) + ", " +
                          text_of(mark.batch) + ", " + std::to_string(now_micros()) +
                          " FROM shard_guard WHERE id = 0 AND state = 0 AND generation = " + text_of(generation_) +
                          " LOCK IN SHARE MODE ON DUPLICATE KEY UPDATE batch = VALUES(batch), at = VALUES(at)");
    if (marked != 0) return claim::granted;
    if (is_sure) throw failure(1205, "the guard row changed under its lock");
    if (look_at_guard() == claim::not_ours) return claim::not_ours;
  }
}

/// The same for what writes nothing, which a server that is full does too: channels load behind such a commit.
writer::claim writer::look_at_guard() {
  auto guard = db_.query("SELECT state, generation FROM shard_guard WHERE id = 0 LOCK IN SHARE MODE");
  if (!guard.next()) throw failure(1146, "the shard has no guard row");
  if (guard.number() != 0) return claim::not_ours;
  if (auto generation = guard.unsigned_number(); generation != generation_) forget_epochs(generation);
  return claim::granted;
}

void writer::forget_epochs(std::uint64_t generation) {
  generation_ = generation;
  std::ranges::fill(epochs_, 0);
  is_known_.assign(is_known_.size(), false);
}

bool writer::knows_epochs_of(std::span<const commit_unit> units) const {
  return std::ranges::all_of(units, [&](const auto& unit) {
    const auto slot = unit.guard.slot.value;
    return unit.guard.epoch == 0 || slot >= slot_count || is_known_[slot];
  });
}

void writer::read_epochs(std::span<const commit_unit> units) {
  std::vector<std::uint64_t> slots;
  for (const auto& unit : units) {
    auto slot = unit.guard.slot.value;
    if (unit.guard.epoch != 0 && slot < slot_count && !is_known_[slot]) slots.push_back(slot);
  }
  query_by_keys(db_, "SELECT slot, epoch FROM fences WHERE slot", slots, "", [&](rows& found) {
    auto slot = found.unsigned_number();
    epochs_.at(slot) = found.unsigned_number();
  });
  for (auto slot : slots) is_known_[slot] = true;
}

/// May be repeated, so that a lost COMMIT is no riddle here.
result<> writer::raise_fences(std::span<const fence> guards, fence_holder by) {
  std::vector<std::uint64_t> slots;
  for (const auto& guard : guards) {
    if (guard.slot.value >= slot_count)
      return error{errc::internal_error, "slot " + std::to_string(guard.slot.value) + " doesn't exist"};
    slots.push_back(guard.slot.value);
  }
  open_transaction all(db_);
  auto row = db_.query("SELECT state, generation FROM shard_guard WHERE id = 0 FOR UPDATE");
  if (!row.next()) throw failure(1146, "the shard has no guard row");
  if (row.number() != 0) return not_our_range();
  auto generation = row.unsigned_number();
  if (generation != generation_) forget_epochs(generation);

  struct row_of_slot {
    epoch_t epoch = 0;
    fence_holder holder{};
  };
  std::vector<row_of_slot> known(slot_count);
  query_by_keys(db_, "SELECT slot, epoch, holder FROM fences WHERE slot", slots, "", [&](rows& found) {
    auto& row_known = known.at(found.unsigned_number());
    row_known.epoch = found.unsigned_number();
    row_known.holder = {found.unsigned_number()};
  });
  std::vector<fence> raised;
  for (const auto& guard : guards) {
    auto& at = known[guard.slot.value];
    if (at.epoch == guard.epoch && at.holder == by) continue;
    if (guard.epoch <= at.epoch) return stale_fence(guard, at.epoch);
    at = {guard.epoch, by};
    raised.push_back(guard);
  }
  // Also when they are raised already: that may be the work of a commit that waits for a replica, on a server that is
  // about to be replaced, and only a commit after it shows that it stays.
  if (!raised.empty()) db_.run(put_fences_sql(raised, by, where_.routes));
  db_.run("UPDATE shard_guard SET generation = " + text_of(generation + 1) + " WHERE id = 0");
  all.release();
  db_.run("COMMIT");
  generation_ = generation + 1;
  for (const auto& guard : raised) {
    epochs_[guard.slot.value] = guard.epoch;
    is_known_[guard.slot.value] = true;
  }
  return done;
}

std::vector<fence> writer::fences() {
  open_transaction all(db_);  // ends with a rollback: an open one would hold up a change of the schema
  std::vector<fence> known;
  auto found = db_.query("SELECT slot, epoch FROM fences ORDER BY slot");
  while (found.next()) {
    auto slot = slot_id{static_cast<std::uint16_t>(found.unsigned_number())};
    known.push_back({slot, found.unsigned_number()});
  }
  return known;
}

}  // namespace throng::mysql
