// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_runner.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "config/log.hpp"
#include "storage/model/assert.hpp"
#include "storage/mysql/mysql_schema.hpp"
#include "storage/reshard/reshard_databases.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr milliseconds tick{50};
constexpr milliseconds retry_pause{1000};  // of what must come to an end though a server is away

/// Neither before nor behind something: it has to be brought to an end.
bool is_on_the_way(reshard_phase phase) {
  using enum reshard_phase;
  return phase == creating || phase == switching || phase == reversing || phase == completing || phase == cancelling;
}

error not_here() { return {errc::not_found, "there is no reshard that this node runs (resume takes one over)"}; }

}  // namespace

reshard_runner::reshard_runner(topology_store& topology, const shard_directory& shards, reshard_options options)
    : topology_(topology),
      shards_(shards),
      options_(std::move(options)),
      context_{shards_, options_.admin, 0, options_.at_step, [this] { return is_stopping(); }} {
  thread_ = std::thread([this] { run(); });
}

reshard_runner::~reshard_runner() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
    for (const auto& feeder : feeders_) feeder->end();  // a switch that waits for them is undone
    changed_.notify_all();
  }
  thread_.join();
}

bool reshard_runner::is_stopping() const {
  std::lock_guard lock(mutex_);
  return is_stopping_;
}

// -- the door --------------------------------------------------------------------------------------------------------

std::string_view reshard_runner::name_of(verb what) {
  static constexpr std::array<std::string_view, 8> names{"",       "start",   "resume",   "verify",
                                                         "switch", "reverse", "complete", "cancel"};
  return names[static_cast<std::size_t>(what)];
}

result<reshard_plan> reshard_runner::plan(std::string_view sources, std::string_view targets) const {
  auto from = parse_shard_list(sources);
  if (!from) return from.failure();
  auto to = parse_reshard_targets(targets);
  if (!to) return to.failure();
  return make_reshard_plan(*shards_.current(), options_.keyspace, std::move(from).value(), std::move(to).value());
}

result<> reshard_runner::start(std::string_view sources, std::string_view targets, std::uint64_t rows_per_second) {
  auto made = plan(sources, targets);
  if (!made) return made.failure();
  return begin(verb::start, [&]() -> result<> {
    if (record_ && !is_over(record_->phase))
      return error{errc::conflict, "a reshard is " + std::string(to_string(record_->phase)) +
                                       ": complete or cancel it before another one starts"};
    plan_ = std::move(made).value();
    rows_per_second_ = rows_per_second;
    return done;
  });
}

result<> reshard_runner::resume() {
  return begin(verb::resume, [] { return result<>(done); });
}

result<> reshard_runner::verify() { return begin(verb::verify, reshard_action::verify); }
result<> reshard_runner::switch_writes() { return begin(verb::switch_writes, reshard_action::switch_writes); }
result<> reshard_runner::reverse() { return begin(verb::reverse, reshard_action::reverse); }
result<> reshard_runner::cancel() { return begin(verb::cancel, reshard_action::cancel); }

result<> reshard_runner::complete(bool drops_data) {
  return begin(verb::complete, [&]() -> result<> {
    if (!record_ || !is_run_here_) return not_here();
    const auto allowed = phase_for(record_->phase, reshard_action::complete);
    if (!allowed) return allowed.failure();
    drops_data_ = drops_data;
    return done;
  });
}

result<> reshard_runner::begin(verb what, reshard_action action) {
  return begin(what, [&]() -> result<> {
    if (!record_ || !is_run_here_) return not_here();
    const auto allowed = phase_for(record_->phase, action);
    if (!allowed) return allowed.failure();
    return done;
  });
}

