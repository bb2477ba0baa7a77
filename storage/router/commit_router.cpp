// SPDX-License-Identifier: Apache-2.0
#include "storage/router/commit_router.hpp"

#include <algorithm>
#include <pthread.h>
#include <utility>

#include "config/log.hpp"
#include "storage/commit_answer.hpp"
#include "storage/model/assert.hpp"
#include "storage/unit_bytes.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t confirmed_domains_max = 10'000;  // some 100 bytes each
constexpr milliseconds open_pause{250};                // between tries to open a shard's store
// The commit itself may take a while too: well within what a reservation lasts for its owner.
constexpr auto placed_after_reservation_max = commit_after_reservation_max / 2;

void add(commit_queue::figures& to, const commit_queue::figures& from) {
  to.units += from.units;
  to.batches += from.batches;
  to.failed_units += from.failed_units;
  to.refused_units += from.refused_units;
  to.store_errors += from.store_errors;
  to.waiting_units += from.waiting_units;
  to.waiting_bytes += from.waiting_bytes;
}

const trim_rows* trim_of(const commit_unit& unit) {
  for (const auto& op : unit.ops)
    if (const auto* trim = std::get_if<trim_rows>(&op)) return trim;
  return nullptr;
}

}  // namespace

struct commit_router::lane_runner {
  std::shared_ptr<shard_link> link;
  std::shared_ptr<commit_shard> shard;
  std::shared_ptr<commit_lane> lane;
  std::unique_ptr<store> rows;
  std::optional<error> open_failure;
  steady_time next_open{};
  bool has_left = false;
  std::thread thread;
};

/// A unit whose slot waits for it, and who gets the answer.
struct commit_router::gated_unit {
  pending_unit one;
  callback done;
  std::shared_ptr<lookup_steps> steps;
  slot_id slot;
  epoch_t epoch = 0;
};

commit_router::commit_router(const table_routes& routes, unsigned lanes, const limits& bounds, milliseconds hold_max,
                             local_read reads)
    : routes_(routes),
      lanes_(lanes),
      reads_(std::move(reads)),
      book_(routes, bounds, hold_max),
      confirmed_(confirmed_domains_max) {
  THRONG_ASSERT(lanes > 0);
}

commit_router::~commit_router() { commit_router::stop(); }

// -- shards ----------------------------------------------------------------------------------------------------------

void commit_router::apply(const shard_table& table) {
  lane_book::shard_list serving;
  std::vector<std::shared_ptr<commit_shard>> added;
  std::vector<pending_unit> torn;
  {
    std::lock_guard lock(mutex_);
    if (book_.is_stopping()) return;
    for (const auto& entry : table.shards) {
      auto known =
          std::find_if(shards_.begin(), shards_.end(), [&](const auto& one) { return one.first == entry.link; });
      if (known == shards_.end()) {
        shards_.emplace_back(entry.link, lane_book::make_shard(entry.link->range(), lanes_));
        known = std::prev(shards_.end());
        for (const auto& lane : known->second->lanes) {
          auto& runner = runners_.emplace_back();
          runner.link = entry.link;
          runner.shard = known->second;
          runner.lane = lane;
        }
      }
      serving.push_back(known->second);
    }
    book_.apply(std::move(serving), steady_clock::now(), torn);
    for (auto& runner : runners_) {
      if (runner.thread.joinable() || runner.has_left) continue;
      runner.thread = std::thread([this, &runner] { serve(runner); });
      pthread_setname_np(runner.thread.native_handle(), ("throng-commit-" + runner.shard->name).substr(0, 15).c_str());
    }
    wake_all();
  }
  for (auto& one : torn) break_lineage(one.unit);
  for (auto& one : torn)
    answer(one.claim.done, error{errc::internal_error, "the unit's rows are in several shards now"});
  std::lock_guard lock(mutex_);
  for (auto& one : torn) book_.forget(one.claim);
  if (!torn.empty()) look_for_the_end();
}

void commit_router::reap() {
  std::list<lane_runner> left;
  std::lock_guard lock(mutex_);
  for (auto runner = runners_.begin(); runner != runners_.end();) {
    auto current = runner++;
    if (current->has_left) left.splice(left.end(), runners_, current);
  }
  for (auto& runner : left) runner.thread.join();  // it has let go of the mutex, and does nothing more
  std::erase_if(shards_, [&](const auto& one) {
    bool is_used =
        one.second->figures.waiting_units > 0 ||
        std::any_of(runners_.begin(), runners_.end(), [&](const auto& runner) { return runner.shard == one.second; });
    if (!is_used) add(gone_, one.second->figures);
    return !is_used;
  });
}

