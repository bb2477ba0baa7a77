// SPDX-License-Identifier: Apache-2.0
// POSITIONS: no silent holes. On a socket, and on one that was resumed after it, the seq of each stream goes on by one,
// nothing comes twice and the epoch never falls; or a gap is told first. Two things leave a hole that is none:
//   - what a client posts over a socket isn't told on that socket: its acknowledgement is
//   - who leaves a channel and comes back hears nothing of what was in between
#include <algorithm>
#include <unordered_map>

#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/rules.hpp"

namespace throng::verify {

namespace {

constexpr std::uint64_t hole_walked_max = 10'000;

class position_rule {
 public:
  position_rule(const run_facts& facts, rule_report& report)
      : facts_(facts), report_(report), sockets_(facts.sockets.size()) {
    for (const auto& op : facts.ops)
      if (op.what == happening::post && op.over && op.may_be_done()) ++posted_over_[op.over];
  }

  void run() {
    for (std::size_t at = 0; at < facts_.log.events.size(); ++at) {
      const auto& e = facts_.event(at);
      if (e.socket.value >= sockets_.size()) continue;
      auto& mine = sockets_[e.socket.value];
      if (e.what == happening::socket_opened && e.other < sockets_.size())
        mine = sockets_[e.other];
      else if (e.what == happening::socket_hello && !e.flag)
        mine.clear();
      else if (e.what == happening::gap)
        take_gap(mine, e, at);
      else if (e.what == happening::received && e.seq)
        take(mine, e, at);
    }
  }

 private:
  struct place {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::size_t event = no_event;
  };
  using places = std::unordered_map<std::uint32_t, place>;  // by stream

  void take_gap(places& mine, const history_event& e, std::size_t at) {
    // Without an epoch it doesn't say where it ends: whatever comes next is fine.
    if (e.epoch == 0)
      mine.erase(e.stream.value);
    else
      mine[e.stream.value] = {e.epoch, e.seq, at};
  }

  void take(places& mine, const history_event& e, std::size_t at) {
    ++report_.checked;
    const auto [found, is_first] = mine.try_emplace(e.stream.value, place{e.epoch, e.seq, at});
    if (is_first) return;
    auto& last = found->second;
    if (e.seq <= last.seq)
      complain(e, at, last, "came again, or out of order");
    else if (e.epoch < last.epoch)
      complain(e, at, last, "is of an older epoch than what came before it");
    else if (e.seq != last.seq + 1 && !may_be_left_out(e, last))
      complain(e, at, last, "follows a hole of which nothing was told");
    last = {std::max(e.epoch, last.epoch), std::max(e.seq, last.seq), at};
  }

  bool may_be_left_out(const history_event& e, const place& last) const {
    return has_been_away(e, last) || all_are_own(e, last);
  }

  /// She left the channel there, as far as anybody saw it; or where is not known.
  bool has_been_away(const history_event& e, const place& last) const {
    const auto user = facts_.socket(e.socket).user;
    const auto channel = parse_id<channel_id>(facts_.log.name(e.stream));
    if (!channel || !facts_.may_have_left(*channel, user, e.at_ns)) return false;
    const auto& seen = facts_.streams.at(e.stream.value);
    bool was_seen = false;
    for (auto at = std::ranges::lower_bound(seen, last.seq, {}, &sighting::seq); at != seen.end() && at->seq < e.seq;
         ++at)
      if (is_leaving(facts_.event(at->event), user)) was_seen = true;
    return was_seen || !all_are_known(seen, last.seq, e.seq);
  }

  bool is_leaving(const history_event& e, user_id user) const {
    return e.user == user && facts_.log.name(e.detail) == "member_left_channel";
  }

  /// Somebody saw each position in between.
  static bool all_are_known(const std::vector<sighting>& seen, std::uint64_t after, std::uint64_t before) {
    if (before - after > hole_walked_max) return false;
    auto next = after + 1;
    for (auto at = std::ranges::lower_bound(seen, next, {}, &sighting::seq); at != seen.end() && at->seq < before;
         ++at) {
      if (at->seq > next) return false;
      if (at->seq == next) ++next;
    }
    return next == before;
  }

  /// Each position in between is a post over this socket; one that nobody saw may be, as far as there were so many.
  bool all_are_own(const history_event& e, const place& last) const {
    const auto posted = posted_over_.find(e.socket);
    if (posted == posted_over_.end() || e.seq - last.seq - 1 > posted->second) return false;
    const auto& seen = facts_.streams.at(e.stream.value);
    for (auto at = std::ranges::upper_bound(seen, last.seq, {}, &sighting::seq); at != seen.end() && at->seq < e.seq;
         ++at) {
      const auto* op = facts_.find(facts_.event(at->event).op);
      if (!op || op->over != e.socket) return false;
    }
    return true;
  }

  void complain(const history_event& e, std::size_t at, const place& last, std::string_view problem) {
    report_.found([&] {
      const auto& log = facts_.log;
      const auto before = "epoch " + std::to_string(last.epoch) + " seq " + std::to_string(last.seq);
      std::vector<std::size_t> events{last.event, at, facts_.socket(e.socket).opened, facts_.socket(e.socket).hello};
      if (e.seq > last.seq)  // what is in the hole, as others saw it
        for (const auto& each : facts_.streams.at(e.stream.value))
          if (each.seq > last.seq && each.seq < e.seq && events.size() < evidence_events_max / 2)
            events.push_back(each.event);
      return violation{describe(facts_, e.socket) + ": in " + std::string(log.name(e.stream)) + " epoch " +
                           std::to_string(e.epoch) + " seq " + std::to_string(e.seq) + " " + std::string(problem) +
                           " (" + before + ")",
                       evidence(facts_, {}, events)};
    });
  }

  const run_facts& facts_;
  rule_report& report_;
  std::vector<places> sockets_;
  std::map<socket_index, std::uint64_t> posted_over_;
};

}  // namespace

void check_positions(const run_facts& facts, rule_report& report) { position_rule(facts, report).run(); }

}  // namespace throng::verify
