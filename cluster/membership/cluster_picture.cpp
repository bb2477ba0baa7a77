// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/cluster_picture.hpp"

#include <algorithm>

#include "config/log.hpp"

namespace throng {

// -- news
// ------------------------------------------------------------------------------------------------------------

void cluster_picture::set_records(const std::vector<topology_entry>& entries, steady_time now) {
  std::vector<node_record> members;
  ghosts_.clear();
  for (const auto& entry : entries) {
    auto record = parse_node_record(entry);
    if (!record) {
      complain(record.failure());
      continue;
    }
    if (is_dead(record->who)) {  // seen before this node erased it, or it is there again
      ghosts_.push_back(std::move(record->who));
      continue;
    }
    members.push_back(std::move(*record));
  }
  std::ranges::sort(members, {}, [](const auto& each) { return each.who.node; });
  for (auto& before : facts_.members) {
    const auto same = [&](const auto& each) { return each.who.node == before.who.node; };
    if (std::ranges::none_of(members, same) && may_vanish(before))
      vanished_.insert_or_assign(before.who.node, vanished{std::move(before), now});
  }
  for (const auto& each : members) {
    vanished_.erase(each.who.node);
    auto& known = known_[each.who.node];
    if (known.who.incarnation != each.who.incarnation || known.who.name != each.who.name) {
      known = {each.who, now};
      down_since_.erase(each.who.node);
    }
    known.who = each.who;
  }
  facts_.members = std::move(members);
}

void cluster_picture::set_table(const std::vector<topology_entry>& entries) {
  const auto entry = std::ranges::find(entries, slot_table_key, &topology_entry::key);
  is_table_lost_ = true;
  if (entry == entries.end()) {
    facts_.table_entry = 0;  // forgotten; this node still knows
    return;
  }
  auto table = slot_table::decode(entry->value);
  if (!table) return complain(error{errc::invalid_arguments, entry->key + ": " + table.failure().detail});
  if (facts_.table && table->version() < facts_.table->version()) return;
  has_put(std::move(*table), entry->version);
}

void cluster_picture::set_wishes(const std::vector<topology_entry>& entries) {
  const auto entry = std::ranges::find(entries, placement_wishes_key, &topology_entry::key);
  are_wishes_lost_ = entry == entries.end();
  if (are_wishes_lost_) return;
  auto wishes = parse_placement_wishes(*entry);
  if (!wishes) return complain(wishes.failure());
  facts_.wishes = std::move(*wishes);
}

void cluster_picture::set_loads(const std::vector<topology_entry>& entries) {
  facts_.loads.clear();
  for (const auto& entry : entries) {
    auto report = parse_load_report(entry);
    if (report)
      facts_.loads.push_back(std::move(*report));
    else
      complain(report.failure());
  }
}

void cluster_picture::set_leadership(const std::vector<topology_entry>& entries) {
  const auto entry = std::ranges::find(entries, leadership_key, &topology_entry::key);
  if (entry == entries.end()) {
    facts_.lead = {{}, 0, facts_.lead.term, 0};
    return;
  }
  auto lead = parse_leadership(*entry);
  if (!lead) return complain(lead.failure());
  if (lead->term >= facts_.lead.term) facts_.lead = std::move(*lead);
}

void cluster_picture::set_pins(const std::vector<topology_entry>& entries) {
  const auto entry = std::ranges::find(entries, pins_key, &topology_entry::key);
  are_pins_kept_ = entry != entries.end();
  if (!are_pins_kept_) return;  // whoever takes the last one away leaves an empty list
  auto pins = parse_pin_records(*entry);
  if (!pins) return complain(pins.failure());
  pins_ = std::make_shared<const std::vector<pin_record>>(std::move(*pins));
}

void cluster_picture::set_link(const node_identity& peer, bool is_up) {
  auto& link = links_[peer.node];
  if (link.incarnation > peer.incarnation) return;
  const bool is_same = link.incarnation == peer.incarnation;
  link = {peer.incarnation, is_up, is_up || (is_same && link.was_up), !is_up && is_same && link.is_gone};
}

void cluster_picture::set_gone(const node_identity& peer) {
  auto& link = links_[peer.node];
  if (link.incarnation > peer.incarnation) return;
  if (link.incarnation < peer.incarnation) link = {peer.incarnation, false, false, false};
  link.is_gone = !link.is_up;
}

void cluster_picture::has_put(slot_table table, topology_version version) {
  facts_.table = std::move(table);
  facts_.table_entry = version;
  is_table_lost_ = false;
}

void cluster_picture::has_erased(const node_record& dead) {
  auto& last = dead_[dead.who.name];
  last = std::max(last, dead.who.incarnation);
  std::erase_if(facts_.members, [&](const auto& each) { return is_dead(each.who); });
  std::erase_if(vanished_, [&](const auto& each) { return is_dead(each.second.record.who); });
}

void cluster_picture::pass_time(steady_time now) {
  std::erase_if(vanished_, [&](const auto& each) {
    return !may_vanish(each.second.record) || now - each.second.since >= patience_.vanished_max;
  });
  for (const auto& each : facts_.members) {
    if (each.who.node == self_.node || reaches(each.who))
      down_since_.erase(each.who.node);
    else
      down_since_.try_emplace(each.who.node, now);
  }
}

bool cluster_picture::is_dead(const node_identity& who) const {
  const auto found = dead_.find(who.name);
  return found != dead_.end() && who.incarnation <= found->second;
}

bool cluster_picture::may_vanish(const node_record& record) const {
  return record.who.node != self_.node && !record.is_draining && !is_dead(record.who) && reaches(record.who) &&
         facts_.table && facts_.table->owned_by(record.who.node) > 0;
}

bool cluster_picture::reaches(const node_identity& peer) const {
  const auto found = links_.find(peer.node);
  return found != links_.end() && found->second.incarnation == peer.incarnation && found->second.is_up;
}

void cluster_picture::complain(const error& why) {
  if (std::exchange(complaint_, why.detail) != why.detail) log::error("the topology has what can't be: {}", why.detail);
}

// -- the picture
// -----------------------------------------------------------------------------------------------------

cluster_facts cluster_picture::facts(const std::optional<node_record>& own) const {
  auto all = facts_;
  std::erase_if(all.members, [&](const auto& each) { return each.who.node == self_.node; });
  for (const auto& [_, each] : vanished_) all.members.push_back(each.record);
  if (own) all.members.push_back(*own);
  std::ranges::sort(all.members, {}, [](const auto& each) { return each.who.node; });
  // What the dead have said of their slots counts until others have these.
  std::erase_if(all.loads, [&](const load_report& report) {
    const bool is_member = std::ranges::any_of(all.members, [&](const auto& each) {
      return each.who.node == report.node && each.who.incarnation == report.incarnation;
    });
    return !is_member && !(all.table && all.table->owned_by(report.node) > 0);
  });
  return all;
}

std::vector<node_identity> cluster_picture::members() const {
  std::vector<node_identity> all{self_};
  for (const auto& each : facts_.members)
    if (each.who.node != self_.node) all.push_back(each.who);
  for (const auto& [_, each] : vanished_) all.push_back(each.record.who);
  std::ranges::sort(all, {}, &node_identity::node);
  return all;
}

cluster_picture::reach cluster_picture::reach_of(const node_identity& peer, steady_time now) const {
  if (reaches(peer)) return reach::up;
  const auto at = links_.find(peer.node);
  const bool is_known = at != links_.end() && at->second.incarnation == peer.incarnation;
  if (is_known && at->second.is_gone) return reach::broken;
  const bool was_up = is_known && at->second.was_up;
  const auto met = known_.find(peer.node);
  const auto down = down_since_.find(peer.node);
  const auto since = !was_up ? (met == known_.end() ? now - patience_.connect_max : met->second.since)
                             : (down == down_since_.end() ? now : down->second);
  return now - since >= (was_up ? patience_.reconnect_max : patience_.connect_max) ? reach::broken : reach::waiting;
}

std::vector<node_index> cluster_picture::others(reach how, steady_time now) const {
  std::vector<node_index> all;
  for (const auto& each : facts_.members)
    if (each.who.node != self_.node && reach_of(each.who, now) == how) all.push_back(each.who.node);
  return all;
}

std::vector<node_index> cluster_picture::unreachable(steady_time now) const { return others(reach::broken, now); }
std::vector<node_index> cluster_picture::unmet(steady_time now) const { return others(reach::waiting, now); }

std::vector<node_index> cluster_picture::lasting(steady_time now) const {
  auto all = unreachable(now);
  std::erase_if(all, [&](auto node) {
    const auto since = down_since_.find(node);
    return since == down_since_.end() || now - since->second < patience_.lasting_min;
  });
  return all;
}

std::vector<node_start> cluster_picture::gone() const {
  std::vector<node_start> all;
  for (const auto& each : facts_.members) {
    const auto at = links_.find(each.who.node);
    if (at != links_.end() && at->second.incarnation == each.who.incarnation && at->second.is_gone)
      all.push_back({each.who.node, each.who.incarnation});
  }
  return all;
}

std::vector<entity_pin> cluster_picture::effective_pins(bool is_leaving) const {
  std::vector<entity_pin> all;
  if (pins_->empty()) return all;
  std::map<std::string_view, node_index> takers;
  for (const auto& each : facts_.members)
    if (!each.is_draining) takers.emplace(each.who.name, each.who.node);
  for (const auto& [node, each] : vanished_) takers.emplace(each.record.who.name, node);
  takers.erase(self_.name);
  if (!is_leaving) takers.emplace(self_.name, self_.node);
  for (const auto& name : facts_.wishes.draining) takers.erase(name);
  for (const auto& each : *pins_)
    if (const auto found = takers.find(each.node); found != takers.end()) all.push_back({each.key, found->second});
  return all;
}

bool cluster_picture::reaches_most() const {
  if (!own_record()) return false;
  const auto reached = std::ranges::count_if(facts_.members, [&](const auto& each) { return reaches(each.who); });
  return static_cast<std::size_t>(reached) * 2 + 1 >= facts_.members.size();
}

const node_record* cluster_picture::own_record() const {
  const auto found = std::ranges::find(facts_.members, self_.node, [](const auto& each) { return each.who.node; });
  return found == facts_.members.end() ? nullptr : &*found;
}

std::vector<node_identity> cluster_picture::starts() const {
  std::map<std::string_view, node_identity> last;  // a name may have had several numbers
  for (const auto& [node, known] : known_) {
    auto& found = last[known.who.name];
    if (known.who.name != self_.name && known.who.incarnation >= found.incarnation) found = known.who;
  }
  last.erase(self_.name);
  std::vector<node_identity> all;
  for (auto& [name, who] : last) {
    if (is_dead(who)) who.incarnation = dead_.at(who.name) + 1;
    all.push_back(std::move(who));
  }
  return all;
}

const node_identity* cluster_picture::last_known(node_index node) const {
  const auto found = known_.find(node);
  return found == known_.end() ? nullptr : &found->second.who;
}

}  // namespace throng
