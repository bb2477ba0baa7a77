// SPDX-License-Identifier: Apache-2.0
// What an AGENT does about a topology that has forgotten: it puts back what this node knows, and gives slots other
// epochs where what came back can't be true.
#include <algorithm>
#include <utility>

#include "cluster/membership/cluster_agent.hpp"
#include "cluster/membership/node_numbers.hpp"
#include "config/log.hpp"

namespace throng {

namespace {

constexpr std::chrono::milliseconds others_restore_after{2'000};

}  // namespace

// -- who there was
// -------------------------------------------------------------------------------------------------------------

/// A topology that has forgotten all would give the numbers of who sleeps to others, and let the dead in again. False:
/// it is away.
bool cluster_agent::tell_numbers() {
  for (const auto& each : picture_.starts()) {
    auto told = remember(with_.topology, each.name, {each.node, each.incarnation});
    if (!told && told.code() != errc::invalid_json) return false;
    if (!told)
      log::warn("number {} of node {} can't be put back: {}", each.node.value, each.name, told.failure().detail);
    else if (*told)
      log::warn("number {} of node {} was gone from the topology, and is there again", each.node.value, each.name);
  }
  return true;
}

/// The topology had forgotten that they are dead when they looked; or this node's news are late, and nothing is there.
void cluster_agent::end_ghosts() {
  for (const auto& who : picture_.ghosts()) {
    if (!spend(with_.topology, who.name, {who.node, who.incarnation})) return;
    if (auto erased = erase_record_of(who); erased && *erased)
      log::warn("node {} (number {}, incarnation {}) was dead, and is so again", who.name, who.node.value,
                who.incarnation);
  }
}

// -- where everything was
// -------------------------------------------------------------------------------------------------------------

/// The topology has lost the table (it was restarted, empty; somebody has put there what is none, or an old one). Who
/// leads puts back what it knows, after a while anybody does who knows it: a leader may be new.
bool cluster_agent::restore_table(steady_time now) {
  if (!picture_.is_table_lost()) {
    table_lost_since_.reset();
    return false;
  }
  if (!table_lost_since_) table_lost_since_ = now;
  const auto lead = picture_.facts({}).lead;
  const bool leads = lead.leader == with_.self.name && lead.incarnation == with_.self.incarnation;
  if (!leads && now - *table_lost_since_ < others_restore_after) return false;
  auto entry = with_.topology.get(slot_table_key);
  if (!entry) return false;
  if (*entry) {
    const auto there = slot_table::decode((*entry)->value);
    if (there && there->version() >= picture_.table()->version()) {
      picture_.set_table({**entry});
      return true;
    }
  }
  if (auto restored = *entry || !with_.restore_others ? result<>(done) : with_.restore_others(); !restored) {
    if (std::exchange(trouble_, restored.failure().detail) != restored.failure().detail)
      log::warn("what the topology has forgotten can't be put back yet: {}", restored.failure().detail);
    return false;
  }
  auto table = *picture_.table();
  auto put = with_.topology.put(slot_table_key, table.encode(), *entry ? (*entry)->version : 0);
  if (!put) return false;
  log::warn("slot table {} was {} in the topology, and is there again", table.version(),
            *entry ? "garbled, or an older one was," : "gone");
  picture_.has_put(std::move(table), *put);
  return true;
}

/// The topology has forgotten what people wish; its coordinator hasn't.
bool cluster_agent::restore_wishes() {
  if (!picture_.are_wishes_lost()) return false;
  const auto lead = picture_.facts({}).lead;
  if (lead.leader != with_.self.name || lead.incarnation != with_.self.incarnation) return false;
  if (with_.topology.put(placement_wishes_key, to_json(picture_.wishes()), 0))
    log::warn("what people wish of the placement was gone from the topology, and is there again");
  return false;  // the watch tells it
}

bool cluster_agent::restore_pins() {
  if (picture_.are_pins_kept()) return false;
  const auto lead = picture_.facts({}).lead;
  if (lead.leader != with_.self.name || lead.incarnation != with_.self.incarnation) return false;
  if (!with_.topology.put(pins_key, to_json(*picture_.pins()), 0)) return false;
  log::warn("{} pins were gone from the topology, and are there again", picture_.pins()->size());
  return false;  // the watch tells it
}

// -- other epochs
// --------------------------------------------------------------------------------------------------------------

/// Slots of this node that have lent an entity to somebody who is gone, or doesn't give it back: under another epoch
/// it can't write any more, and the entity may run here.
void cluster_agent::renew_lost_loans() {
  const auto moves = renewals_of(with_.here.lost_loans());
  if (moves.empty() || !put_renewed(picture_.table()->after(moves))) return;
  log::info("slot table {}: {} slots get another epoch, for what they had lent is lost", picture_.table()->version(),
            moves.size());
}

/// The topology has given out what it had forgotten: a number that is another's, or a table that isn't the last one. So
/// at first none of this node's epochs is to be trusted, then those that are refused again. If this node's table is
/// only late, the topology doesn't take what follows from it.
void cluster_agent::renew_refused_fences(steady_time now) {
  auto moves = renewals_of(with_.here.refused_fences());
  if (moves.empty()) return;
  const auto leap = renewal_.next(now);
  if (!leap) return;
  const auto current = is_current(with_.topology, with_.self.name, {with_.self.node, with_.self.incarnation});
  if (!current) return;
  if (!*current) {  // the slots are those of who has the number now
    is_hold_lost_ = true;
    return;
  }
  const auto& table = *picture_.table();
  if (*leap == 1) moves = renewals_of(table.fences_of(with_.self.node));
  std::vector<fence> passed;
  for (const auto& each : moves) passed.push_back({each.slot, table.owner_of(each.slot).epoch + *leap - 1});
  if (put_renewed(table.above(passed).after(moves)))
    log::warn("slot table {}: {} slots get another epoch, for the store knows other holders",
              picture_.table()->version(), moves.size());
}

/// Those of `spent` that this node still owns under these epochs, as far as it knows.
std::vector<slot_move> cluster_agent::renewals_of(const std::vector<fence>& spent) const {
  std::vector<slot_move> moves;
  if (spent.empty() || !hold_ || !picture_.table() || picture_.table_entry() == 0) return moves;
  for (const auto& each : spent) {
    const auto owner = picture_.table()->owner_of(each.slot);
    if (owner.node == with_.self.node && owner.epoch == each.epoch)
      moves.push_back({each.slot, with_.self.node, with_.self.node});
  }
  return moves;
}

/// False: the topology has another table by now, or is away.
bool cluster_agent::put_renewed(slot_table next) {
  auto put = with_.topology.put(slot_table_key, next.encode(), picture_.table_entry());
  if (!put) return false;
  picture_.has_put(std::move(next), *put);
  follow();
  return true;
}

}  // namespace throng
