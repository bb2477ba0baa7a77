// SPDX-License-Identifier: Apache-2.0
// CLUSTER AGENT: makes this node a member of its cluster and keeps it one. It holds the node's record in the topology,
// follows the slot table and the other members' records, tells LINKS and REGION of every change, says whom it can't
// reach, and does the COORDINATOR's work when that is this node's (coordinator_core.hpp decides, this carries it out).
//
//   topology ─ watches ─► CLUSTER PICTURE ─► links.set_peers(), then node.apply()
//   links ──── on_state ─►       │
//                                ├─► this node's record (applied, moving, unreachable)
//                                └─► decide() ─► one compare-and-set
//
// One thread of its own, which blocks in the topology's calls; callbacks only leave their news. While the topology is
// away, all goes on by the last table. A node that was declared dead is told so once (on_expelled) and does nothing any
// more: its process lets go of everything and joins as a new incarnation.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "cluster/clock.hpp"
#include "cluster/coordinator/load_balance.hpp"
#include "cluster/coordinator/move_pace.hpp"
#include "cluster/link/links.hpp"
#include "cluster/load/load_meter.hpp"
#include "cluster/membership/cluster_picture.hpp"
#include "cluster/membership/epoch_renewal.hpp"
#include "cluster/node.hpp"
#include "storage/topology/topology_store.hpp"

