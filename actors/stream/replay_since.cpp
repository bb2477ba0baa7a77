// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/replay_since.hpp"

namespace throng {

result<ReplayReply> cut_to_since(ReplayReply last, std::int64_t since) {
  const auto is_missed = [since](const NumberedEvent& each) { return each.event().at() >= since; };
  const auto& events = last.events();
  const auto first = std::find_if(events.begin(), events.end(), is_missed);
  if (first == events.begin() && last.after_seq() != 0 && !events.empty()) return errc::too_old;
  const auto older = static_cast<int>(first - events.begin());
  last.set_after_seq(last.after_seq() + static_cast<seq_t>(older));
  last.mutable_events()->DeleteSubrange(0, older);
  return last;
}

}  // namespace throng