result<> commit_router::wait_until_open(steady_time deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    const lane_runner* missing = nullptr;
    for (const auto& runner : runners_) {
      if (runner.open_failure && runner.open_failure->code != errc::service_unavailable) return *runner.open_failure;
      if (!runner.lane->is_open) missing = &runner;
    }
    if (missing == nullptr) return done;
    if (opened_.wait_until(lock, deadline) == std::cv_status::timeout) {
      auto why = missing->open_failure ? missing->open_failure->detail : "it doesn't answer";
      return error{errc::service_unavailable, "shard " + missing->shard->name + ": " + why};
    }
  }
}

void commit_router::wake_all() {
  for (auto& runner : runners_) runner.lane->changed.notify_one();
}

// -- the threads -----------------------------------------------------------------------------------------------------

void commit_router::serve(lane_runner& runner) {
  auto& lane = *runner.lane;
  lane_batch batch;
  std::unique_lock lock(mutex_);
  while (true) {
    if (open(runner, lock)) continue;
    auto step = book_.next(lane, steady_clock::now(), batch);
    switch (step.what) {
      case lane_book::next_step::commit:
        commit(lane, batch, lock, *runner.rows);
        break;
      case lane_book::next_step::refuse:
        refuse(lane, batch, lock, step.why);
        break;
      case lane_book::next_step::idle:
      case lane_book::next_step::wait:
        lane.is_idle = step.what == lane_book::next_step::idle;
        if (!runner.rows)
          lane.changed.wait_until(lock, lane.is_idle ? runner.next_open : std::min(step.until, runner.next_open));
        else if (lane.is_idle)
          lane.changed.wait(lock);
        else
          lane.changed.wait_until(lock, step.until);
        lane.is_idle = false;
        break;
      case lane_book::next_step::leave:
        lock.unlock();
        runner.rows.reset();
        runner.link.reset();
        lock.lock();
        runner.has_left = true;
        return;
    }
  }
}

/// Whether it was tried. Until it succeeds, the lane's units wait as they do for a new map.
bool commit_router::open(lane_runner& runner, std::unique_lock<std::mutex>& lock) {
  if (runner.rows || runner.lane->is_retired || book_.is_stopping() || steady_clock::now() < runner.next_open)
    return false;
  lock.unlock();
  auto opened = runner.link->open();
  lock.lock();
  if (opened) {
    runner.rows = std::move(*opened);
    runner.open_failure.reset();
    runner.lane->is_open = true;
    has_lookups_ = has_lookups_ || lookups_of(*runner.rows) != nullptr;
  } else {
    if (!runner.open_failure)
      log::warn("shard {} can't be opened: {}; trying again", runner.shard->name, opened.failure().detail);
    runner.open_failure = opened.failure();
    runner.next_open = steady_clock::now() + open_pause;
  }
  opened_.notify_all();
  return true;
}

void commit_router::commit(commit_lane& lane, lane_batch& batch, std::unique_lock<std::mutex>& lock, store& rows) {
  lock.unlock();
  lane_book::outcome came_to{.was_tried = true};
  auto began = steady_clock::now();
  auto committed = [&]() -> result<std::vector<result<>>> {
    if (!batch.is_task()) return rows.commit(batch.units);
    auto outcome = (*batch.claims.front().task)(rows);
    if (!outcome && outcome.code() == errc::wrong_owner) return outcome.failure();
    return std::vector{std::move(outcome)};
  }();
  auto ended = steady_clock::now();
  if (!committed && committed.code() == errc::wrong_owner) {
    lock.lock();
    if (!lane.is_held && !lane.is_retired) log::info("shard {} takes no writes: they are held", lane.shard->name);
    book_.hand_back(lane, batch, ended);
    if (lane.is_retired) wake_all();
    return;
  }
  came_to.is_store_error = !committed.ok();
  came_to.spent = std::chrono::duration_cast<std::chrono::microseconds>(ended - began);
  if (came_to.is_store_error)
    for (const auto& unit : batch.units) break_lineage(unit);
  THRONG_ASSERT(came_to.is_store_error || committed->size() == batch.claims.size());
  for (std::size_t i = 0; i < batch.claims.size(); ++i) {
    auto own = came_to.is_store_error ? result<>(committed.failure()) : std::move((*committed)[i]);
    if (!own) ++came_to.failed;
    answer(batch.claims[i].done, std::move(own));
  }
  lock.lock();
  book_.settle(lane, batch, came_to, ended);
  settled(lane);
}

