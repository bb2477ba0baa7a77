// SPDX-License-Identifier: Apache-2.0
// WRITERS: one writer for each stream. A position of a stream is the same event for all who see it, whoever tells them
// and in whichever epoch; an operation has one position; and once somebody has seen an epoch, what is invoked from then
// on is not committed by the writer of an older one.
//
// An event that is told again later carries the epoch of who tells it. So its own epoch is taken from where it was seen
// first: what is committed is told at once.
#include <algorithm>
#include <map>
#include <optional>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

class writer_rule {
 public:
  writer_rule(const run_facts& facts, rule_report& report) : facts_(facts), report_(report) {}

  void run() {
    for (const auto& [stream, seen] : facts_.streams) {
      check_contents(seen);
      check_operations(seen);
    }
  }

 private:
  /// Posts are stored as they are now: told again, an edited one has its new text, and a deleted one none.
  bool is_same(const history_event& a, const history_event& b) const {
    const auto kind = facts_.kind_of(a);
    if (kind != facts_.kind_of(b) || a.ts != b.ts) return false;
    if (kind == frame_kind::change) return a.op == b.op;
    if (kind == frame_kind::other) return a.detail == b.detail && a.user == b.user;
    return true;
  }

  void check_contents(const std::vector<sighting>& seen) {
    for (std::size_t i = 1; i < seen.size(); ++i) {
      const auto &first = seen[i - 1], &other = seen[i];
      if (first.seq != other.seq) continue;
      ++report_.checked;
      if (is_same(facts_.event(first.event), facts_.event(other.event))) continue;
      report_.found([&] {
        const auto &a = facts_.event(first.event), &b = facts_.event(other.event);
        return violation{"in " + std::string(facts_.log.name(a.stream)) + " seq " + std::to_string(a.seq) +
                             " is one thing to " + describe(facts_, a.socket) + " (epoch " + std::to_string(a.epoch) +
                             ") and another to " + describe(facts_, b.socket) + " (epoch " + std::to_string(b.epoch) +
                             ")",
                         evidence(facts_, {a.op, b.op}, {first.event, other.event})};
      });
    }
  }

  void check_operations(const std::vector<sighting>& seen) {
    std::map<std::uint64_t, std::size_t> first_seen;  // each epoch, by event
    for (const auto& each : seen) {
      const auto [place, is_new] = first_seen.try_emplace(each.epoch, each.event);
      if (!is_new) place->second = std::min(place->second, each.event);
    }
    // From each time on, the newest epoch that somebody had seen by then.
    std::vector<std::pair<std::size_t, std::uint64_t>> newest;
    for (auto each = first_seen.rbegin(); each != first_seen.rend(); ++each)
      if (newest.empty() || each->second < newest.back().first) newest.emplace_back(each->second, each->first);
    std::ranges::reverse(newest);  // by event, and by epoch

    std::map<op_id, const sighting*> positions;  // where each was seen first
    for (const auto& each : seen) {
      const auto& frame = facts_.event(each.event);
      const bool has_text = facts_.is_post_frame(frame) || facts_.kind_of(frame) == frame_kind::change;
      if (!frame.op || !has_text) continue;
      ++report_.checked;
      const auto [place, is_new] = positions.try_emplace(frame.op, &each);
      if (is_new) continue;
      if (place->second->seq != each.seq) complain_of_two(frame, *place->second, each);
      if (each.event < place->second->event) place->second = &each;
    }
    for (const auto& [which, at] : positions)
      if (const auto* op = facts_.find(which)) check_epoch(*op, *at, newest);
  }

  void check_epoch(const op_facts& op, const sighting& at,
                   const std::vector<std::pair<std::size_t, std::uint64_t>>& newest) {
    const auto behind = std::ranges::lower_bound(newest, op.event, {}, &std::pair<std::size_t, std::uint64_t>::first);
    if (behind == newest.begin()) return;
    const auto [event, epoch] = *std::prev(behind);
    if (at.epoch >= epoch) return;
    report_.found([&, event = event, epoch = epoch] {
      return violation{describe(facts_, op.op) + " was told first in epoch " + std::to_string(at.epoch) +
                           ", and invoked when epoch " + std::to_string(epoch) + " had been seen",
                       evidence(facts_, {op.op}, {event, at.event})};
    });
  }

  void complain_of_two(const history_event& frame, const sighting& first, const sighting& other) {
    const auto* op = facts_.find(frame.op);
    if (op && op->what == happening::post && !op->has_client_msg_id && op->tries > 1) return;  // it was asked for twice
    report_.found([&] {
      return violation{describe(facts_, frame.op) + " is at seq " + std::to_string(first.seq) + " and at seq " +
                           std::to_string(other.seq) + " of " + std::string(facts_.log.name(frame.stream)),
                       evidence(facts_, {frame.op}, {first.event, other.event})};
    });
  }

  const run_facts& facts_;
  rule_report& report_;
};

}  // namespace

void check_writers(const run_facts& facts, rule_report& report) { writer_rule(facts, report).run(); }

}  // namespace throng::verify
