// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_writer.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "storage/mysql/batch_sql.hpp"
#include "storage/mysql/fact_reader.hpp"
#include "storage/mysql/query_by_keys.hpp"
#include "storage/store.hpp"

namespace throng::mysql {

/// Rolls back what isn't released; when even that fails, the connection is of no use any more and its server does it.
class open_transaction {
 public:
  explicit open_transaction(connection& db) : db_(&db) {}
  ~open_transaction() {
    if (!db_) return;
    try {
      db_->run("ROLLBACK");
    } catch (const failure&) {  // the reason is the one that led here; the next use of the connection fails too
    }
  }
  open_transaction(const open_transaction&) = delete;
  open_transaction& operator=(const open_transaction&) = delete;
  void release() { db_ = nullptr; }

 private:
  connection* db_;
};

namespace {

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
  int index = 0;
  for (const auto& value : one.values) {
    ++index;
    if (auto* bytes = std::get_if<std::string_view>(&value))
      prepared.bind(index, blob{*bytes});
    else
      std::visit(
          [&](auto number) {
            if constexpr (!std::is_same_v<decltype(number), std::string_view>) prepared.bind(index, number);
          },
          value);
  }
  prepared.finish();
}

}  // namespace

// Without autocommit the first statement after a COMMIT starts the next transaction: a round trip less than asking for
// one, and nothing of ours is ever committed by itself.
writer::writer(connection& db, const placement& where)
    : db_(db), where_(where), trimmer_(db, where), epochs_(slot_count), is_known_(slot_count) {
  db_.run("SET autocommit=0");
}

result<std::vector<result<>>> writer::commit(std::span<const commit_unit> units, batch_mark mark, bool is_careful) {
  is_commit_sent_ = false;
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
    auto packet = packet_of(claim_sql(mark), plan, where_, db_.statement_bytes_max() / 2);
    if (!packet) return std::nullopt;
    outcomes_ = std::move(plan.outcomes);
    if (!all) all.emplace(db_);
    if (send(*packet, *all)) return take_outcomes();
    if (is_guard_locked) throw failure(1205, "the guard row changed under its lock");
    if (!look()) return not_our_range();
  }
}

/// False: the guard row isn't as we know it, and nothing was done.
bool writer::send(const std::vector<std::string>& packet, open_transaction& all) {
  std::size_t through = 0;
  is_commit_sent_ = true;
  try {
    db_.run_all(packet, through);
  } catch (const failure& why) {
    const bool is_commit = through + 1 == packet.size();
    is_commit_sent_ = is_commit || why.is_connection_lost();
    if (is_commit_sent_) all.release();
    if (through == 0 && why.is_null_refused()) return false;
    throw;
  }
  all.release();
  is_commit_sent_ = false;
  return true;
}

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
result<> writer::raise_fences(std::span<const fence> guards) {
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

  std::vector<epoch_t> epochs(slot_count);
  query_by_keys(db_, "SELECT slot, epoch FROM fences WHERE slot", slots, "", [&](rows& found) {
    auto slot = found.unsigned_number();
    epochs.at(slot) = found.unsigned_number();
  });
  std::vector<fence> raised;
  for (const auto& guard : guards) {
    auto& epoch = epochs[guard.slot.value];
    if (guard.epoch < epoch)
      return error{errc::stale_epoch, "slot " + std::to_string(guard.slot.value) + " has epoch " + text_of(epoch) +
                                          " already, not " + text_of(guard.epoch)};
    if (guard.epoch == epoch) continue;
    epoch = guard.epoch;
    raised.push_back(guard);
  }
  // Also when they are raised already: that may be the work of a commit that waits for a replica, on a server that is
  // about to be replaced, and only a commit after it shows that it stays.
  if (!raised.empty()) db_.run(put_fences_sql(raised, where_.routes));
  db_.run("UPDATE shard_guard SET generation = " + text_of(generation + 1) + " WHERE id = 0");
  all.release();
  db_.run("COMMIT");
  generation_ = generation + 1;
  for (const auto& guard : raised) {
    epochs_[guard.slot.value] = epochs[guard.slot.value];
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

batch_fate fate_of(batch_mark mark, connection& primary) {
  open_transaction all(primary);
  const auto id = text_of(mark.writer);
  primary.run("START TRANSACTION");
  // Locks the row also where it isn't there yet.
  primary.run("INSERT INTO writers(id, batch, at) VALUES (" + id + ", 0, " + std::to_string(now_micros()) +
              ") ON DUPLICATE KEY UPDATE at = at + 1");
  const bool is_there = primary.number("SELECT batch FROM writers WHERE id = " + id + " FOR UPDATE") == mark.batch;
  // What comes late finds that it is too late.
  if (!is_there) primary.run("UPDATE writers SET batch = " + text_of(mark.batch + 1) + " WHERE id = " + id);
  // Whether what is here stays is shown by a commit after it: on a server that is cut off from its replicas, and about
  // to be replaced, this one hangs as that one did.
  all.release();
  primary.run("COMMIT");
  return is_there ? batch_fate::committed : batch_fate::absent;
}

}  // namespace throng::mysql
