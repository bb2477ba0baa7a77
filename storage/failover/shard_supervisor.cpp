// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/shard_supervisor.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "config/log.hpp"
#include "storage/failover/shard_steps.hpp"
#include "storage/failover/step_patience.hpp"

namespace throng::failover {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class supervisor final : public shard_supervisor {
 public:
  supervisor(topology_store& topology, std::string key, const supervisor_options& how)
      : topology_(topology), key_(std::move(key)), how_(how), patience_(how_) {
    watch_ = topology_.watch(key_, [this](const std::vector<topology_entry>& entries) { take_record(entries); });
    notes_watch_ = topology_.watch("failover/" + name_in_topology(), [this](const auto&) {
      has_new_notes_ = true;
      wake();
    });
    thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  }
  ~supervisor() override {
    watch_.reset();
    notes_watch_.reset();
    thread_.request_stop();
    wake();
    if (thread_.joinable()) thread_.join();
    std::lock_guard lock(mutex_);
    if (wanted_) wanted_->answer.set_value(error{errc::stopping, "the supervisor stops"});
  }

  shard_status status() const override {
    std::lock_guard lock(mutex_);
    return status_;
  }

  result<reparent_report> reparent(const server_address& to) override {
    std::future<result<reparent_report>> answer;
    {
      std::lock_guard lock(mutex_);
      if (!status_.is_leading)
        return error{errc::not_allowed, "the supervisor of shard " + status_.record.name() + " runs on another node"};
      if (wanted_) return error{errc::conflict, "a reparent is under way"};
      wanted_ = std::make_unique<command>();
      wanted_->to = to;
      answer = wanted_->answer.get_future();
    }
    wake();
    return answer.get();
  }

  bool wait_until_well(milliseconds patience) const override {
    std::unique_lock lock(mutex_);
    return looked_.wait_for(lock, patience, [this] { return is_well(); });
  }

 private:
  struct command {
    server_address to;
    std::promise<result<reparent_report>> answer;
  };

  /// "throng/-80": what is behind the folder in all keys of the shard, that of its notes too (notes_key()).
  std::string name_in_topology() const { return key_.substr(key_.find('/') + 1); }

  // -- what others tell us -------------------------------------------------------------------------------------------

  void take_record(const std::vector<topology_entry>& entries) {
    const auto ours = std::ranges::find(entries, key_, &topology_entry::key);  // a watch is for a prefix
    if (ours == entries.end()) {
      std::lock_guard lock(mutex_);
      is_forgotten_ = record_.has_value();
      return;
    }
    auto record = parse_shard_record(*ours);
    if (!record) {
      log::error("supervisor can't read a record: {}", record.failure().detail);
      return;
    }
    {
      std::lock_guard lock(mutex_);
      // A topology that was emptied begins its versions anew.
      const auto age = [](const shard_record& each) { return std::pair(each.term, each.version); };
      if (record_ && !is_forgotten_ && age(*record) <= age(*record_)) return;
      is_forgotten_ = false;
      record_ = std::move(record).value();
      has_news_ = true;
    }
    woken_.notify_all();
  }
  void wake() {
    {
      std::lock_guard lock(mutex_);
      has_news_ = true;
    }
    woken_.notify_all();
  }

  // -- the loop ------------------------------------------------------------------------------------------------------

  void run(std::stop_token stop) {
    while (!stop.stop_requested()) {
      {
        std::unique_lock lock(mutex_);
        woken_.wait_for(lock, stop, how_.probe.interval, [this] { return has_news_; });
        has_news_ = false;
      }
      if (stop.stop_requested()) break;
      seek_leadership();
      restore_if_forgotten();
      if (auto record = current_record()) look(*record);
    }
    probes_.clear();
  }

  std::optional<shard_record> current_record() {
    std::lock_guard lock(mutex_);
    return record_;
  }

  void seek_leadership() {
    if (how_.is_alone) {
      is_leading_ = true;
      return;
    }
    if (has_lost_.exchange(false)) {
      leadership_.reset();
      if (is_leading_) log::warn("supervisor of {} isn't the leader any more", key_);
      is_leading_ = false;
    }
    if (leadership_ || clock::now() < next_bid_) return;
    next_bid_ = clock::now() + milliseconds(500) + milliseconds(std::random_device{}() % 500);
    auto held = topology_.hold("supervisors/" + name_in_topology(), how_.name, how_.leader_ttl, [this] {
      has_lost_ = true;
      wake();
    });
    if (!held) return;  // someone else has it, or nobody can know
    leadership_ = std::move(held).value();
    is_leading_ = true;
    log::info("supervisor of {} leads", key_);
  }

  void restore_if_forgotten() {
    std::optional<shard_record> last;
    {
      std::lock_guard lock(mutex_);
      if (is_forgotten_) last = record_;
    }
    const auto now = clock::now();
    if (!last || !is_leading_ || now < next_restore_) return;
    next_restore_ = now + how_.retry_at_most;
    const auto restored = restore_shard(topology_, *last, how_);
    set_trouble(restored ? "" : "the topology has forgotten the shard: " + restored.failure().detail);
  }

