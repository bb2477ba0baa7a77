// SPDX-License-Identifier: Apache-2.0
// Replay by time, for a gateway that doesn't know its position in a quiet stream: it has seen nothing since it
// subscribed, and its subscription was interrupted. The stream's last events are looked at, few at first: mostly the
// last one alone tells that nothing was missed.
#pragma once

#include <algorithm>

#include "actors/proto/event.pb.h"
#include "cluster/task.hpp"
#include "storage/model/keyspace.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// The events of `last` (dense, behind last.after_seq()) that are not older than `since`. Errors: too_old if none is
/// older, and there are earlier ones, which may be missing too.
result<ReplayReply> cut_to_since(ReplayReply last, std::int64_t since);

/// `replay(ReplayRequest)` answers one by position; `end` is the stream's last one. Errors: too_old (more has happened
/// than one answer holds, or it is trimmed), and those of `replay`.
template <class Replay>
task<result<ReplayReply>> replay_since(ReplayRequest request, seq_t end, Replay replay) {
  const auto since = request.since();
  const seq_t count_max = request.count_max();
  result<ReplayReply> reply = errc::too_old;
  for (const seq_t count : {seq_t{1}, seq_t{32}, count_max}) {
    request.clear_since();
    request.set_after_seq(end - std::min({end, count, count_max}));
    reply = co_await replay(request);
    if (reply) {
      reply->set_after_seq(request.after_seq());
      reply = cut_to_since(std::move(*reply), since);
    }
    if (reply || reply.code() != errc::too_old || count >= std::min(end, count_max)) break;
  }
  co_return reply;
}

}  // namespace throng