/// `prepare` is called under the lock.
result<> reshard_runner::begin(verb what, const std::function<result<>()>& prepare) {
  std::lock_guard lock(mutex_);
  if (is_stopping_) return errc::stopping;
  if (next_ != verb::none || (current_ != verb::none && current_ != verb::verify))
    return error{errc::conflict, std::string(name_of(next_ != verb::none ? next_ : current_)) + " is at work"};
  if (current_ == verb::verify && what == verb::verify) return error{errc::conflict, "verify is at work"};
  if (const auto ready = prepare(); !ready) return ready;
  next_ = what;
  stops_verify_ = true;
  trouble_.clear();
  changed_.notify_all();
  return done;
}

reshard_status reshard_runner::status() const {
  reshard_status now;
  std::vector<std::shared_ptr<shard_feeder>> feeders;
  {
    std::lock_guard lock(mutex_);
    now.record = record_;
    now.is_run_here = is_run_here_;
    now.doing = name_of(current_ != verb::none ? current_ : next_);
    now.trouble = trouble_;
    now.verified = report_;
    feeders = feeders_;
  }
  for (const auto& feeder : feeders) now.feeders.push_back(feeder->read_figures());
  if (now.is_run_here) return now;
  // Another node's: what it wrote down last.
  const auto entry = topology_.get(reshard_key(options_.keyspace));
  if (!entry || !*entry) return now;
  if (auto record = parse_reshard_record(**entry)) now.record = std::move(record).value();
  return now;
}

bool reshard_runner::wait_idle(milliseconds at_most) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [&] { return next_ == verb::none && current_ == verb::none; });
}

// -- the thread ------------------------------------------------------------------------------------------------------

void reshard_runner::run() {
  for (;;) {
    verb what = verb::none;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, tick, [&] { return is_stopping_ || next_ != verb::none; });
      if (is_stopping_) break;
      what = std::exchange(next_, verb::none);
      current_ = what;
      stops_verify_ = false;
    }
    if (what == verb::none)
      watch_streams();
    else
      perform(what);
    std::lock_guard lock(mutex_);
    current_ = verb::none;
    changed_.notify_all();
  }
  stop_feeders();
  hold_.reset();
}

/// What happens by itself: the copy comes to its end, another runner takes over, something unfinished is tried again.
void reshard_runner::watch_streams() {
  const auto is_unfinished = is_run_here_ && record_ && is_on_the_way(record_->phase);
  if ((wants_resume_ || is_unfinished) && clock::now() >= retry_at_) return perform(verb::resume);
  if (!record_ || !is_run_here_) return;
  bool is_copied = !feeders_.empty();
  std::string ended;
  for (const auto& feeder : feeders_) {
    const auto figures = feeder->read_figures();
    is_copied = is_copied && figures.is_copied;
    if (feeder->has_ended()) ended = figures.trouble;
  }
  if (has_lost_hold_) ended = "the topology no longer vouches for this runner";
  if (!ended.empty()) return let_go(ended);
  if (record_->phase == reshard_phase::copying && is_copied) {
    try {
      enter(reshard_phase::running, "all rows are copied");
    } catch (const refusal& refused) {
      let_go(refused.why.detail);
    }
  }
}

void reshard_runner::perform(verb what) {
  std::string failed;
  if (what == verb::resume)
    wants_resume_ = true;  // until it succeeds: a server or the last runner's key may be in the way
  try {
    switch (what) {
      case verb::none:
        break;
      case verb::start:
        perform_start();
        break;
      case verb::resume:
        perform_resume();
        break;
      case verb::verify:
        perform_verify();
        break;
      case verb::switch_writes:
      case verb::reverse:
        perform_switch(what);
        break;
      case verb::complete:
        perform_complete();
        break;
      case verb::cancel:
        perform_cancel();
        break;
    }
    if (what == verb::resume) wants_resume_ = false;
    std::lock_guard lock(mutex_);
    trouble_.clear();
    return;
  } catch (const refusal& refused) {
    failed = refused.what();
  } catch (const mysql::failure& why) {
    failed = why.what();
  } catch (const std::exception& why) {  // superseded, or a test's crash: nothing is tidied up
    return let_go(why.what());
  }
  retry_at_ = clock::now() + retry_pause;
  if (!is_run_here_) hold_.reset();
  std::lock_guard lock(mutex_);
  if (is_run_here_ && feeders_.empty()) wants_resume_ = true;
  if (trouble_ != failed) log::warn("reshard {} failed: {}", name_of(what), failed);
  trouble_ = failed;
}

