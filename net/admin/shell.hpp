// SPDX-License-Identifier: Apache-2.0
// SHELL: the commands of the remote shell, on the node's side. Each line is answered once with a JSON text
// (net/admin/shell_reply.hpp), on any thread. Looking wakes nobody: entities that aren't active stay so.
//
// A command answers for the whole cluster wherever it is given: the SHELL asks every node's SHELL for its part over the
// NODE DOOR and makes one reply of them, in which nodes that don't answer in time are named; or it has the command run
// on the node where the entity is. Commands that change something need the operator role, and are audited.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "net/admin/admin_services.hpp"
#include "net/admin/admin_worker.hpp"
#include "net/admin/audit_log.hpp"
#include "net/admin/shell_gather.hpp"
#include "net/admin/shell_health.hpp"
#include "net/admin/shell_words.hpp"
#include "net/transport/io_loop.hpp"

namespace throng {

/// A node that can be asked.
struct shell_node {
  std::string name;
  node_index number;
};

class shell {
 public:
  using answer = std::function<void(std::string json)>;

  /// Serves the other nodes' SHELLs from now on.
  explicit shell(admin_services& services);

  /// Who gives a command: what the audit says of them, and whether they may change things.
  struct caller {
    std::string who;   // "operator"
    std::string from;  // "127.0.0.1:41001"
    bool is_operator = false;
  };
  /// `where` is the loop of the caller's connection, on whose thread this is called.
  void run(std::string_view line, io_loop& where, const caller& by, answer reply);

  struct command {
    std::string_view name;
    std::string_view usage;
    std::string_view help;
    bool changes = false;  // only for operators, and audited
    /// This node's part of it, or all of it.
    void (shell::*run)(const shell_words& words, io_loop& where, answer reply);
    enum class scope_t : std::uint8_t {
      here,        // the node that was asked answers, or --node
      everywhere,  // each node has a part, and `merge` makes one reply of them
      owner,       // the node that has the entity in the first argument
    } scope = scope_t::here;
    std::string (shell::*merge)(const shell_words& words, const shell_parts& parts) = nullptr;
    /// How much longer than usual it takes; null: no longer.
    std::chrono::milliseconds (*lasts)(const shell_words& words) = nullptr;
    /// What some nodes said will do; null: all are waited for.
    bool (*is_enough)(const shell_words& words, const shell_parts& parts) = nullptr;
    /// One node can answer for all; null: never.
    bool (*suffices_here)(const shell_words& words) = nullptr;
  };
  using scope_t = command::scope_t;
  static const std::vector<command>& commands();

  /// Ends what runs on the worker, and answers no other node; later commands that need them are refused. Blocks. Before
  /// the callers' connections go.
  void stop();