void commit_router::refuse(commit_lane& lane, lane_batch& batch, std::unique_lock<std::mutex>& lock, const error& why) {
  lock.unlock();
  for (const auto& unit : batch.units) break_lineage(unit);
  for (auto& claim : batch.claims) answer(claim.done, why);
  auto failed = batch.claims.size();
  lock.lock();
  book_.settle(lane, batch, {.failed = failed}, steady_clock::now());
  settled(lane);
}

/// Who may have waited for the lane's batch.
void commit_router::settled(const commit_lane& lane) {
  if (lane.is_retired) wake_all();
  look_for_the_end();
}

void commit_router::look_for_the_end() {
  if (!book_.is_stopping() || book_.unsettled() > 0) return;
  settled_.notify_all();
  wake_all();
}

void commit_router::stop() {
  std::call_once(joined_, [this] {
    std::list<lane_runner> left;
    {
      std::unique_lock lock(mutex_);
      book_.stop();
      wake_all();
      settled_.wait(lock, [this] { return book_.unsettled() == 0; });
      wake_all();
      left.splice(left.end(), runners_);  // reap() finds none; nobody has to be woken any more
    }
    for (auto& runner : left)
      if (runner.thread.joinable()) runner.thread.join();
  });
}

// -- units -----------------------------------------------------------------------------------------------------------

void commit_router::submit(commit_unit unit, callback done) {
  pending_unit one;
  one.claim.bytes = unit_bytes(unit);
  one.claim.done = std::move(done);
  one.claim.since = steady_clock::now();
  const auto* trim = trim_of(unit);
  one.claim.slot = trim != nullptr ? unit.guard.slot : book_.slot_of(unit);
  one.unit = std::move(unit);
  std::optional<error> refused;
  std::shared_ptr<commit_lane> wakes;
  {
    std::unique_lock lock(mutex_);
    if (trim != nullptr && book_.has_many_shards()) {
      lock.unlock();
      auto what = *trim;
      return trim_everywhere(std::move(one), what);
    }
    refused = book_.admit(one);
    if (!refused) {
      auto gate = gates_.empty() ? gates_.end() : gates_.find(one.claim.slot.value);
      if (gate != gates_.end()) {
        gate->second.push_back(std::move(one));
      } else if (needs_lookups(one.unit)) {
        gates_[one.claim.slot.value];
        book_.begin_work();
        lock.unlock();
        return begin(std::move(one));
      } else {
        const auto& lane = book_.place(std::move(one));
        if (std::exchange(lane->is_idle, false)) wakes = lane;
      }
    }
  }
  if (wakes) wakes->changed.notify_one();
  if (!refused) return;
  break_lineage(one.unit);
  answer(one.claim.done, std::move(*refused));
}

struct commit_queue::figures commit_router::read_figures() const {
  std::lock_guard lock(mutex_);
  auto all = gone_;
  for (const auto& [link, shard] : shards_) add(all, shard->figures);
  return all;
}

commit_router::shard_figures commit_router::figures_of(const key_range& range) const {
  std::lock_guard lock(mutex_);
  for (const auto& shard : book_.serving())
    if (shard->range == range)
      return {shard->figures, shard->held_units(), static_cast<std::uint64_t>(shard->spent.count()), shard->latency};
  return {};
}

/// A shard's trims all go to the same lane: its store knows where the last one stopped.
void commit_router::trim_everywhere(pending_unit one, const trim_rows& what) {
  struct gathering {
    std::mutex mutex;
    std::size_t missing = 0, rows = 0;
    std::int64_t busy_micros = 0;  // of the slowest: each has a writer of its own
    bool is_through = true;
    result<> outcome = throng::done;
    std::shared_ptr<trim_report> report;
    callback done;
  };
  if (one.unit.ops.size() != 1) {
    break_lineage(one.unit);
    return answer(one.claim.done, error{errc::internal_error, "a trim of all shards stands alone in its unit"});
  }
  auto all = std::make_shared<gathering>();
  all->report = what.report;
  all->done = std::move(one.claim.done);

  std::vector<std::pair<pending_unit, error>> refused;
  {
    std::lock_guard lock(mutex_);
    all->missing = book_.serving().size();
    for (const auto& shard : book_.serving()) {
      auto own = std::make_shared<trim_report>();
      pending_unit part;
      part.unit = {{}, {trim_rows{what.what, what.before, what.count_max, own}}};
      part.claim.bytes = one.claim.bytes;
      part.claim.since = one.claim.since;
      part.claim.slot = slot_of(shard->range.begin);
      part.claim.done = [all, own, lineage = one.unit.lineage](const result<>& outcome) {
        {
          std::lock_guard counted(all->mutex);
          all->rows += own->rows.load();
          all->busy_micros = std::max(all->busy_micros, own->busy_micros.load());
          all->is_through &= own->is_through.load();
          if (!outcome) all->outcome = outcome;
          if (--all->missing > 0) return;
        }
        if (all->report) {
          all->report->rows.store(all->rows);
          all->report->busy_micros.store(all->busy_micros);
          all->report->is_through.store(all->is_through);
        }
        if (!all->outcome && lineage) lineage->store(true);
        all->done(std::move(all->outcome));
      };
      if (auto why = book_.admit(part))
        refused.emplace_back(std::move(part), std::move(*why));
      else
        book_.place(std::move(part))->changed.notify_one();
    }
  }
  for (auto& [part, why] : refused) answer(part.claim.done, std::move(why));
}