bool reshard_runner::sleep(milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return is_stopping_; });
  return !is_stopping_;
}

/// Stops at once, as if the process were gone.
void reshard_runner::let_go(const std::string& why) {
  stop_feeders();
  hold_.reset();
  log::warn("reshard runner lets go: {}", why);
  wants_resume_ = true;
  retry_at_ = clock::now() + retry_pause;
  std::lock_guard lock(mutex_);
  is_run_here_ = false;
  trouble_ = why;
}

// -- the topology ----------------------------------------------------------------------------------------------------

/// Writes, or finds out that it was written. Refuses where somebody else was faster, or when the runner ends.
topology_version reshard_runner::write_entry(std::string_view key, const std::string& value,
                                             topology_version expected) {
  for (;;) {
    const auto written = topology_.put(key, value, expected);
    if (written) return *written;
    if (written.code() != errc::service_unavailable) throw refusal(written.failure());
    // It isn't known whether it was written, so the answer is in the store.
    const auto found = topology_.get(key);
    if (found) {
      const auto version = *found ? (*found)->version : 0;
      if (version != expected && *found && (*found)->value == value) return version;
      if (version != expected) refuse(errc::conflict, std::string(key) + " was changed by somebody else");
    }
    if (!sleep(milliseconds(100))) refuse(errc::stopping, "the runner ends");
  }
}

std::optional<reshard_record> reshard_runner::read_record() {
  const auto found = topology_.get(reshard_key(options_.keyspace));
  if (!found) throw refusal(found.failure());
  if (!*found) return std::nullopt;
  auto record = parse_reshard_record(**found);
  if (!record) throw refusal(record.failure());
  return std::move(record).value();
}

void reshard_runner::enter(reshard_phase phase, std::string reason) {
  auto next = *record_;
  next.phase = phase;
  next.reason = std::move(reason);
  next.version = write_entry(reshard_key(options_.keyspace), to_json(next), next.version);
  log::info("reshard {} is {}: {}", next.id, to_string(phase), next.reason);
  std::lock_guard lock(mutex_);
  record_ = std::move(next);
  changed_.notify_all();
}

void reshard_runner::acquire() {
  if (!hold_) {
    has_lost_hold_ = false;
    auto held = topology_.hold("reshard-runner/" + options_.keyspace, options_.node, options_.hold_ttl,
                               [this] { has_lost_hold_ = true; });
    if (!held && held.code() == errc::conflict)
      refuse(errc::conflict, "another process runs the reshard of this keyspace");
    if (!held) throw refusal(held.failure());
    hold_ = std::move(held).value();
  }
  stop_feeders();
  context_.runner = random_();
}

/// From here on nothing that another runner still has in its hands can reach a shard.
void reshard_runner::take_over_all() {
  for (const auto* side : {&record_->sources, &record_->targets})
    for (const auto& shard : *side) take_over(*connect_primary(context_, shard), context_.runner);
}

bool reshard_runner::is_switched_in_topology() {
  const auto map = read_shard_map(topology_, options_.keyspace);
  if (!map) throw refusal(map.failure());
  const auto serves = [&](const key_range& range) {
    return std::ranges::find(map->serving(), range, &shard_record::range) != map->serving().end();
  };
  return std::ranges::all_of(record_->to(), serves);
}

