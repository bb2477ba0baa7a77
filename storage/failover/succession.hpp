// SPDX-License-Identifier: Apache-2.0
// SUCCESSION: who may become the primary in place of the record's, by rules 3, 4 and 6 of shard_analysis.hpp. Pure; the
// analysis asks before a round is begun, and the round asks again with what it saw under its locks.
#pragma once

#include "storage/failover/shard_analysis.hpp"

namespace throng::failover {

struct succession {
  /// The old primary is there and vouches (rule 6): the winner must have what that has, and nobody needs to be trusted.
  bool is_vouched = false;
  std::vector<server_address> candidates;  // are stopped, then one of them is chosen
  std::string objection;                   // not empty: nobody may be promoted now, and why
};
succession find_succession(const shard_record& record, const shard_notes& notes,
                           const std::vector<server_observation>& seen);

/// Has every write that was acknowledged in its name, and acknowledges no more: rule 6.
bool vouches(const server_observation& primary);

/// What a replica has and can't have from the primary: `primary` never wrote it, nor had it from others. What has the
/// number of the primary itself is no such thing: it may be what the primary lost when it was restarted.
std::vector<gtid> foreign_transactions(const server_observation& replica, const server_observation& primary);

/// Who of the members that were stopped (rule 4) is promoted: of those that received most, the one that has least left
/// to apply. Errors: conflict, if there are none, or their positions can't be compared.
result<server_address> choose_successor(const std::vector<server_observation>& stopped);

}  // namespace throng::failover
