// SPDX-License-Identifier: Apache-2.0
// DELIVERY: what was acknowledged, or is in the history, reached everybody who could expect it: who was a member from
// before it was invoked to the end, and connected or resumed all the time, unless she was told of a gap in that channel
// since. Of posts and of edits; deletions show in the history.
#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

class delivery_rule {
 public:
  delivery_rule(const run_facts& facts, rule_report& report)
      : facts_(facts), report_(report), seen_(facts.chains.size()) {}

  void run() {
    if (facts_.settled == no_event) {
      report_.unproven.emplace_back("the run never settled, so what is missing may still come");
      return;
    }
    note_seen();
    note_known();
    for (const auto& [channel, ops] : known_)
      for (std::uint32_t i = 1; i < facts_.chains.size(); ++i)
        if (facts_.chains[i].is_alive_at_end) check_chain(channel, ops, i);
  }

 private:
  struct chain_view {
    std::vector<op_id> ops{};                             // received; sorted
    std::unordered_map<channel_id, std::int64_t> gaps{};  // the last one's time
  };

  void note_seen() {
    std::unordered_map<std::uint32_t, channel_id> channel_of;  // by the stream's name
    for (std::size_t at = 0; at < facts_.log.events.size(); ++at) {
      const auto& e = facts_.event(at);
      const auto chain = facts_.socket(e.socket).chain;
      if (chain == 0) continue;
      if (e.what == happening::gap) {
        const auto channel = parse_id<channel_id>(facts_.log.name(e.stream));
        if (channel) seen_[chain].gaps[*channel] = e.at_ns;
      } else if (e.what == happening::received && e.op) {
        seen_[chain].ops.push_back(e.op);
        if (facts_.is_post_frame(e) || facts_.kind_of(e) == frame_kind::post) note_origin(e, chain);
      }
    }
    for (auto& each : seen_) std::ranges::sort(each.ops);
  }

  /// A post that is told again after an edit has the edit's text: the post has come with it.
  void note_origin(const history_event& e, std::uint32_t chain) {
    if (!e.flag) return;
    if (const auto origin = facts_.post_at(e.channel, e.ts)) seen_[chain].ops.push_back(origin);
  }

  /// What was carried out for sure: by its acknowledgement, or because the history has it.
  void note_known() {
    std::set<op_id> in_history;
    for (const auto& read : facts_.reads)
      if (read.is_final)
        for (const auto& entry : read.entries) in_history.insert(entry.op);
    for (const auto& op : facts_.ops) {
      if (op.what != happening::post && op.what != happening::edit) continue;
      const bool is_done = op.is_acknowledged || in_history.contains(op.op);
      if (is_done && op.invoked_ns < facts_.settled_ns) known_[op.channel].push_back(&op);
    }
  }

  /// A post that was deleted, or an edit of it, may be told again without its text.
  bool may_be_deleted(const op_facts& op) const {
    if (!op.ts) return false;
    const auto removals = facts_.ops_on(happening::remove, op.channel, op.ts);
    return std::ranges::any_of(removals, [](const op_facts* each) { return each->may_be_done(); });
  }

  void check_chain(channel_id channel, const std::vector<const op_facts*>& ops, std::uint32_t index) {
    const auto& chain = facts_.chains[index];
    if (!facts_.is_surely_member(channel, chain.user, facts_.settled_ns, facts_.settled_ns)) return;
    const auto& view = seen_[index];
    const auto gap = view.gaps.find(channel);
    const auto from = std::max(chain.since_ns, gap == view.gaps.end() ? chain.since_ns : gap->second);
    bool is_member = false;  // once she is for sure until the end, she is for all that is invoked later
    for (const auto* op : ops) {
      if (op->invoked_ns <= from) continue;
      is_member = is_member || facts_.is_surely_member(channel, chain.user, op->invoked_ns, facts_.settled_ns);
      if (!is_member) continue;
      if (is_posted_here(*op, chain)) continue;
      ++report_.checked;
      if (std::ranges::binary_search(view.ops, op->op) || may_be_deleted(*op)) continue;
      report_.found([&] {
        const auto last = chain.sockets.back();
        return violation{describe(facts_, op->op) + " never reached " + describe(facts_, last) +
                             ", who was a member and connected all the time and was told of no gap",
                         evidence(facts_, {op->op}, sockets_of(chain))};
      });
    }
  }

  bool is_posted_here(const op_facts& op, const chain_facts& chain) const {
    return op.over && facts_.socket(op.over).chain == facts_.socket(chain.sockets.back()).chain;
  }

  std::vector<std::size_t> sockets_of(const chain_facts& chain) const {
    std::vector<std::size_t> events;
    const std::size_t shown = std::min<std::size_t>(chain.sockets.size(), 3);
    for (auto at = chain.sockets.end() - static_cast<std::ptrdiff_t>(shown); at != chain.sockets.end(); ++at) {
      const auto& socket = facts_.socket(*at);
      for (const auto event : {socket.opened, socket.hello, socket.closed}) events.push_back(event);
    }
    return events;
  }

  const run_facts& facts_;
  rule_report& report_;
  std::vector<chain_view> seen_;                              // by chain
  std::map<channel_id, std::vector<const op_facts*>> known_;  // as they were invoked
};

}  // namespace

void check_delivery(const run_facts& facts, rule_report& report) { delivery_rule(facts, report).run(); }

}  // namespace throng::verify