void reshard_runner::change_serving() {
  const auto found = topology_.get(serving_key(options_.keyspace));
  if (!found) throw refusal(found.failure());
  if (!*found) refuse(errc::not_found, serving_key(options_.keyspace) + " is gone");
  const auto serving = parse_serving(**found);
  if (!serving) throw refusal(serving.failure());
  for (const auto& range : record_->from())
    if (std::ranges::find(*serving, range) == serving->end())
      refuse(errc::conflict, "shard " + to_text(range) + " doesn't serve");
  context_.step("switch.opened");
  write_entry(serving_key(options_.keyspace),
              serving_to_json(serving_set_after(*serving, record_->from(), record_->to())), (*found)->version);
}

void reshard_runner::register_targets() {
  const auto missing = plan_ ? plan_->unknown : std::vector<key_range>();  // after a resume they are registered
  for (const auto& range : missing) {
    const auto target = std::ranges::find(plan_->targets, range, &reshard_target::range);
    shard_record shard;
    shard.keyspace = options_.keyspace;
    shard.range = range;
    shard.term = 1;
    shard.primary = target->servers.front();
    shard.servers = target->servers;
    shard.in_sync = {shard.primary};
    shard.reason = "registered by a reshard";
    context_.step("start.registering");
    write_entry(shard_key(options_.keyspace, range), to_json(shard), 0);
  }
  // This node's directory hears of them through its watch.
  for (const auto deadline = clock::now() + options_.server_patience;;) {
    const auto map = shards_.current();
    if (std::ranges::all_of(record_->targets, [&](const auto& range) { return map->find(range) != nullptr; })) return;
    if (clock::now() >= deadline) refuse(errc::service_unavailable, "the topology doesn't tell of the new shards");
    shards_.wait_for_change(map, tick);
  }
}

void reshard_runner::erase_shard(const key_range& range) {
  const auto key = shard_key(options_.keyspace, range);
  for (;;) {
    const auto found = topology_.get(key);
    if (found && !*found) return;
    if (found && topology_.erase(key, (*found)->version)) return;
    if (!sleep(milliseconds(100))) refuse(errc::stopping, "the runner ends");
  }
}

// -- streams ---------------------------------------------------------------------------------------------------------

void reshard_runner::start_feeders() {
  stop_feeders();
  auto limits = options_.feeder;
  limits.rows_per_second = record_->rows_per_second;
  const auto copies = record_->phase == reshard_phase::copying;
  std::vector<std::shared_ptr<shard_feeder>> made;
  for (const auto& from : record_->from()) {
    std::vector<key_range> to;
    for (const auto& range : record_->to())
      if (range.overlaps(from)) to.push_back(range);
    made.push_back(std::make_shared<shard_feeder>(context_, from, std::move(to), copies, limits));
  }
  std::lock_guard lock(mutex_);
  feeders_ = std::move(made);
}

void reshard_runner::stop_feeders() {
  std::vector<std::shared_ptr<shard_feeder>> old;
  {
    std::lock_guard lock(mutex_);
    old.swap(feeders_);
  }
  for (const auto& feeder : old) feeder->stop();
}

void reshard_runner::drain(const key_range& from, milliseconds at_most) {
  for (const auto& feeder : feeders_) {
    const auto figures = feeder->read_figures();
    if (figures.from != from) continue;
    if (feeder->wait_drained(at_most)) return;
    const auto now = feeder->read_figures();
    if (feeder->has_ended()) throw std::runtime_error(now.trouble);
    refuse(errc::service_unavailable,
           "the stream from " + to_text(from) + " doesn't catch up: " +
               (now.trouble.empty() ? std::to_string(now.entries_waiting) + " changes wait" : now.trouble));
  }
}

// -- verbs -----------------------------------------------------------------------------------------------------------

void reshard_runner::perform_start() {
  acquire();
  topology_version version = 0;
  if (const auto last = read_record()) {
    if (!is_over(last->phase))
      refuse(errc::conflict, "a reshard is " + std::string(to_string(last->phase)) + " already");
    version = last->version;
  }
  reshard_record record;
  record.id = context_.runner;
  record.sources = plan_->sources;
  for (const auto& target : plan_->targets) record.targets.push_back(target.range);
  record.registered = plan_->unknown;
  record.rows_per_second = rows_per_second_;
  record.version = version;
  {
    std::lock_guard lock(mutex_);
    record_ = std::move(record);
    is_run_here_ = true;
    report_.reset();
  }
  try {
    enter(reshard_phase::creating, "started");
  } catch (const refusal&) {
    std::lock_guard lock(mutex_);
    record_.reset();
    is_run_here_ = false;
    throw;
  }
  create();
}

