// SPDX-License-Identifier: Apache-2.0
// CLUSTER VIEW: what a node's shell says of its cluster: who coordinates, and whether everybody is there and at rest.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/throngverify/scene.hpp"

namespace throng::verify {

struct cluster_view {
  struct member {
    std::string name, state, link;
    std::int64_t slots = 0, moving = 0, entities = 0;
  };
  std::vector<member> members;
  std::string coordinator;  // empty: nobody
};

/// What the shell's `nodes` answered; nothing if that isn't it. Pure.
std::optional<cluster_view> parse_cluster_view(const std::string& answer);
/// The node that has an entity, as the shell's `find` of it answered, and not the one that has only lent it; empty if
/// that says none. Pure.
std::string home_in(const std::string& answer);
/// Whether that `find` saw it run at this node, as its home or lent to it. Pure.
bool runs_at(const std::string& answer, const std::string& node);
/// Why these aren't `count` members at rest who all reach each other and share the slots; empty if they are. Pure.
std::string trouble_in(const cluster_view& view, std::size_t count);

/// A line of that node's shell. REQUIRES: its admin port is known.
task<api_answer> tell_shell(scene& of, std::size_t node, std::string line);
/// What that node says now; nothing without an answer.
task<std::optional<cluster_view>> look_at_cluster(scene& of, std::size_t node);
/// Until every node of the scene says that all are at rest. Errors: deadline_exceeded, with what was seen last.
task<result<>> wait_for_rest(scene& of, event_loop::clock::duration patience);

}  // namespace throng::verify
