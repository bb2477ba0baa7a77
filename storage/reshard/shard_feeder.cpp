// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/shard_feeder.hpp"

#include <algorithm>
#include <set>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr milliseconds backoff_min{10}, backoff_max{1000};
constexpr milliseconds whole_look_every{250};
constexpr std::size_t chunk_rows_min = 16;
constexpr int replays_in_a_row_max = 20;  // then a chunk, also when writers are faster than we are
constexpr std::size_t keys_per_query = 500;

reshard_sql::row_values read_row(mysql::rows& found, const mysql::table_layout& table) {
  reshard_sql::row_values row;
  row.reserve(table.columns.size());
  for (std::size_t i = 0; i < table.columns.size(); ++i) row.push_back(found.bytes());
  return row;
}

std::vector<const reshard_sql::row_values*> part_for(const key_range& shard, const mysql::table_layout& table,
                                                     const std::vector<reshard_sql::row_values>& rows) {
  std::vector<const reshard_sql::row_values*> part;
  for (const auto& row : rows)
    if (shard.contains(reshard_sql::ksid_of(table, row))) part.push_back(&row);
  return part;
}

/// A join from the ids to their entries. "id IN (…)" won't do: of a small table the server prefers to read all of it,
/// and then waits for the entries of transactions that are under way.
template <class Entries>
std::string delete_entries(const Entries& entries) {
  std::string ids;
  for (const auto& one : entries) ids += (ids.empty() ? "(" : ",(") + std::to_string(one.id) + ")";
  return "DELETE j FROM (VALUES " + ids + ") ids STRAIGHT_JOIN reshard_journal j FORCE INDEX(PRIMARY) ON j.id=ids.`" +
         std::to_string(entries.front().id) + "`";
}

}  // namespace

/// What lasts as long as the connections do.
struct shard_feeder::work {
  std::unique_ptr<mysql::connection> source;
  std::vector<std::unique_ptr<row_sink>> sinks;
  std::size_t table = 0;                // of sharded_tables(), the one that is being copied
  std::vector<copy_progress> progress;  // of that table, by sink
  // Entries up to here have been replayed, but for those that were committed late. A look at all of them finds those;
  // it is made now and then only, because deleted entries cost time until the server has purged them.
  std::uint64_t replayed_upto = 0;
  clock::time_point whole_look_at{};
};

shard_feeder::shard_feeder(const reshard_context& context, key_range from, std::vector<key_range> to, bool copies,
                           const feeder_limits& limits)
    : context_(context), from_(from), to_(std::move(to)), copies_(copies), limits_(limits) {
  figures_.from = from_;
  figures_.to = to_;
  figures_.is_copied = !copies_;
  thread_ = std::thread([this] { run(); });
}

shard_feeder::~shard_feeder() { stop(); }

feeder_figures shard_feeder::read_figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

bool shard_feeder::has_ended() const {
  std::lock_guard lock(mutex_);
  return has_ended_;
}

void shard_feeder::end() {
  std::lock_guard lock(mutex_);
  is_stopping_ = true;
  changed_.notify_all();
}

void shard_feeder::stop() {
  end();
  if (thread_.joinable()) thread_.join();
}

bool shard_feeder::wait_drained(milliseconds at_most) {
  std::unique_lock lock(mutex_);
  const auto ticket = ++drain_asked_;
  changed_.notify_all();
  changed_.wait_for(lock, at_most, [&] { return drain_answered_ >= ticket || has_ended_ || is_stopping_; });
  return drain_answered_ >= ticket;
}

bool shard_feeder::pause_for(milliseconds time, bool until_hurried) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return is_stopping_ || (until_hurried && drain_asked_ > drain_answered_); });
  return !is_stopping_;
}

void shard_feeder::run() {
  for (auto backoff = backoff_min;; backoff = std::min(backoff * 2, backoff_max)) {
    const auto began = clock::now();
    try {
      feed();
      return;
    } catch (const mysql::failure& why) {
      std::lock_guard lock(mutex_);
      figures_.trouble = why.what();
    } catch (const std::exception& why) {  // superseded, or a test's crash
      std::lock_guard lock(mutex_);
      figures_.trouble = why.what();
      has_ended_ = true;
      changed_.notify_all();
      return;
    }
    if (clock::now() - began > 2 * backoff_max) backoff = backoff_min;  // it had worked for a while
    if (!pause_for(backoff, false)) return;
  }
}