/// From creating to copying; back to nothing if a server isn't fit for it.
void reshard_runner::create() {
  try {
    register_targets();
    context_.step("start.registered");
    for (const auto& target : record_->targets) {
      // A new server may still be on its way up, or be opened by its supervisor in a moment.
      for (const auto deadline = clock::now() + options_.server_patience;;) {
        try {
          if (auto prepared = prepare_target(context_, target); !prepared) throw refusal(prepared.failure());
          break;
        } catch (const mysql::failure& why) {
          if (!(why.is_connection_lost() || why.is_read_only()) || clock::now() >= deadline) throw;
        }
        if (!sleep(tick)) refuse(errc::stopping, "the runner ends");
      }
      context_.step("start.prepared");
      install_journal(context_, target, options_.ddl_patience);
    }
    context_.step("start.targets_ready");
    for (const auto& source : record_->sources) {
      install_journal(context_, source, options_.ddl_patience);
      context_.step("start.journal_installed");
    }
    enter(reshard_phase::copying, "journals are in place");
  } catch (const refusal& refused) {
    if (refused.why.code == errc::stopping) throw;
    enter(reshard_phase::cancelling, refused.what());
    perform_cancel();
    throw;
  } catch (const mysql::failure& why) {
    enter(reshard_phase::cancelling, why.what());
    perform_cancel();
    throw;
  }
  start_feeders();
}

void reshard_runner::perform_resume() {
  using enum reshard_phase;
  acquire();
  auto found = read_record();
  {
    std::lock_guard lock(mutex_);
    record_ = found;
    is_run_here_ = found && !is_over(found->phase);
  }
  if (!is_run_here_) {
    hold_.reset();
    return;
  }
  context_.step("resume.read");
  if (record_->phase == creating) {
    const auto map = read_shard_map(topology_, options_.keyspace);
    if (!map) throw refusal(map.failure());
    if (std::ranges::all_of(record_->targets, [&](const auto& range) { return map->find(range) != nullptr; })) {
      plan_.reset();
      return create();
    }
    // The addresses of the targets died with the runner.
    enter(cancelling, "the runner died before the targets were registered");
  }
  if (record_->phase == completing || record_->phase == cancelling) {
    record_->phase == completing ? perform_complete() : perform_cancel();
    return;
  }
  take_over_all();
  context_.step("resume.taken_over");
  if (record_->phase == switching || record_->phase == reversing) {
    if (is_switched_in_topology())
      finish_switch();
    else
      undo_switch("the runner died before the point of no return");
  }
  if (record_->phase == switched || record_->phase == running)
    for (const auto& shard : record_->to()) {
      auto db = connect_primary(context_, shard);
      if (read_guard(*db).state != guard_state::filling) set_guard(*db, context_.runner, guard_state::filling);
    }
  start_feeders();
}

void reshard_runner::check(reshard_action action) const {
  if (!record_ || !is_run_here_) throw refusal(not_here());
  if (const auto allowed = phase_for(record_->phase, action); !allowed) throw refusal(allowed.failure());
}

void reshard_runner::perform_verify() {
  check(reshard_action::verify);
  const auto publish = [this](const verify_report& report) {
    std::lock_guard lock(mutex_);
    report_ = report;
    return !stops_verify_ && !is_stopping_;
  };
  row_verifier verifier(
      context_, [this](const key_range& from) { drain(from, options_.catch_up_patience); }, publish);
  publish({});
  try {
    publish(verifier.run(record_->from(), record_->to()));
  } catch (const std::exception& why) {
    auto report = verifier.report();
    report.trouble = why.what();
    publish(report);
    throw;
  }
}