  void watch_servers(const shard_record& record) {
    std::erase_if(probes_, [&](const auto& each) {
      return std::ranges::find(record.servers, each.first) == record.servers.end();
    });
    for (const auto& server : record.servers)
      if (auto& probe = probes_[server]; !probe)
        probe = std::make_unique<server_probe>(server, how_.admin, how_.replication, how_.probe, [this] { wake(); });
  }

  void look(const shard_record& record) {
    watch_servers(record);
    if (record.version != last_version_) {
      if (record.version > last_version_ && last_version_ != 0) {
        // Someone else acts: not at the same moment, for one would only end the other's round.
        not_before_ = clock::now() + milliseconds(200) + milliseconds(std::random_device{}() % 400);
      }
      last_version_ = record.version;
    }
    const auto now = clock::now();
    std::vector<server_observation> seen;
    for (const auto& server : record.servers) seen.push_back(probes_[server]->read());
    tell_reachability(seen);
    // Who leads writes notes without a word in the record; who follows needs them as soon as it leads.
    if (has_new_notes_.exchange(false) || !can_read_notes_ || !notes_ || notes_of_ != record.version)
      (void)refresh_notes(record);
    if (!notes_) return;

    auto found = assess(record, *notes_, seen, how_.policy, now, silent_);
    const auto is_current = is_fresh(record, seen);
    for (auto& [server, probe] : probes_) probe->keep_looking(!found.findings.empty() || !is_current);
    publish(record, seen, is_current ? &found : nullptr);
    answer_command(record, seen);
    if (!is_leading_ || !is_current || now < not_before_) return;
    for (const auto& step : found.steps)
      if (patience_.may(step, now)) {
        act(record, step, seen);
        return;
      }
  }

  /// Errors have been told, and the next look tries again.
  result<> refresh_notes(const shard_record& record) {
    auto notes = read_notes(topology_, record);
    can_read_notes_ = notes.ok();
    if (!notes) {
      const error why{notes.code(), "the notes of the shard can't be read: " + notes.failure().detail};
      set_trouble(why.detail);
      return why;
    }
    notes_ = std::move(notes).value();
    notes_of_ = record.version;
    return done;
  }

  /// Everything was asked after the last change, and after the primary went away.
  bool is_fresh(const shard_record& record, const std::vector<server_observation>& seen) const {
    auto after = acted_;
    for (const auto& one : seen)
      if (one.server == record.primary && !one.is_reachable) after = std::max(after, one.since);
    return std::ranges::all_of(
        seen, [&](const auto& one) { return one.was_tried && (!one.is_reachable || one.asked > after); });
  }

  // -- acting --------------------------------------------------------------------------------------------------------

  void act(const shard_record& record, const next_step& step, const std::vector<server_observation>& seen) {
    const auto began = clock::now();
    const auto worked = in_a_round(record, std::string(to_string(step.what)), [&](shard_round& round) {
      if (step.what == step_t::emergency_reparent) {
        auto report = reparent_emergency(round, seen);
        std::lock_guard lock(mutex_);
        ++status_.figures.failovers;
        status_.last_reparent = std::move(report);
      } else {
        do_step(round, step);
      }
    });
    (void)worked;  // a failure has been told, and the next look finds what is still to be done
    patience_.was_tried(step, began, clock::now());
  }

  /// Errors tell why the round failed.
  template <class Action>
  result<> in_a_round(const shard_record& record, const std::string& what, Action action) {
    auto fresh = read_record(topology_, key_);
    if (!fresh) {
      set_trouble("the topology can't be read: " + fresh.failure().detail);
      return fresh.failure();
    }
    if (fresh->version != record.version) {
      // Versions may have begun anew while nobody looked: the watch tells only the newest state.
      std::lock_guard lock(mutex_);
      if (fresh->term >= record.term) record_ = *fresh;
      return error{errc::conflict, "the shard has just changed"};
    }
    // Older ones may trust who isn't trusted any more (rule 3).
    if (const auto read = refresh_notes(*fresh); !read) return read.failure();
    shard_round round(topology_, how_, *fresh, *notes_);
    result<> outcome = done;
    try {
      action(round);
    } catch (const mysql::failure& why) {
      outcome = error{errc::service_unavailable, why.what()};
    } catch (const step_failed& why) {
      outcome = error{errc::conflict, why.what()};
    }
    notes_ = round.notes();
    notes_of_ = last_version_ = round.record().version;
    acted_ = clock::now();
    {
      std::lock_guard lock(mutex_);
      if (!record_ || round.record().version > record_->version || round.record().term > record_->term)
        record_ = round.record();
      ++status_.figures.rounds;
    }
    for (auto& [server, probe] : probes_) probe->look_now();
    set_trouble(outcome ? "" : what + ": " + outcome.failure().detail);
    return outcome;
  }

