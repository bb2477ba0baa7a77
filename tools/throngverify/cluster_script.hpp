// SPDX-License-Identifier: Apache-2.0
// CLUSTER SCRIPT: tools/cluster as this program uses it: a cluster of its own below one folder, whose nodes, servers
// and Consul it starts, hurts and stops. Each command is a child process that is waited for on the EVENT LOOP.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/throngverify/scene.hpp"

namespace throng::verify {

struct cluster_paths {
  std::string script;  // tools/cluster
  std::string throngd;
  std::string throngsh;
  std::string throngwire;
  std::string data;
};

class cluster_script {
 public:
  cluster_script(event_loop& loop, cluster_paths paths) : loop_(loop), paths_(std::move(paths)) {}

  /// What it printed. Errors: internal_error with its last line if it failed, request_timeout if it took too long.
  task<result<std::string>> run(std::vector<std::string> words, event_loop::clock::duration patience);
  const cluster_paths& paths() const { return paths_; }
  /// The nodes' admin token. REQUIRES: the cluster is up.
  std::string admin_token() const;

 private:
  event_loop& loop_;
  const cluster_paths paths_;
};

/// "n1 serves clients at http://…, operators at http://…", a line a node.
std::vector<node_door> parse_doors(std::string_view up_said);

/// Beside this program, as it was built: build/throngverify → tools/cluster, build/throngd, build/throngsh.
cluster_paths paths_beside();

}  // namespace throng::verify
