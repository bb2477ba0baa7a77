// SPDX-License-Identifier: Apache-2.0
// MOVER: the fault `migrate`. For a while it sends a few slots, and a few channels, people and presence buckets of the
// run, to and fro between the nodes by the shell, several a second; then it lets go of all of them: what it pinned goes
// home, and each slot back to who had it. Each order that was carried out is in the record as a `move`.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/model/keyspace.hpp"
#include "tools/throngverify/scene.hpp"

namespace throng::verify {

/// Which node has which slot, of those in use, as the shell's `slots` answered; without the slots of which two say so.
/// Pure.
std::map<slot_id, std::string> parse_slot_homes(const std::string& answer);

class mover {
 public:
  using well_nodes = std::function<std::vector<std::size_t>()>;

  /// `well`: who can be asked, and can take something, now.
  mover(scene& of, well_nodes well, std::uint64_t dice);
  mover(const mover&) = delete;
  mover& operator=(const mover&) = delete;

  /// Moves for that long, and undoes it. It must live until then.
  task<void> run(std::chrono::milliseconds lasts);

  std::size_t moves() const { return moves_; }
  /// What was asked in vain last, and what couldn't be undone.
  const std::string& last_refusal() const { return last_refusal_; }
  const std::vector<std::string>& troubles() const { return troubles_; }

 private:
  task<void> choose();
  task<void> move_entities(event_loop::time until);
  task<void> move_slots(event_loop::time until);
  task<void> move(std::string what, std::string node);
  task<void> let_go(std::string entity);
  task<void> send_home(slot_id slot, std::string home);
  /// Another than last time.
  std::optional<std::string> next_node(const std::string& what);
  task<api_answer> order(std::string line);

  scene& scene_;
  const well_nodes well_;
  random_source random_;
  std::vector<std::string> entities_;  // those that it plays with, as the shell calls them
  std::map<slot_id, std::string> homes_;
  std::set<std::string> pinned_;
  std::set<slot_id> displaced_;
  std::map<std::string, std::string> last_;  // where it was sent last
  std::size_t under_way_ = 0;
  std::size_t moves_ = 0;
  std::string last_refusal_;
  std::vector<std::string> troubles_;
};

}  // namespace throng::verify