void shard_feeder::feed() {
  work now;
  now.source = connect_primary(context_, from_);
  for (const auto& shard : to_) now.sinks.push_back(std::make_unique<row_sink>(context_, shard));
  now.progress.resize(to_.size());
  {
    std::lock_guard lock(mutex_);
    figures_.trouble.clear();
    figures_.rows_copied = 0;
  }
  bool is_copying = copies_;
  if (is_copying) finish_table(now);
  for (int in_a_row = 0;;) {
    const auto has_more = replay(now);
    is_copying = copies_ && now.table < mysql::sharded_tables().size();
    if (has_more && ++in_a_row < replays_in_a_row_max) {
      if (!pause_for(milliseconds(0), false)) return;
      continue;
    }
    in_a_row = 0;
    const auto is_due = is_copying && clock::now() >= next_chunk_;
    if (is_due) copy_chunk(now);
    if (!pause_for(is_due || has_more ? milliseconds(0) : limits_.poll, true)) return;
  }
}

// -- the journal -----------------------------------------------------------------------------------------------------

/// True if there was more than fits at once.
bool shard_feeder::replay(work& now) {
  std::uint64_t ticket = 0;
  {
    std::lock_guard lock(mutex_);
    ticket = drain_asked_;
  }
  const auto is_whole = ticket > drain_answered_ || clock::now() >= now.whole_look_at;
  if (is_whole) now.whole_look_at = clock::now() + whole_look_every;
  const auto condition = is_whole ? std::string() : " WHERE id>" + std::to_string(now.replayed_upto);
  std::vector<entry> entries;
  std::size_t bytes = 0;
  bool is_cut = false;
  {
    auto found = now.source->query("SELECT id, tbl, k, ksid, bytes FROM reshard_journal" + condition +
                                   " ORDER BY id LIMIT " + std::to_string(limits_.entries_max));
    while (found.next()) {
      entry one{found.unsigned_number(), found.bytes(), found.bytes(), found.unsigned_number(),
                found.unsigned_number()};
      bytes += one.bytes;
      if (bytes > limits_.bytes_max && !entries.empty()) {
        is_cut = true;
        break;
      }
      entries.push_back(std::move(one));
    }
    is_cut = is_cut || found.count() >= limits_.entries_max;
  }
  if (!entries.empty()) {
    for (auto& sink : now.sinks) sink->begin();
    for (const auto& table : mysql::sharded_tables()) {
      std::vector<const entry*> changed;
      std::set<std::string_view> seen;
      for (const auto& one : entries)
        if (one.table == table.name && seen.insert(one.key).second) changed.push_back(&one);
      if (!changed.empty()) replay_table(now, table, changed);
    }
    context_.step("replay.written");
    for (auto& sink : now.sinks) sink->commit();
    context_.step("replay.committed");
    now.source->run(delete_entries(entries));
    now.replayed_upto = std::max(now.replayed_upto, entries.back().id);
  }
  const auto waiting =
      is_cut ? now.source->number("SELECT COALESCE(MAX(id)-MIN(id)+1, 0) FROM reshard_journal") : std::uint64_t{0};
  std::lock_guard lock(mutex_);
  figures_.entries_replayed += entries.size();
  figures_.entries_waiting = waiting;
  if (is_whole && !is_cut && ticket > drain_answered_) {
    drain_answered_ = ticket;
    changed_.notify_all();
  }
  return is_cut;
}

/// The rows as they are now: what has changed since has an entry of its own, which comes later.
void shard_feeder::replay_table(work& now, const mysql::table_layout& table, std::span<const entry* const> entries) {
  while (!entries.empty()) {
    const auto some = entries.first(std::min(entries.size(), keys_per_query));
    entries = entries.subspan(some.size());
    std::vector<std::string> keys;
    for (const auto* one : some) keys.push_back(one->key);
    std::vector<reshard_sql::row_values> rows;
    std::set<std::string> present;
    {
      auto found = now.source->query(reshard_sql::select_rows(table, keys));
      while (found.next()) {
        rows.push_back(read_row(found, table));
        present.insert(reshard_sql::key_of(table, rows.back()));
      }
    }
    for (auto& sink : now.sinks) {
      sink->put(table, part_for(sink->shard(), table, rows));
      std::vector<std::string> gone;
      for (const auto* one : some)
        if (!present.contains(one->key) && sink->shard().contains(one->ksid)) gone.push_back(one->key);
      sink->erase(table, gone);
    }
  }
}

