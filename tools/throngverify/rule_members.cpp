// SPDX-License-Identifier: Apache-2.0
// MEMBERS: nobody is told what happens in a channel that she isn't in: who was never put into it, or had left it before
// what she was told of was invoked and can't have come back before it was told.
#include <unordered_set>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

/// Not before then did happen what the frame tells.
std::int64_t earliest(const run_facts& facts, const history_event& frame) {
  // A post that is told again has its newest text: it counts from when it was posted.
  const auto origin = facts.kind_of(frame) == frame_kind::post ? facts.post_at(frame.channel, frame.ts) : op_id();
  const auto* op = facts.find(origin ? origin : frame.op);
  return op ? op->invoked_ns : 0;
}

}  // namespace

void check_members(const run_facts& facts, rule_report& report) {
  std::unordered_set<channel_id> made;
  for (std::size_t at = 0; at < facts.log.events.size(); ++at) {
    const auto& e = facts.event(at);
    if (e.what == happening::channel_made) made.insert(e.channel);
    if (e.what != happening::received || e.seq == 0 || !made.contains(e.channel)) continue;
    if (parse_id<channel_id>(facts.log.name(e.stream)) != e.channel) continue;  // of a person's or the workspace's
    ++report.checked;
    const auto user = facts.socket(e.socket).user;
    if (facts.may_be_member(e.channel, user, earliest(facts, e), e.at_ns)) continue;
    report.found([&] {
      std::vector<op_id> ops{e.op};
      std::vector<std::size_t> events{at};
      for (const auto& op : facts.ops)
        if (op.channel == e.channel && op.user == user && op.what >= happening::join) ops.push_back(op.op);
      return violation{describe(facts, e.socket) + " was told of seq " + std::to_string(e.seq) + " of " +
                           to_text(e.channel) + ", which she was not in",
                       evidence(facts, ops, events)};
    });
  }
}

}  // namespace throng::verify
