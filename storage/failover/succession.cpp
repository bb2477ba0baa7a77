// SPDX-License-Identifier: Apache-2.0
#include "storage/failover/succession.hpp"

#include <algorithm>

namespace throng::failover {

namespace {

/// Two transactions that can't both be in one history.
std::optional<std::pair<gtid, gtid>> parting_of(const gtid_list& one, const gtid_list& other) {
  for (const auto& a : one.all())
    for (const auto& b : other.all())
      if (a.domain == b.domain && a.number == b.number && a.server != b.server) return std::pair(a, b);
  return std::nullopt;
}

const server_observation* find(const std::vector<server_observation>& seen, const server_address& server) {
  const auto found = std::ranges::find(seen, server, &server_observation::server);
  return found == seen.end() ? nullptr : &*found;
}

/// Why a member has no say in a promotion; empty: it has.
class objections {
 public:
  objections(const shard_notes& notes, const server_observation* primary, bool is_vouched)
      : notes_(notes), primary_(primary), is_vouched_(is_vouched) {}

  std::string to(const server_address& server, const server_observation* seen) const {
    if (!seen || !seen->is_reachable) return server + " can't be reached";
    if (!seen->is_supported) return server + " is " + seen->version + ", which isn't supervised";
    if (!is_vouched_ && !notes_.trusts(*seen))
      return server + " was restarted and hasn't received again what it may have acknowledged before";
    return errors_of(*seen);
  }
  std::string errors_of(const server_observation& seen) const {
    if (const auto errant = notes_.errant.find(seen.server); errant != notes_.errant.end())
      return seen.server + " has errant transactions: " + errant->second;
    if (!primary_ || !primary_->is_known) return {};
    auto foreign = foreign_transactions(seen, *primary_);
    // Of a primary that isn't there it is only known what it had a moment before it went.
    if (!is_vouched_) std::erase_if(foreign, [&](const gtid& one) { return one.server != seen.gtids.server_id; });
    if (foreign.empty()) return {};
    std::string text;
    for (const auto& one : foreign) text += (text.empty() ? "" : ",") + to_text(one);
    return seen.server + " has transactions of its own that the primary never had: " + text;
  }

 private:
  const shard_notes& notes_;
  const server_observation* primary_;
  const bool is_vouched_;
};

}  // namespace

bool vouches(const server_observation& primary) {
  return primary.is_reachable && primary.is_supported && primary.is_read_only && !primary.gtids.binlog_pos.empty();
}

std::vector<gtid> foreign_transactions(const server_observation& replica, const server_observation& primary) {
  auto history = replica.gtids;
  history.binlog_pos = replica.received();
  auto foreign = errant_transactions(history, primary.gtids);
  std::erase_if(foreign, [&](const gtid& one) { return one.server == primary.gtids.server_id; });
  return foreign;
}

succession find_succession(const shard_record& record, const shard_notes& notes,
                           const std::vector<server_observation>& seen) {
  const auto* primary = find(seen, record.primary);
  succession found;
  found.is_vouched = primary && vouches(*primary);
  const objections objections(notes, primary, found.is_vouched);
  const auto object = [&](const std::string& why) { found.objection += (found.objection.empty() ? "" : "; ") + why; };

  std::vector<server_observation> asked;
  std::vector<std::pair<const server_observation*, std::string>> silent;
  for (const auto& member : members_of(record)) {
    const auto* one = find(seen, member);
    if (auto why = objections.to(member, one); why.empty()) {
      found.candidates.push_back(member);
      asked.push_back(*one);
    } else if (!found.is_vouched) {
      object(why);
    } else if (one && one->is_known && objections.errors_of(*one).empty()) {
      silent.emplace_back(one, std::move(why));
    }
  }
  if (!found.is_vouched) {
    if (found.candidates.empty() && found.objection.empty()) object("nobody else has every acknowledged write");
    return found;
  }
  const auto best = choose_successor(asked);
  if (!best) {
    object(best.failure().detail);
    for (const auto& [one, why] : silent) object(why);
    return found;
  }
  const auto most = find(asked, *best)->received();
  if (!most.covers(primary->gtids.binlog_pos)) object(*best + " lacks what " + record.primary + " has");
  // Nothing that was acknowledged would be lost; but the one that has more would have to be seeded again.
  for (const auto& [one, why] : silent)
    if (!most.covers(one->received())) object(why + ", and has more than " + *best);
  return found;
}

result<server_address> choose_successor(const std::vector<server_observation>& stopped) {
  const server_observation* best = nullptr;
  for (const auto& one : stopped) {
    const auto received = one.received();
    for (const auto& other : stopped)
      if (const auto parted = parting_of(received, other.received()))
        return error{errc::conflict, "the histories of " + one.server + " and " + other.server + " parted at " +
                                         to_text(parted->first) + " and " + to_text(parted->second)};
    const auto has_most = std::ranges::all_of(
        stopped, [&](const server_observation& other) { return received.covers(other.received()); });
    if (!has_most) continue;
    if (!best || one.gtids.binlog_pos.behind(received) < best->gtids.binlog_pos.behind(best->received())) best = &one;
  }
  if (!best) return error{errc::conflict, "no server has received everything that the others have"};
  return best->server;
}

}  // namespace throng::failover
