// SPDX-License-Identifier: Apache-2.0
// The steps that keep a shard as shard_analysis.hpp wants it: each is one SHARD ROUND. They look again before they act,
// for the analysis may be old. Blocking, seconds at most; throw step_failed and mysql::failure.
#pragma once

#include <vector>

#include "storage/failover/shard_round.hpp"

namespace throng::failover {

/// Does any step but emergency_reparent (storage/failover/reparent.hpp).
void do_step(shard_round& round, const next_step& step);

/// The semi-sync setting and the gates that the record asks for; before the primary opens. REQUIRES: the primary and
/// every member of M can be asked for its server id.
void make_primary(shard_round& round, server_session& primary);

/// The transactions of `replica` that `primary` never had, in words; noted, or forgotten if there are none any more.
std::string check_errant(shard_round& round, server_session& replica, server_session& primary);

}  // namespace throng::failover
