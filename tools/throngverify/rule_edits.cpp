// SPDX-License-Identifier: Apache-2.0
// EDITS: a message ends with a text that nothing has overwritten for sure, and a deleted one is gone.
//
// An edit is overwritten for sure by one that was invoked after it had ended, and was acknowledged. A post by any edit
// that was acknowledged: nobody can edit what isn't there yet.
#include <algorithm>
#include <map>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

using message_key = std::pair<channel_id, message_ts>;

class edit_rule {
 public:
  edit_rule(const run_facts& facts, rule_report& report) : facts_(facts), report_(report) {}

  void run() {
    for (const auto& op : facts_.ops)
      if (op.what == happening::edit || op.what == happening::remove) messages_[{op.channel, op.ts}];
    note_told_changes();
    std::map<channel_id, std::vector<const read_facts*>> reads;
    for (const auto& [key, told] : messages_) {
      const auto [place, is_new] = reads.try_emplace(key.first);
      if (is_new) place->second = facts_.final_reads(key.first);
      check_message(key, told, place->second);
    }
  }

 private:
  struct told_change {
    std::uint64_t seq = 0;
    op_id op{};
    std::size_t event = no_event;
  };
  /// Changes of one message as subscribers were told, by seq.
  using told_changes = std::vector<told_change>;

  void note_told_changes() {
    for (const auto& [stream, seen] : facts_.streams)
      for (const auto& each : seen) {
        const auto& frame = facts_.event(each.event);
        if (facts_.kind_of(frame) != frame_kind::change) continue;
        const auto found = messages_.find({frame.channel, frame.ts});
        if (found == messages_.end()) continue;
        auto& told = found->second;
        if (told.empty() || told.back().seq != each.seq) told.push_back({each.seq, frame.op, each.event});
      }
  }

  void check_message(const message_key& key, const told_changes& told, const std::vector<const read_facts*>& reads) {
    const auto edits = facts_.ops_on(happening::edit, key.first, key.second);
    const auto removals = facts_.ops_on(happening::remove, key.first, key.second);
    check_edits_of_deleted(edits, removals);
    const auto gone = std::ranges::find_if(removals, &op_facts::is_acknowledged);
    for (const auto* read : reads) {
      ++report_.checked;
      const auto* entry = read->find(key.second);
      if (!entry || facts_.is_tombstone(entry->subtype)) continue;  // whether it may be gone says the rule of posts
      if (gone != removals.end()) {
        report_.found([&] {
          return violation{"the message at " + to_text(key.second) + " of " + to_text(key.first) +
                               " is in the history, and was deleted by " + describe(facts_, (*gone)->op),
                           evidence(facts_, {(*gone)->op}, {read->event, entry->event})};
        });
        continue;
      }
      check_text(*entry, *read, edits, told);
    }
  }

  void check_edits_of_deleted(const std::vector<const op_facts*>& edits, const std::vector<const op_facts*>& removals) {
    for (const auto* edit : edits) {
      if (!edit->is_acknowledged) continue;
      for (const auto* removal : removals) {
        if (!removal->is_acknowledged || removal->acknowledged_ns >= edit->invoked_ns) continue;
        report_.found([&] {
          return violation{describe(facts_, edit->op) + " was acknowledged after the message was deleted by " +
                               describe(facts_, removal->op),
                           evidence(facts_, {edit->op, removal->op})};
        });
      }
    }
  }

  void check_text(const read_facts::entry& entry, const read_facts& read, const std::vector<const op_facts*>& edits,
                  const told_changes& told) {
    const auto* writer = facts_.find(entry.op);
    const bool is_of_it = writer && (writer->what == happening::post || writer->ts == entry.ts);
    if (!is_of_it) return;  // the rule of posts has told
    for (const auto* later : edits) {
      if (!later->is_acknowledged || later == writer) continue;
      const bool is_later = writer->what == happening::post || writer->ended_ns < later->invoked_ns;
      if (!is_later) continue;
      report_.found([&] {
        return violation{"the history has the text of " + describe(facts_, writer->op) + ", which " +
                             describe(facts_, later->op) + " has overwritten",
                         evidence(facts_, {writer->op, later->op}, {read.event, entry.event})};
      });
      return;
    }
    check_against_told(entry, read, told);
  }

  /// Changes are told in their order: a text that was told earlier than another isn't the last one.
  void check_against_told(const read_facts::entry& entry, const read_facts& read, const told_changes& told) {
    if (told.empty() || told.back().op == entry.op) return;
    const bool was_told = std::ranges::any_of(told, [&](const told_change& each) { return each.op == entry.op; });
    const auto* writer = facts_.find(entry.op);
    if (!was_told && writer->what != happening::post) return;  // nobody was there to see it
    report_.found([&] {
      return violation{"the history has the text of " + describe(facts_, entry.op) +
                           ", and subscribers were told later of " + describe(facts_, told.back().op),
                       evidence(facts_, {entry.op, told.back().op}, {told.back().event, read.event, entry.event})};
    });
  }

  const run_facts& facts_;
  rule_report& report_;
  std::map<message_key, told_changes> messages_;
};

}  // namespace

void check_edits(const run_facts& facts, rule_report& report) { edit_rule(facts, report).run(); }

}  // namespace throng::verify