void reshard_runner::perform_switch(verb what) {
  const auto is_reverse = what == verb::reverse;
  check(is_reverse ? reshard_action::reverse : reshard_action::switch_writes);
  for (const auto& feeder : feeders_) {
    const auto figures = feeder->read_figures();
    drain(figures.from, options_.catch_up_patience);
    const auto now = feeder->read_figures();
    if (now.entries_waiting > options_.lag_max)
      refuse(errc::conflict, "the stream from " + to_text(now.from) +
                                 " is too far behind: " + std::to_string(now.entries_waiting) + " changes wait, and " +
                                 std::to_string(options_.lag_max) + " may");
  }
  for (const auto& shard : record_->from()) check_journal(context_, shard);
  context_.step("switch.recording");
  enter(is_reverse ? reshard_phase::reversing : reshard_phase::switching, is_reverse ? "reverse" : "switch");
  try {
    freeze_and_switch();
  } catch (const superseded&) {
    throw;
  } catch (const refusal& refused) {
    // Of refusals one leaves it open whether serving was changed: the runner ends while it tries to find out.
    if (refused.why.code == errc::stopping) throw;
    undo_switch(refused.why.detail);
    throw;
  } catch (const mysql::failure& why) {
    undo_switch(why.what());
    throw;
  }
  context_.step("switch.cas_done");
  finish_switch();
}

void reshard_runner::freeze_and_switch() {
  std::vector<std::unique_ptr<mysql::connection>> from, to;
  for (const auto& shard : record_->from()) from.push_back(connect_primary(context_, shard));
  for (const auto& shard : record_->to()) to.push_back(connect_primary(context_, shard));

  std::uint64_t generation = 0;
  auto frozen_at = clock::time_point::max();
  for (auto& db : from) {
    context_.step("switch.freezing");
    frozen_at = std::min(frozen_at, freeze(*db, context_.runner, options_.freeze_attempt, options_.freeze_patience));
    generation = std::max(generation, read_guard(*db).generation);
  }
  context_.step("switch.frozen");
  const auto deadline = clock::now() + options_.drain_patience;
  const auto left = [&] { return std::chrono::duration_cast<milliseconds>(deadline - clock::now()); };
  for (const auto& shard : record_->from()) drain(shard, left());
  // Asked on the connections that froze: a stream that still talks to a primary of yesterday would be found out here.
  for (auto& db : from)
    if (db->query("SELECT 1 FROM reshard_journal LIMIT 1").next())
      refuse(errc::service_unavailable, "the journal of " + db->shard() + " isn't empty");
  // The fences once more, because everything that is written hangs on them.
  const auto fences = [](mysql::connection& db, const key_range& rows) {
    return db.words(
        "SELECT COALESCE(GROUP_CONCAT(slot,':',epoch,':',holder ORDER BY slot),'') FROM fences WHERE ksid>=" +
        std::to_string(rows.begin) + (rows.end ? " AND ksid<" + std::to_string(rows.end) : ""));
  };
  for (std::size_t i = 0; i < from.size(); ++i)
    for (std::size_t j = 0; j < to.size(); ++j) {
      const auto& source = record_->from()[i];
      const auto& target = record_->to()[j];
      if (!source.overlaps(target)) continue;
      const auto shared = shared_part(source, target);
      if (fences(*from[i], shared) != fences(*to[j], shared))
        refuse(errc::conflict, "the fences of " + to_text(target) + " aren't those of " + to_text(source));
    }
  context_.step("switch.drained");
  // Above every generation that a writer may remember of these shards, so that all read the epochs again.
  for (auto& db : to) generation = std::max(generation, read_guard(*db).generation);
  for (auto& db : to) set_guard(*db, context_.runner, guard_state::serving, generation + 1);
  change_serving();
  const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - frozen_at);
  std::lock_guard lock(mutex_);
  auto& pauses = record_->pauses_micros;
  if (pauses.size() == reshard_record::pauses_max) pauses.erase(pauses.begin());
  pauses.push_back(static_cast<std::uint64_t>(pause.count()));
}

