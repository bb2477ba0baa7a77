// SPDX-License-Identifier: Apache-2.0
// POSTS: what was acknowledged is in the history once, with its ts; what was refused is nowhere; what nobody posted is
// not there; and what somebody received is there too, for only what is committed is told.
//
// A message says by its text who wrote it last, so an edited one names its edit: it is known by its ts then.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

class post_rule {
 public:
  post_rule(const run_facts& facts, rule_report& report) : facts_(facts), report_(report) {}

  void run() {
    std::map<channel_id, std::vector<const op_facts*>> by_channel;
    for (const auto& [channel, is_private] : facts_.channels) by_channel[channel];
    for (const auto& op : facts_.ops)
      if (op.what == happening::post) by_channel[op.channel].push_back(&op);
    for (const auto& [channel, posts] : by_channel) {
      const auto reads = facts_.final_reads(channel);
      if (reads.empty() && !posts.empty())
        report_.unproven.push_back("the whole history of " + to_text(channel) + " was not read at the end");
      for (const auto* read : reads) {
        check_contents(*read);
        for (const auto* post : posts) check_presence_of(*post, *read);
      }
      for (const auto* post : posts) check_answers(*post);
    }
    check_frames();
  }

 private:
  bool may_be_deleted(channel_id channel, message_ts ts) const {
    const auto removals = facts_.ops_on(happening::remove, channel, ts);
    return std::ranges::any_of(removals, [](const op_facts* op) { return op->may_be_done(); });
  }

  /// The post that an entry is; none if its text names nobody that could have posted it.
  op_id origin_of(const read_facts& read, const read_facts::entry& entry) const {
    const auto* op = facts_.find(entry.op);
    if (op && op->what == happening::post) return op->op;
    return facts_.post_at(read.channel, entry.ts);
  }

  void check_contents(const read_facts& read) {
    where_.clear();
    for (const auto& entry : read.entries) {
      if (!facts_.is_persons_post(entry.subtype)) continue;
      ++report_.checked;
      const auto* op = facts_.find(entry.op);
      if (!op) {
        report_.found([&] {
          return violation{"the history of " + to_text(read.channel) + " has a message at " + to_text(entry.ts) +
                               " that nobody posted",
                           evidence(facts_, {}, {read.event, entry.event})};
        });
        continue;
      }
      const bool is_of_it = op->what == happening::post || (op->what == happening::edit && op->ts == entry.ts);
      const bool is_here = op->channel == read.channel && is_of_it;
      if (!is_here || !op->may_be_done()) {
        report_.found([&] {
          return violation{"the history of " + to_text(read.channel) + " has at " + to_text(entry.ts) + " what " +
                               (is_here ? "was refused: " : "was meant for another place: ") + describe(facts_, op->op),
                           evidence(facts_, {op->op}, {read.event, entry.event})};
        });
      }
      if (const auto origin = origin_of(read, entry)) where_[origin].push_back(&entry);
    }
  }

  void check_presence_of(const op_facts& post, const read_facts& read) {
    ++report_.checked;
    const auto found = where_.find(post.op);
    const std::size_t count = found == where_.end() ? 0 : found->second.size();
    const std::size_t most = post.has_client_msg_id ? 1 : std::max<std::size_t>(post.tries - post.refusals, 1);
    if (count > most) {
      report_.found([&] {
        std::vector<std::size_t> events{read.event};
        for (const auto* entry : found->second) events.push_back(entry->event);
        return violation{describe(facts_, post.op) + " is in the history " + std::to_string(count) + " times",
                         evidence(facts_, {post.op}, events)};
      });
    }
    if (!post.is_acknowledged) return;
    const bool is_there =
        count != 0 && std::ranges::any_of(found->second, [&](const auto* entry) { return entry->ts == post.ts; });
    if (is_there || may_be_deleted(post.channel, post.ts)) return;
    report_.found([&] {
      const auto what = count == 0 ? " was acknowledged, and is not in the history"
                                   : " was acknowledged with another ts than it has in the history";
      return violation{describe(facts_, post.op) + what,
                       evidence(facts_, {post.op}, {read.event, count ? found->second.front()->event : no_event})};
    });
  }

  void check_answers(const op_facts& post) {
    if (!post.other_ts) return;
    report_.found([&] {
      return violation{
          describe(facts_, post.op) + " was acknowledged as " + to_text(post.ts) + " and as " + to_text(post.other_ts),
          evidence(facts_, {post.op})};
    });
  }

  void check_frames() {
    std::map<channel_id, std::vector<const read_facts*>> reads;
    for (const auto& [channel, is_private] : facts_.channels) reads[channel] = facts_.final_reads(channel);
    std::set<std::pair<channel_id, message_ts>> judged;  // many receive the same
    for (const auto& [stream, seen] : facts_.streams)
      for (const auto& each : seen) {
        const auto& frame = facts_.event(each.event);
        if (!facts_.is_post_frame(frame) || !facts_.channels.contains(frame.channel)) continue;
        if (!judged.emplace(frame.channel, frame.ts).second) continue;
        ++report_.checked;
        check_frame(frame, each.event, reads[frame.channel]);
      }
  }

  void check_frame(const history_event& frame, std::size_t at, const std::vector<const read_facts*>& reads) {
    const auto* op = facts_.find(frame.op);
    const bool is_known = op && op->channel == frame.channel && op->may_be_done();
    if (!is_known) {
      report_.found([&] {
        return violation{
            describe(facts_, frame.socket) + " received a message that " +
                (op ? "was refused or is of another channel: " + describe(facts_, op->op) : "nobody posted"),
            evidence(facts_, {frame.op}, {at})};
      });
      return;
    }
    if (may_be_deleted(frame.channel, frame.ts)) return;
    for (const auto* read : reads) {
      if (read->find(frame.ts)) continue;
      report_.found([&] {
        return violation{describe(facts_, op->op) + " was told to subscribers, and is not in the history",
                         evidence(facts_, {op->op}, {at, read->event})};
      });
      return;
    }
  }

  const run_facts& facts_;
  rule_report& report_;
  std::unordered_map<op_id, std::vector<const read_facts::entry*>> where_;  // in the read that is looked at
};

}  // namespace

void check_posts(const run_facts& facts, rule_report& report) { post_rule(facts, report).run(); }

}  // namespace throng::verify
