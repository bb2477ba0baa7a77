// SPDX-License-Identifier: Apache-2.0
// SHELL: the commands of the remote shell, on the node's side. Each line is answered once with a JSON text
// (net/admin/shell_reply.hpp), on any thread. Looking wakes nobody: entities that aren't active stay so.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "net/admin/admin_services.hpp"
#include "net/admin/admin_worker.hpp"
#include "net/admin/shell_words.hpp"
#include "net/transport/io_loop.hpp"

namespace throng {

class shell {
 public:
  using answer = std::function<void(std::string json)>;

  explicit shell(admin_services& services) : services_(services) {}

  /// `where` is the loop of the caller's connection, for commands that wait. `who` is named in the audit line of a
  /// command that changes something.
  void run(std::string_view line, io_loop& where, const std::string& who, answer reply);

  struct command {
    std::string_view name;
    std::string_view usage;
    std::string_view help;
    bool changes = false;  // audited
    void (shell::*run)(const shell_words& words, io_loop& where, answer reply);
  };
  static const std::vector<command>& commands();

  /// Ends what runs on the worker; later commands that need it are refused. Blocks. Before the callers' connections go.
  void stop() { worker_.stop(); }

 private:
  /// A family of commands a file; help shows them in this order.
  static std::vector<command> general_commands();
  void help(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_nodes.cpp
  static std::vector<command> node_commands();
  void nodes(const shell_words& words, io_loop& where, answer reply);
  void slots(const shell_words& words, io_loop& where, answer reply);
  void tree(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_entities.cpp, shell_find.cpp
  static std::vector<command> entity_commands();
  void ps(const shell_words& words, io_loop& where, answer reply);
  void find(const shell_words& words, io_loop& where, answer reply);
  void info(const shell_words& words, io_loop& where, answer reply);
  void state(const shell_words& words, io_loop& where, answer reply);
  void restarts(const shell_words& words, io_loop& where, answer reply);
  void stop(const shell_words& words, io_loop& where, answer reply);
  void restart(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_clients.cpp
  static std::vector<command> client_commands();
  void sessions(const shell_words& words, io_loop& where, answer reply);
  void subs(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_trace.cpp
  static std::vector<command> trace_commands();
  void trace(const shell_words& words, io_loop& where, answer reply);
  void wait_for_trace(std::size_t count, steady_time until, io_loop& where, answer reply);

  // net/admin/shell_shards.cpp
  static std::vector<command> storage_commands();
  void shards(const shell_words& words, io_loop& where, answer reply);
  void rows(const shell_words& words, io_loop& where, answer reply);
  void explain(const shell_words& words, io_loop& where, answer reply);
  void reparent(const shell_words& words, io_loop& where, answer reply);
  void reshard(const shell_words& words, io_loop& where, answer reply);

  // net/admin/shell_placement.cpp
  static std::vector<command> placement_commands();

  /// Answers with what `job` says, on the worker; or that there is too much to do, or no such store.
  void on_storage(std::function<std::string(storage_admin&)> job, answer reply);
  /// The same for what changes the cluster's placement (net/admin/shell_placement.cpp).
  void on_placement(std::function<std::string(cluster_admin&)> job, answer reply);
  static error usage_of(std::string_view name);

  admin_services& services_;
  std::atomic<bool> is_tracing_{false};  // one trace at a time: they share the node's records
  admin_worker worker_;
};

}  // namespace throng