/// The new set serves: the old one is filled from now on.
void reshard_runner::finish_switch() {
  stop_feeders();
  for (const auto& shard : record_->from()) {
    auto db = connect_primary(context_, shard);
    set_guard(*db, context_.runner, guard_state::filling);
    context_.step("switch.finishing");
  }
  const auto is_reverse = record_->phase == reshard_phase::reversing;
  enter(is_reverse ? reshard_phase::running : reshard_phase::switched,
        is_reverse ? "the sources serve again" : "the targets serve");
  start_feeders();
}

/// Back to where the switch began. REQUIRES: the old set serves, in the topology.
void reshard_runner::undo_switch(const std::string& why) {
  // A runner that was asleep until now may be about to write the new set: with another version it can't.
  const auto found = topology_.get(serving_key(options_.keyspace));
  if (!found) throw refusal(found.failure());
  THRONG_ASSERT(*found);
  write_entry(serving_key(options_.keyspace), (*found)->value, (*found)->version);
  if (is_switched_in_topology()) return finish_switch();
  context_.step("undo.settled");
  for (const auto& shard : record_->to()) {
    auto db = connect_primary(context_, shard);
    set_guard(*db, context_.runner, guard_state::filling);
  }
  for (const auto& shard : record_->from()) {
    auto db = connect_primary(context_, shard);
    set_guard(*db, context_.runner, guard_state::serving);
  }
  context_.step("undo.opened");
  const auto was_reverse = record_->phase == reshard_phase::reversing;
  enter(was_reverse ? reshard_phase::switched : reshard_phase::running, "switch undone: " + why);
}

void reshard_runner::perform_complete() {
  if (record_->phase != reshard_phase::completing) {
    check(reshard_action::complete);
    {
      std::lock_guard lock(mutex_);
      record_->drops_data = drops_data_;
    }
    enter(reshard_phase::completing, "complete");
  }
  stop_feeders();
  context_.step("complete.recorded");
  for (const auto& shard : record_->targets) remove_journal(context_, shard, options_.ddl_patience);
  for (const auto& shard : record_->sources) {
    if (!shards_.current()->find(shard)) continue;  // it went before the runner died
    context_.step("complete.dropping");
    remove_journal(context_, shard, options_.ddl_patience);
    if (record_->drops_data) empty_shard(context_, shard);
    erase_shard(shard);
  }
  context_.step("complete.dropped");
  enter(reshard_phase::completed, "complete");
  std::lock_guard lock(mutex_);
  is_run_here_ = false;
  hold_.reset();
}

void reshard_runner::perform_cancel() {
  if (record_->phase != reshard_phase::cancelling) {
    check(reshard_action::cancel);
    enter(reshard_phase::cancelling, "cancel");
  }
  stop_feeders();
  context_.step("cancel.recorded");
  for (const auto& shard : record_->sources) remove_journal(context_, shard, options_.ddl_patience);
  auto reason = record_->reason;
  for (const auto& shard : record_->targets) {
    if (!shards_.current()->find(shard)) continue;
    context_.step("cancel.dropping");
    try {
      clear_target(context_, shard, options_.ddl_patience);
    } catch (const mysql::failure& why) {
      // Nobody needs it: it never served. Whoever uses that server again finds out that it isn't empty.
      if (!why.is_unknown_database()) reason += "; target " + to_text(shard) + " isn't cleared: " + why.what();
    }
    if (std::ranges::find(record_->registered, shard) != record_->registered.end()) erase_shard(shard);
  }
  context_.step("cancel.dropped");
  enter(reshard_phase::cancelled, std::move(reason));
  std::lock_guard lock(mutex_);
  is_run_here_ = false;
  hold_.reset();
}

}  // namespace throng