 private:
  /// A family of commands a file; help shows them in this order.
  static std::vector<command> general_commands();
  void help(const shell_words& words, io_loop& where, answer reply);
  void audit(const shell_words& words, io_loop& where, answer reply);
  std::string merge_audit(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_nodes.cpp
  static std::vector<command> node_commands();
  void pins(const shell_words& words, io_loop& where, answer reply);
  void nodes(const shell_words& words, io_loop& where, answer reply);
  void slots(const shell_words& words, io_loop& where, answer reply);
  void tree(const shell_words& words, io_loop& where, answer reply);
  std::string merge_nodes(const shell_words& words, const shell_parts& parts);
  std::string merge_slots(const shell_words& words, const shell_parts& parts);
  std::string merge_trees(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_entities.cpp, shell_find.cpp
  static std::vector<command> entity_commands();
  void ps(const shell_words& words, io_loop& where, answer reply);
  void find(const shell_words& words, io_loop& where, answer reply);
  void info(const shell_words& words, io_loop& where, answer reply);
  void state(const shell_words& words, io_loop& where, answer reply);
  void restarts(const shell_words& words, io_loop& where, answer reply);
  void stop(const shell_words& words, io_loop& where, answer reply);
  void restart(const shell_words& words, io_loop& where, answer reply);
  void top(const shell_words& words, io_loop& where, answer reply);
  void kill(const shell_words& words, io_loop& where, answer reply);
  void quarantine(const shell_words& words, io_loop& where, answer reply);
  void release(const shell_words& words, io_loop& where, answer reply);
  std::string merge_entities(const shell_words& words, const shell_parts& parts);
  std::string merge_found(const shell_words& words, const shell_parts& parts);
  std::string merge_restarts(const shell_words& words, const shell_parts& parts);
  void find_by_id(entity_key key, answer reply);

  // net/admin/shell_clients.cpp
  static std::vector<command> client_commands();
  void sessions(const shell_words& words, io_loop& where, answer reply);
  void subs(const shell_words& words, io_loop& where, answer reply);
  std::string merge_sessions(const shell_words& words, const shell_parts& parts);
  std::string merge_streams(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_trace.cpp
  static std::vector<command> trace_commands();
  void trace(const shell_words& words, io_loop& where, answer reply);
  void wait_for_trace(std::size_t count, steady_time until, io_loop& where, answer reply);
  std::string merge_traces(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_why_command.cpp
  static std::vector<command> why_commands();
  void why(const shell_words& words, io_loop& where, answer reply);
  std::string merge_why(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_diagnose.cpp
  static std::vector<command> trouble_commands();
  void with_shards(std::function<void(std::vector<shard_view>)> use);
  void look_around(std::function<void(node_condition)> done);
  void diagnose(const shell_words& words, io_loop& where, answer reply);
  void snapshot(const shell_words& words, io_loop& where, answer reply);
  std::string merge_diagnoses(const shell_words& words, const shell_parts& parts);
  std::string merge_snapshots(const shell_words& words, const shell_parts& parts);

  // net/admin/shell_shards.cpp
  static std::vector<command> storage_commands();
  void shards(const shell_words& words, io_loop& where, answer reply);
  void rows(const shell_words& words, io_loop& where, answer reply);
  void explain(const shell_words& words, io_loop& where, answer reply);
  void reparent(const shell_words& words, io_loop& where, answer reply);
  void reshard(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_placement.cpp
  static std::vector<command> placement_commands();
  void plan(const shell_words& words, io_loop& where, answer reply);
  void apply(const shell_words& words, io_loop& where, answer reply);
  void undo(const shell_words& words, io_loop& where, answer reply);
  void drain(const shell_words& words, io_loop& where, answer reply);
  void undrain(const shell_words& words, io_loop& where, answer reply);
  void balance(const shell_words& words, io_loop& where, answer reply);
  void migrate(const shell_words& words, io_loop& where, answer reply);
  void pin(const shell_words& words, io_loop& where, answer reply);
  void unpin(const shell_words& words, io_loop& where, answer reply);
  void set_draining(const shell_words& words, bool wanted, answer reply);

  /// Answers with what `job` says, on the worker; or that there is too much to do, or no such store.
  void on_storage(std::function<std::string(storage_admin&)> job, answer reply);
  /// The same for what changes the cluster's placement (net/admin/shell_placement.cpp).
  void on_placement(std::function<std::string(cluster_admin&)> job, answer reply);
  static error usage_of(std::string_view name);

  // net/admin/shell_front.cpp: over the nodes
  struct order;
  void run_for(const command& what, const order& given, answer reply);
  void run_everywhere(const command& what, const order& given, answer reply);
  void run_at_owner(const command& what, const order& given, answer reply);
  void run_on(const shell_node& node, const command& what, const order& given, answer reply);
  void ask_each(const std::vector<shell_node>& nodes, const command& what, const order& given,
                std::function<bool(const shell_parts&)> is_enough, std::function<void(shell_parts)> done);
  void serve(std::string request, node_door::answer reply);
  std::vector<shell_node> members() const;
  std::string name_of_owner(entity_key key) const;
  answer audited(const order& given, answer reply);

  admin_services& services_;
  std::atomic<bool> is_tracing_{false};       // one trace at a time: they share the node's records
  std::atomic<bool> has_trace_ended_{false};  // enough was seen elsewhere
  admin_worker worker_;
  admin_worker looker_;  // for looks at the store, which don't wait for what worker_ does
};

}  // namespace throng