  void set_trouble(const std::string& trouble) {
    std::string before;
    {
      std::lock_guard lock(mutex_);
      before = std::exchange(status_.trouble, trouble);
      if (!trouble.empty()) ++status_.figures.rounds_failed;
    }
    if (!trouble.empty() && trouble != before) log::warn("supervisor of {}: {}", key_, trouble);
  }

  void answer_command(const shard_record& record, const std::vector<server_observation>& seen) {
    std::unique_ptr<command> wanted;
    {
      std::lock_guard lock(mutex_);
      wanted = std::exchange(wanted_, nullptr);
    }
    if (!wanted) return;
    std::optional<reparent_report> report;
    const auto outcome = in_a_round(record, "PlannedReparentShard",
                                    [&](shard_round& round) { report = reparent_planned(round, wanted->to, seen); });
    if (outcome) {
      std::lock_guard lock(mutex_);
      ++status_.figures.reparents;
      status_.last_reparent = report;
    }
    wanted->answer.set_value(outcome ? result<reparent_report>(*report) : result<reparent_report>(outcome.failure()));
  }

  // -- telling -------------------------------------------------------------------------------------------------------

  bool is_well() const {
    const auto is_minor = [](const finding& one) {
      return one.problem == problem_t::unreachable_replica || one.problem == problem_t::primary_without_acker ||
             one.problem == problem_t::errant_gtid_detected;
    };
    return !status_.servers.empty() && std::ranges::all_of(status_.findings, is_minor) &&
           std::ranges::all_of(status_.servers, [&](const server_observation& one) {
             return !one.is_reachable || is_listed(one.server, status_.record.in_sync) || is_errant(one.server);
           });
  }
  bool is_errant(const server_address& server) const {
    return std::ranges::any_of(status_.findings, [&](const finding& one) {
      return one.problem == problem_t::errant_gtid_detected && one.server == server;
    });
  }
  static bool is_listed(const server_address& server, const std::vector<server_address>& list) {
    return std::ranges::find(list, server) != list.end();
  }

  /// `found`: null when the observations aren't all from after the last change.
  void publish(const shard_record& record, const std::vector<server_observation>& seen, const shard_assessment* found) {
    if (found && is_leading_) tell_findings(record, found->findings);
    {
      std::lock_guard lock(mutex_);
      status_.record = record;
      status_.is_leading = is_leading_;
      status_.servers = seen;
      if (found) status_.findings = found->findings;
      // Whoever made all well may be another node: what failed here before is over.
      const auto is_fine = found && found->findings.empty() && found->steps.empty();
      if (is_fine && can_read_notes_ && !is_forgotten_) status_.trouble.clear();
    }
    if (found) looked_.notify_all();
  }

  void tell_findings(const shard_record& record, const std::vector<finding>& findings) {
    std::set<std::string> told;
    for (const auto& one : findings) {
      auto name = std::string(to_string(one.problem)) + " " + one.server;
      if (!told_.contains(name)) log::info("shard {}: {}: {}", record.name(), to_string(one.problem), one.detail);
      told.insert(std::move(name));
    }
    if (told.empty() && !told_.empty()) log::info("shard {}: all is well", record.name());
    told_ = std::move(told);
  }

  void tell_reachability(const std::vector<server_observation>& seen) {
    for (const auto& one : seen) {
      const auto known = was_reachable_.find(one.server);
      if (known != was_reachable_.end() && known->second == one.is_reachable) continue;
      if (!one.was_tried) continue;
      was_reachable_[one.server] = one.is_reachable;
      if (one.is_reachable)
        log::info("database server {} answers", one.server);
      else
        log::warn("database server {} can't be reached: {}", one.server, one.trouble);
    }
  }

  topology_store& topology_;
  const std::string key_;
  const supervisor_options how_;

  // Of the loop's thread.
  step_patience patience_;
  std::map<server_address, std::unique_ptr<server_probe>> probes_;
  std::optional<shard_notes> notes_;
  topology_version notes_of_ = 0, last_version_ = 0;
  silences silent_;
  steady_time acted_{}, not_before_{}, next_bid_{}, next_restore_{};
  bool is_leading_ = false, can_read_notes_ = true;
  std::unique_ptr<topology_store::handle> leadership_;
  std::atomic<bool> has_lost_{false}, has_new_notes_{false};
  std::set<std::string> told_;
  std::map<server_address, bool> was_reachable_;

  mutable std::mutex mutex_;
  std::condition_variable_any woken_;
  mutable std::condition_variable looked_;
  bool has_news_ = false;
  bool is_forgotten_ = false;  // the topology has no record any more
  std::optional<shard_record> record_;
  shard_status status_;
  std::unique_ptr<command> wanted_;

  std::unique_ptr<topology_store::handle> watch_, notes_watch_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<shard_supervisor> shard_supervisor::start(topology_store& topology, std::string key,
                                                          const supervisor_options& how) {
  return std::make_unique<supervisor>(topology, std::move(key), how);
}

}  // namespace throng::failover
