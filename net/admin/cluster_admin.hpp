// SPDX-License-Identifier: Apache-2.0
// CLUSTER ADMIN: what the shell does to the placement of slots and entities. The program implements it over the
// topology store, so that net/ needs no Consul. Calls block, each for a few seconds at most: on the shell's worker
// only. Errors: errc::not_found for a node that is no member; errc::conflict when something changed meanwhile; and
// errc::service_unavailable when the topology is away. Each says in a sentence what was in the way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_words.hpp"
#include "storage/model/result.hpp"

namespace throng {

class cluster_admin {
 public:
  /// What a plan is asked to assume.
  struct assumption {
    std::vector<std::string> draining;                           // nodes that shall be empty
    std::vector<std::pair<std::string, std::uint32_t>> weights;  // nodes whose share shall be another
    bool lists_slots = false;                                    // a row for each slot instead of one for many
  };

  virtual ~cluster_admin() = default;

  /// What would move and why, and what each node would carry then. Remembered under its number for apply().
  virtual result<shell_table> plan(const assumption& given) = 0;
  /// Does what the plan said (0: the last one that was made here), if the slot table is still the same.
  virtual result<std::string> apply(std::uint64_t plan) = 0;
  /// Moves back what the last apply or migrate of a slot has moved, as a new change.
  virtual result<std::string> undo() = 0;

  // -- wishes: kept in the topology until they are taken back
  // -----------------------------------------------------------------

  /// An empty node that stays a member, and sends its clients to the others; or not any more.
  virtual result<std::string> set_draining(std::string_view node, bool wanted) = 0;
  /// Off: only what must move does (from the dead, for drains, pins, and what is applied by hand).
  virtual result<std::string> set_balancing(bool wanted) = 0;
  /// It goes there, and stays there while that node is a member.
  virtual result<std::string> pin(const movable& what, std::string_view node) = 0;
  virtual result<std::string> unpin(const movable& what) = 0;

  /// It goes there now; later it may go elsewhere.
  virtual result<std::string> migrate(const movable& what, std::string_view node) = 0;
};

}  // namespace throng
