// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_writer.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "storage/lookups.hpp"
#include "storage/mysql/batch_sql.hpp"
#include "storage/store.hpp"

namespace throng::mysql {

namespace {

std::int64_t now_micros() {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

std::string text_of(std::uint64_t number) { return std::to_string(number); }

token_hash hash_of(const std::string& bytes) {
  token_hash hash{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), hash.size()), hash.begin());
  return hash;
}

template <class Key>
void make_unique(std::vector<Key>& keys) {
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
}

/// Runs `before` + some of the keys + `after` as queries, and shows each row to `take`.
template <class Key, class Take>
void query_by_keys(connection& db, std::string_view before, std::vector<Key> keys, std::string_view after, Take take) {
  make_unique(keys);
  std::span<const Key> left(keys);
  while (!left.empty()) {
    auto some = left.first(std::min(listed_keys_max, left.size()));
    left = left.subspan(some.size());
    auto found = db.query(std::string(before) + " IN (" + literals(some) + ")" + std::string(after));
    while (found.next()) take(found);
  }
}

/// Shows each operation of type Op to `take`.
template <class Op, class Take>
void each_op(std::span<const commit_unit> units, Take take) {
  for (const auto& unit : units)
    for (const auto& op : unit.ops)
      if (auto* one = std::get_if<Op>(&op)) take(*one);
}

error not_our_range() { return {errc::wrong_owner, "the shard takes no writes now, because it is being resharded"}; }

/// Rolls back what isn't released; when even that fails, the connection is of no use any more and its server does it.
class transaction {
 public:
  explicit transaction(connection& db) : db_(&db) {}
  ~transaction() {
    if (!db_) return;
    try {
      db_->run("ROLLBACK");
    } catch (const failure&) {  // the reason is the one that led here; the next use of the connection fails too
    }
  }
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  void release() { db_ = nullptr; }

 private:
  connection* db_;
};

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
  transaction all(db_);
  const auto may_write = std::ranges::any_of(units, [](const auto& unit) { return !unit.ops.empty(); });
  if ((may_write ? claim_shard(mark) : look_at_guard()) == claim::not_ours) return not_our_range();
  read_epochs(units);
  batch_facts facts;
  facts.epochs = epochs_;
  read_domains(units, facts);
  read_tokens(units, facts);
  if (is_careful) read_rows(units, facts);

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

void writer::read_rows(std::span<const commit_unit> units, batch_facts& facts) {
  std::vector<message_key> messages;
  each_op<insert_message>(units,
                          [&](const auto& op) { messages.emplace_back(op.row.channel.value, op.row.ts.micros); });
  query_by_keys(db_, "SELECT channel, ts FROM messages WHERE (channel, ts)", messages, "", [&](rows& found) {
    auto channel = found.unsigned_number();
    facts.messages.emplace(channel, found.number());
  });
  std::vector<event_key> events;
  each_op<insert_event>(units, [&](const auto& op) {
    events.emplace_back(static_cast<std::uint64_t>(op.row.stream.kind), op.row.stream.id, op.row.seq);
  });
  query_by_keys(db_, "SELECT kind, id, seq FROM events WHERE (kind, id, seq)", events, "", [&](rows& found) {
    auto kind = found.unsigned_number();
    auto id = found.unsigned_number();
    facts.events.emplace(kind, id, found.unsigned_number());
  });
}

/// Locks what it finds. What it doesn't find is written by a plain INSERT, so that of two who want a domain one fails.
void writer::read_domains(std::span<const commit_unit> units, batch_facts& facts) {
  std::vector<std::uint64_t> teams;
  std::vector<std::string_view> domains;
  each_op<put_workspace>(units, [&](const auto& op) {
    teams.push_back(op.row.id.value);
    if (where_.keeps(op.row.domain)) domains.push_back(op.row.domain);
  });
  if (teams.empty()) return;
  query_by_keys(db_, "SELECT id, domain FROM workspaces WHERE id", teams, " FOR UPDATE", [&](rows& found) {
    auto id = found.unsigned_number();
    facts.domain_of.emplace(id, found.bytes());
  });
  for (const auto& [team, domain] : facts.domain_of)
    if (where_.keeps(domain)) domains.push_back(domain);
  auto taken_before = now_micros() - std::chrono::microseconds(reservation_lasts).count();
  query_by_keys(db_,
                "SELECT d.domain, d.workspace, d.reserved < " + std::to_string(taken_before) +
                    ", w.id IS NOT NULL FROM workspace_domains d LEFT JOIN workspaces w"
                    " ON w.id = d.workspace AND w.domain = d.domain WHERE d.domain",
                domains, " FOR UPDATE", [&](rows& found) {
                  auto& fact = facts.domains[found.bytes()];
                  fact.owner = found.unsigned_number();
                  auto is_old = found.flag();
                  auto is_there = found.flag();
                  fact.is_free_to_take = is_old && !is_there && where_.range.contains(where_.routes.of_key(fact.owner));
                });
}

void writer::read_tokens(std::span<const commit_unit> units, batch_facts& facts) {
  std::vector<token_hash> hashes;
  each_op<put_token>(units, [&](const auto& op) {
    if (where_.keeps(op.row.hash)) hashes.push_back(op.row.hash);
  });
  query_by_keys(db_, "SELECT hash, owner FROM token_owners WHERE hash", hashes, " FOR UPDATE", [&](rows& found) {
    auto hash = hash_of(found.bytes());
    facts.token_owners.emplace(hash, found.unsigned_number());
  });
}

/// May be repeated, so that a lost COMMIT is no riddle here.
result<> writer::raise_fences(std::span<const fence> guards) {
  std::vector<std::uint64_t> slots;
  for (const auto& guard : guards) {
    if (guard.slot.value >= slot_count)
      return error{errc::internal_error, "slot " + std::to_string(guard.slot.value) + " doesn't exist"};
    slots.push_back(guard.slot.value);
  }
  transaction all(db_);
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
  transaction all(db_);  // ends with a rollback: an open one would hold up a change of the schema
  std::vector<fence> known;
  auto found = db_.query("SELECT slot, epoch FROM fences ORDER BY slot");
  while (found.next()) {
    auto slot = slot_id{static_cast<std::uint16_t>(found.unsigned_number())};
    known.push_back({slot, found.unsigned_number()});
  }
  return known;
}

batch_fate fate_of(batch_mark mark, connection& primary) {
  transaction all(primary);
  auto id = text_of(mark.writer);
  primary.run("START TRANSACTION");
  if (primary.number("SELECT batch FROM writers WHERE id = " + id + " FOR UPDATE") != mark.batch)
    return batch_fate::absent;
  // It is here. Whether it stays is shown by a commit after it: on a server that is cut off from its replicas, and
  // about to be replaced, this one hangs as that one did.
  primary.run("UPDATE writers SET at = at + 1 WHERE id = " + id);
  all.release();
  primary.run("COMMIT");
  return batch_fate::committed;
}

}  // namespace throng::mysql