// -- the copy --------------------------------------------------------------------------------------------------------

/// Goes on to the next table that isn't done, where its copy was left.
void shard_feeder::finish_table(work& now) {
  const auto tables = mysql::sharded_tables();
  const auto name = to_text(from_);
  for (; now.table < tables.size(); ++now.table) {
    bool is_done = true;
    std::uint64_t rows = 0;
    for (std::size_t i = 0; i < now.sinks.size(); ++i) {
      now.progress[i] = now.sinks[i]->progress(name, tables[now.table]);
      is_done = is_done && now.progress[i].is_done;
      rows += now.progress[i].rows;
    }
    std::lock_guard lock(mutex_);
    figures_.rows_copied += rows;
    figures_.table = tables[now.table].name;
    if (!is_done) return;
  }
  std::lock_guard lock(mutex_);
  figures_.table.clear();
  figures_.is_copied = true;
  changed_.notify_all();
}

void shard_feeder::copy_chunk(work& now) {
  const auto& table = mysql::sharded_tables()[now.table];
  // A crash between two targets' commits leaves one a chunk ahead: it gets those rows again.
  const auto least =
      *std::ranges::min_element(now.progress, {}, [](const auto& each) { return std::pair(each.is_done, each.chunk); });
  clock::duration slowest{};
  const auto timed = [&](auto call) {
    const auto began = clock::now();
    auto answer = call();
    slowest = std::max(slowest, clock::now() - began);
    return answer;
  };
  // First how large they are: a chunk of long posts must not fill the memory.
  std::string upto;
  std::size_t count = 0;
  {
    auto sizes = timed([&] {
      return now.source->query(reshard_sql::select_sizes(table, {least.last_key, {}, chunk_rows_}));
    });
    for (std::size_t bytes = 0; sizes.next(); ++count) {
      auto key = sizes.bytes();
      bytes += sizes.unsigned_number();
      if (bytes > limits_.bytes_max && count > 0) break;
      upto = std::move(key);
    }
  }
  std::vector<reshard_sql::row_values> rows;
  if (count > 0) {
    auto found = timed([&] {
      return now.source->query(reshard_sql::select_rows(table, {least.last_key, upto, count}));
    });
    while (found.next()) rows.push_back(read_row(found, table));
    if (rows.size() == count) upto = reshard_sql::key_of(table, rows.back());  // new rows have pushed others out
  }
  context_.step("copy.read");
  std::size_t copied = 0;
  for (std::size_t i = 0; i < now.sinks.size(); ++i) {
    auto& sink = *now.sinks[i];
    auto& progress = now.progress[i];
    if (progress.is_done) continue;
    const auto part = part_for(sink.shard(), table, rows);
    if (progress.chunk == least.chunk) progress.rows += part.size();
    progress.chunk = least.chunk + 1;
    progress.is_done = count == 0;
    if (count > 0) progress.last_key = upto;
    timed([&] {
      sink.begin();
      sink.put(table, part);
      sink.note(to_text(from_), table, progress);
      context_.step("copy.written");
      sink.commit();
      return 0;
    });
    copied += part.size();
    context_.step("copy.committed");
  }
  if (count == 0) {
    finish_table(now);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    figures_.rows_copied += copied;
  }
  pace(rows.size(), slowest);
}

/// Keeps statements short and the copy within its rate.
void shard_feeder::pace(std::size_t rows, clock::duration slowest) {
  if (slowest > limits_.chunk_time)
    chunk_rows_ = std::max(chunk_rows_ / 2, chunk_rows_min);
  else if (slowest < limits_.chunk_time / 2)
    chunk_rows_ = std::min(chunk_rows_ * 2, limits_.chunk_rows_max);
  if (limits_.rows_per_second == 0) return;
  next_chunk_ = clock::now() + std::chrono::microseconds(rows * 1'000'000 / limits_.rows_per_second);
}

}  // namespace throng