// -- lookups ---------------------------------------------------------------------------------------------------------

bool commit_router::needs_lookups(const commit_unit& unit) {
  if (!has_lookups_ && !book_.has_many_shards()) return false;
  return std::any_of(unit.ops.begin(), unit.ops.end(), [&](const write_op& op) {
    if (const auto* workspace = std::get_if<put_workspace>(&op))
      return !confirmed_.has(workspace->row.id, unit.guard.epoch, workspace->row.domain);
    return unit.guard.epoch == 0 && std::holds_alternative<put_token>(op);
  });
}

void commit_router::run_at(slot_id slot, lane_task task, callback done) {
  pending_unit one;
  one.claim.slot = slot;
  one.claim.since = steady_clock::now();
  one.claim.done = std::move(done);
  one.claim.task = std::make_unique<lane_task>(std::move(task));
  std::shared_ptr<commit_lane> lane;
  {
    std::lock_guard lock(mutex_);
    lane = book_.place(std::move(one));
    lane->is_idle = false;
  }
  lane->changed.notify_one();
}

/// REQUIRES: the slot's gate is open, and begin_work() was called.
void commit_router::begin(pending_unit one) {
  auto gated = std::make_shared<gated_unit>();
  gated->done = std::move(one.claim.done);
  gated->slot = one.claim.slot;
  gated->epoch = one.unit.guard.epoch;
  gated->steps = std::make_shared<lookup_steps>(static_cast<shard_doors&>(*this), routes_, one.unit);
  gated->one = std::move(one);
  gated->steps->before([this, gated](result<> registered) { continue_with(gated, std::move(registered)); });
}

void commit_router::continue_with(const std::shared_ptr<gated_unit>& gated, result<> registered) {
  if (!registered) {
    break_lineage(gated->one.unit);
    {
      std::lock_guard lock(mutex_);
      book_.forget(gated->one.claim);
    }
    return conclude(gated, std::move(registered));
  }
  gated->one.claim.not_after = steady_clock::now() + placed_after_reservation_max;
  gated->one.claim.done = [this, gated](result<> outcome) {
    if (!outcome) return conclude(gated, std::move(outcome));
    {
      std::lock_guard lock(mutex_);
      for (const auto& [domain, team] : gated->steps->domains()) confirmed_.put(team, gated->epoch, domain);
    }
    gated->steps->after([this, gated] { conclude(gated, done); });
  };
  std::shared_ptr<commit_lane> lane;
  {
    std::lock_guard lock(mutex_);
    lane = book_.place(std::move(gated->one));
    lane->is_idle = false;
  }
  lane->changed.notify_one();
}

void commit_router::conclude(const std::shared_ptr<gated_unit>& gated, result<> outcome) {
  answer(gated->done, std::move(outcome));
  release(gated->slot);
}

/// Lets what waits behind a unit go on, up to the next one that needs steps too.
void commit_router::release(slot_id slot) {
  std::unique_lock lock(mutex_);
  auto& behind = gates_.at(slot.value);
  while (!behind.empty() && !needs_lookups(behind.front().unit)) {
    const auto& lane = book_.place(std::move(behind.front()));
    behind.pop_front();
    lane->is_idle = false;
    lane->changed.notify_one();
  }
  if (behind.empty()) {
    gates_.erase(slot.value);
    book_.end_work();
    return look_for_the_end();
  }
  // On the lane's thread, not here: a long queue of them, all refused at once, would be as deep a recursion.
  auto next = std::make_shared<pending_unit>(std::move(behind.front()));
  behind.pop_front();
  lock.unlock();
  run_at(
      slot, [](store&) -> result<> { return done; }, [this, next](const result<>&) { begin(std::move(*next)); });
}

}  // namespace throng
