// SPDX-License-Identifier: Apache-2.0
// RESHARD RUNNER: splits and merges the shards of a keyspace while they serve. One at a time per keyspace, in the whole
// cluster: whoever holds reshard-runner/<keyspace> in the topology runs what reshard/<keyspace> says.
//
//   copy + replay ─► verify ─► switch: freeze the sources' guard rows (commits in flight end first, new ones are held
//   by the routers) ─► replay what is left ─► open the targets' guard rows ─► compare-and-set serving/<keyspace>: the
//   point of no return ─► replay the other way, so that it can be reversed ─► complete
//
// It may die at any step: resume(), here or on another node, goes on from what the topology and the databases say.
// A switch that dies before the point of no return is undone, one that dies after it is finished.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "storage/reshard/reshard_plan.hpp"
#include "storage/reshard/reshard_status.hpp"

namespace throng {

struct reshard_options {
  std::string keyspace = "throng";
  mysql::connect_options admin;  // with the database's name; may make databases and triggers, and end connections
  std::string node = "reshard";  // who holds the runner's key, for a person
  feeder_limits feeder;
  std::uint64_t lag_max = 2000;                         // changes that may wait when a switch begins
  std::chrono::milliseconds catch_up_patience{10'000};  // before the freeze, and for the barrier of verify
  std::chrono::milliseconds freeze_attempt{150};        // how long writers may be held up by one try
  std::chrono::milliseconds freeze_patience{5'000};     // of all tries
  std::chrono::milliseconds drain_patience{3'000};      // while frozen; then the switch is undone
  std::chrono::milliseconds ddl_patience{60'000};       // of one trigger, on a busy table
  std::chrono::milliseconds server_patience{10'000};    // until a new target takes connections
  std::chrono::milliseconds hold_ttl{5'000};
  std::function<void(std::string_view)> at_step{};  // reshard_context's
};

/// Any thread. What takes time is done on a thread of this class, one verb at a time: the call says whether it may
/// begin, status() how it goes, wait_idle() that it is over.
class reshard_runner {
 public:
  reshard_runner(topology_store& topology, const shard_directory& shards, reshard_options options);
  /// Ends the streams; the reshard stays as it is, for resume().
  ~reshard_runner();
  reshard_runner(const reshard_runner&) = delete;
  reshard_runner& operator=(const reshard_runner&) = delete;

  /// `sources` as "-80,80-"; `targets` as "-40=h:1,h:2 40-=h:3". Errors are make_reshard_plan's.
  result<reshard_plan> plan(std::string_view sources, std::string_view targets) const;

  result<> start(std::string_view sources, std::string_view targets, std::uint64_t rows_per_second = 0);
  /// Takes up what another process, or this one, has left. Nothing to do is fine. While another process runs it, or a
  /// server is away, that is status()'s trouble, and it is tried again every second.
  result<> resume();
  result<> verify();
  result<> switch_writes();
  result<> reverse();
  /// With `drops_data` the rows of the old shards are deleted; without they stay on their servers.
  result<> complete(bool drops_data = false);
  result<> cancel();

  reshard_status status() const;
  /// Waits until no verb is at work; false after `at_most`. status().trouble says how it went.
  bool wait_idle(std::chrono::milliseconds at_most) const;

 private:
  enum class verb : std::uint8_t { none, start, resume, verify, switch_writes, reverse, complete, cancel };
  static std::string_view name_of(verb what);
  struct refusal : std::exception {
    explicit refusal(error failed) : why(std::move(failed)) {
      if (why.detail.empty()) why.detail = to_string(why.code);
    }
    const char* what() const noexcept override { return why.detail.c_str(); }
    error why;
  };

  bool is_stopping() const;
  void run();
  void watch_streams();
  result<> begin(verb what, const std::function<result<>()>& prepare);
  result<> begin(verb what, reshard_action action);
  void perform(verb what);
  void perform_start();
  void create();
  void perform_resume();
  void perform_verify();
  void perform_switch(verb what);
  void perform_complete();
  void perform_cancel();

  /// May it still be done? It was asked before what came in between.
  void check(reshard_action action) const;
  void acquire();
  void let_go(const std::string& why);
  void take_over_all();
  void freeze_and_switch();
  void finish_switch();
  void undo_switch(const std::string& why);
  void register_targets();
  void erase_shard(const key_range& range);
  void start_feeders();
  void stop_feeders();
  void drain(const key_range& from, std::chrono::milliseconds at_most);

  topology_version write_entry(std::string_view key, const std::string& value, topology_version expected);
  std::optional<reshard_record> read_record();
  void enter(reshard_phase phase, std::string reason);
  bool is_switched_in_topology();
  void change_serving();
  bool sleep(std::chrono::milliseconds time);  // false: the runner ends
  [[noreturn]] void refuse(errc code, std::string why) const { throw refusal({code, std::move(why)}); }

  topology_store& topology_;
  const shard_directory& shards_;
  const reshard_options options_;
  reshard_context context_;  // changed only while there are no feeders
  std::mt19937_64 random_{std::random_device{}()};

  // The runner's thread only.
  std::unique_ptr<topology_store::handle> hold_;
  bool wants_resume_ = false;
  std::chrono::steady_clock::time_point retry_at_{};

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool is_stopping_ = false, stops_verify_ = false, is_run_here_ = false;
  std::atomic<bool> has_lost_hold_ = false;
  verb next_ = verb::none, current_ = verb::none;
  bool drops_data_ = false;
  std::optional<reshard_plan> plan_;  // of start
  std::uint64_t rows_per_second_ = 0;
  std::optional<reshard_record> record_;
  std::string trouble_;
  std::optional<verify_report> report_;
  std::vector<std::shared_ptr<shard_feeder>> feeders_;

  std::thread thread_;
};

}  // namespace throng
