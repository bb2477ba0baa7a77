// SPDX-License-Identifier: Apache-2.0
// ORDER: one order for each channel: all who read its history at the end read the same; ts rises with seq, for all who
// receive; and a post that was invoked after another had been acknowledged comes behind it.
#include <algorithm>
#include <map>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

class order_rule {
 public:
  order_rule(const run_facts& facts, rule_report& report) : facts_(facts), report_(report) {}

  void run() {
    for (const auto& read : facts_.reads) check_rising(read);
    for (const auto& [channel, is_private] : facts_.channels) check_agreement(facts_.final_reads(channel));
    for (const auto& [stream, seen] : facts_.streams) check_stream(seen);
    check_time();
  }

 private:
  void check_rising(const read_facts& read) {
    report_.checked += read.entries.size();
    if (read.is_in_order) return;
    const auto at = std::ranges::adjacent_find(read.entries, std::greater_equal(), &read_facts::entry::ts);
    report_.found([&] {
      const auto first = at == read.entries.end() ? no_event : at->event;
      return violation{
          "a reading of the history of " + to_text(read.channel) + " is not in the order of ts, or has one twice",
          evidence(facts_, {}, {read.event, first, at == read.entries.end() ? no_event : (at + 1)->event})};
    });
  }

  void check_agreement(const std::vector<const read_facts*>& reads) {
    for (std::size_t i = 1; i < reads.size(); ++i) {
      const auto &first = *reads.front(), &other = *reads[i];
      report_.checked += other.entries.size();
      const auto [a, b] = std::ranges::mismatch(first.entries, other.entries, [](const auto& x, const auto& y) {
        return x.ts == y.ts && x.op == y.op && x.is_edited == y.is_edited;
      });
      if (a == first.entries.end() && b == other.entries.end()) continue;
      report_.found([&] {
        const auto here = a == first.entries.end() ? no_event : a->event;
        const auto there = b == other.entries.end() ? no_event : b->event;
        return violation{"two readers of the history of " + to_text(first.channel) + " do not read the same: " +
                             std::to_string(first.entries.size()) + " and " + std::to_string(other.entries.size()) +
                             " messages, different from number " + std::to_string(a - first.entries.begin() + 1),
                         evidence(facts_, {}, {first.event, here, other.event, there})};
      });
    }
  }

  /// ts of posts rises with seq. Tombstones and edited posts keep their ts.
  void check_stream(const std::vector<sighting>& seen) {
    const sighting* before = nullptr;
    for (const auto& each : seen) {
      const auto& frame = facts_.event(each.event);
      if (facts_.kind_of(frame) != frame_kind::post) continue;
      ++report_.checked;
      if (before && before->seq < each.seq && facts_.event(before->event).ts >= frame.ts) {
        report_.found([&] {
          return violation{"in " + std::string(facts_.log.name(frame.stream)) + " seq " + std::to_string(before->seq) +
                               " has ts " + to_text(facts_.event(before->event).ts) + ", and seq " +
                               std::to_string(each.seq) + " has ts " + to_text(frame.ts),
                           evidence(facts_, {facts_.event(before->event).op, frame.op}, {before->event, each.event})};
        });
      }
      before = &each;
    }
  }

  void check_time() {
    std::map<channel_id, std::vector<const op_facts*>> posts;
    for (const auto& op : facts_.ops)
      if (op.what == happening::post && op.is_acknowledged) posts[op.channel].push_back(&op);
    for (auto& [channel, by_invoked] : posts) {
      auto by_acknowledged = by_invoked;
      std::ranges::sort(by_invoked, {}, &op_facts::invoked_ns);
      std::ranges::sort(by_acknowledged, {}, &op_facts::acknowledged_ns);
      auto next = by_acknowledged.begin();
      const op_facts* newest = nullptr;  // of those acknowledged before the one that is looked at
      for (const auto* post : by_invoked) {
        for (; next != by_acknowledged.end() && (*next)->acknowledged_ns < post->invoked_ns; ++next)
          if (!newest || (*next)->ts > newest->ts) newest = *next;
        ++report_.checked;
        if (!newest || newest->ts < post->ts) continue;
        report_.found([&] {
          return violation{describe(facts_, post->op) + " has ts " + to_text(post->ts) + ", but was invoked after " +
                               describe(facts_, newest->op) + " had been acknowledged with ts " + to_text(newest->ts),
                           evidence(facts_, {post->op, newest->op})};
        });
      }
    }
  }

  const run_facts& facts_;
  rule_report& report_;
};

}  // namespace

void check_order(const run_facts& facts, rule_report& report) { order_rule(facts, report).run(); }

}  // namespace throng::verify