namespace throng {

enum class expulsion : std::uint8_t {
  declared_dead,  // the others couldn't reach it, or its record ended and its slots were given away
  replaced,       // another process has started under the same name, and lives
  broken,         // the node itself gave up: node::parts::on_broken
};

class cluster_agent {
 public:
  struct options {
    std::uint32_t weight = 1;
    coordinator_options coordination;
    balance_options balance;
    load_meter::limits meter;
    std::chrono::milliseconds load_period{5'000};  // between two reports of what the slots cost, if it has changed
    cluster_picture::limits patience;
    std::chrono::milliseconds record_ttl{10'000};
    std::chrono::milliseconds record_every{20};  // at most
  };
  /// All must outlive the agent.
  struct parts {
    node_identity self;  // as begin_start() gave it (node_numbers.hpp)
    topology_store& topology;
    links& between;
    node& here;
    time_source& clock;
    /// The store's fences, which the first table's epochs must be above. Blocks.
    std::function<result<std::vector<fence>>()> read_fences;
    /// On the agent's thread, once; must not block, nor end the agent.
    std::function<void(expulsion)> on_expelled;
    /// The topology has forgotten all: puts back what isn't the cluster's own, before the slot table is there again.
    /// Blocks. May be empty.
    std::function<result<>()> restore_others{};
  };

  cluster_agent(parts with, options how);
  ~cluster_agent();  // stop()
  cluster_agent(const cluster_agent&) = delete;
  cluster_agent& operator=(const cluster_agent&) = delete;

  void start();
  /// Ends the membership: the record goes. Blocks.
  void stop();

  /// From links' on_state. Any thread.
  void link_changed(const node_identity& peer, bool is_up);
  /// From links' on_gone. Any thread.
  void peer_gone(const node_identity& peer);

  /// Asks for all slots to be taken from this node.
  void start_leaving();
  /// Has it happened, and does nothing come by way of this node any more; or is nobody there to take them?
  bool has_left() const { return has_left_.load(); }
  /// Both; waits for the second until `until`.
  bool leave(steady_time until);

  struct view {
    node_identity self;
    bool is_member = false;
    bool is_leader = false;
    bool has_met_most = false;  // of the others, once: before that it can't serve what is on them
    cluster_facts facts{};
    std::uint64_t tables_made = 0, members_expelled = 0;    // by this node, as coordinator
    std::uint64_t balance_moves = 0, hot_moves = 0;         // of slots, by this node, as coordinator
    load_report load{};                                     // of this node, as it measured last
    std::uint64_t load_reports = 0, load_report_bytes = 0;  // that it has written
    std::shared_ptr<const std::vector<pin_record>> pins{};
  };
  /// Any thread; as of the last step.
  std::shared_ptr<const view> look() const;

  // -- simulated agents
  // ---------------------------------------------------------------------------------------------------

  /// Instead of start(): the watches, and then all that there is to do now, in each step().
  void start_simulated();
  void step();

 private:
  struct inbox {
    std::optional<std::vector<topology_entry>> wishes, loads, pins;
    std::optional<std::vector<topology_entry>> records, table, leadership;
    std::vector<std::pair<node_identity, bool>> links;
    std::vector<node_identity> gone;
    bool hold_lost = false;
  };

  void run();
  void watch();
  template <class Change>
  void leave_news(Change change);
  void take_news(steady_time now);

  void keep_membership();
  void join();
  result<bool> clear_place();
  result<> renew_epochs();
  void expel(expulsion why);

  void follow();
  void keep_record(steady_time now);
  node_record record_of_now(steady_time now);
  void put_record(const node_record& record);
  void keep_load(steady_time now);
  void look_for_hot(steady_time now);
  void tell_load();
  void coordinate(steady_time now);
  bool carry_out(const take_the_lead& step);
  bool carry_out(const declare_dead& step);
  bool carry_out(const make_table& step);
  bool carry_out(const wait_for_change&) { return false; }
  result<bool> erase_record_of(const node_identity& who);
  result<> spend_absent(const placement_plan& plan);
  void check_leaving();
  bool is_unused(const cluster_facts& facts, std::uint64_t version);
  void show();

  // cluster_agent_repair.cpp
  bool tell_numbers();
  void end_ghosts();
  bool restore_table(steady_time now);
  bool restore_wishes();
  bool restore_pins();
  void renew_lost_loans();
  void renew_refused_fences(steady_time now);
  std::vector<slot_move> renewals_of(const std::vector<fence>& spent) const;
  bool put_renewed(slot_table next);

  const parts with_;
  const options how_;

  mutable std::mutex mutex_;
  std::condition_variable has_news_, has_left_changed_;
  inbox news_;
  bool is_woken_ = false;
  bool is_stopping_ = false;
  std::shared_ptr<const view> shown_;
  std::atomic<bool> is_leaving_{false}, has_left_{false};

  // The thread's own.
  cluster_picture picture_;
  bool has_met_most_ = false;
  bool has_joined_ = false;  // once; from then on it serves
  bool is_expelled_ = false;
  bool is_hold_lost_ = false;
  bool has_told_numbers_ = true;  // to the topology, since the hold was lost
  std::unique_ptr<topology_store::handle> hold_;
  std::optional<node_record> own_;  // as it was put last, with its version
  steady_time own_put_at_{};
  std::vector<node_identity> told_members_;
  std::uint64_t told_version_ = 0;
  std::uint64_t empty_since_ = 0;  // the table since which it has no slots; 0: it has
  std::set<node_index> through_;   // who has settled since
  std::vector<entity_pin> told_pins_;
  std::uint64_t tables_made_ = 0, members_expelled_ = 0;
  std::string trouble_;
  std::optional<steady_time> table_lost_since_;
  epoch_renewal renewal_;

  // What this node's slots cost, and what it has told of that.
  load_meter meter_;
  load_balance balance_;
  move_pace pace_;
  bool is_held_back_ = false;  // by it
  steady_time sampled_at_{}, load_told_at_{};
  load_report told_load_;
  topology_version load_entry_ = 0;
  std::uint64_t load_reports_ = 0, load_report_bytes_ = 0, balance_moves_ = 0, hot_moves_ = 0;
  /// What SLOTs have answered; they may do so when this is gone.
  struct hot_looks {
    std::mutex mutex;
    std::vector<std::pair<slot_id, std::vector<entity_view>>> answers;
    steady_time asked{};
  };
  const std::shared_ptr<hot_looks> hot_looks_ = std::make_shared<hot_looks>();

  std::vector<std::unique_ptr<topology_store::handle>> watches_;
  std::thread thread_;
};

}  // namespace throng
