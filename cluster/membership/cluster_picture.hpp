// SPDX-License-Identifier: Apache-2.0
// CLUSTER PICTURE: what a node knows of its cluster: the topology's records as it last saw them, and which of the
// others it reaches. Pure; one thread at a time.
//
// A record that vanishes means that its node is gone. But when the topology itself was away or has forgotten
// everything, records vanish while their nodes live: a member that this node still reaches, and that has slots, counts
// as one until it is back, or its slots are given to others, or the patience is over.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/coordinator/coordinator_core.hpp"
#include "cluster/entity_pin.hpp"
#include "cluster/membership/pin_records.hpp"
#include "storage/model/time.hpp"

namespace throng {

class cluster_picture {
 public:
  struct limits {
    std::chrono::milliseconds vanished_max{15'000};  // that a member without a record still counts
    std::chrono::milliseconds connect_max{3'000};    // that a link to a new member may take before it is reported
    std::chrono::milliseconds reconnect_max{200};    // that a link may be down before it is reported
    std::chrono::milliseconds lasting_min{1'500};    // that a link must be down to count as lasting
  };

  cluster_picture(node_identity self, limits patience) : self_(std::move(self)), patience_(patience) {}

  // -- news
  // ------------------------------------------------------------------------------------------------------------

  void set_records(const std::vector<topology_entry>& entries, steady_time now);
  void set_table(const std::vector<topology_entry>& entries);
  void set_leadership(const std::vector<topology_entry>& entries);
  void set_wishes(const std::vector<topology_entry>& entries);
  void set_loads(const std::vector<topology_entry>& entries);
  void set_pins(const std::vector<topology_entry>& entries);
  void set_link(const node_identity& peer, bool is_up);
  void set_gone(const node_identity& peer);
  /// What this node has just written itself, and needn't wait to be told.
  void has_put(slot_table table, topology_version version);
  void has_put(leadership lead) { facts_.lead = std::move(lead); }
  void has_erased(const node_record& dead);
  void pass_time(steady_time now);

  // -- the picture
  // -----------------------------------------------------------------------------------------------------

  /// With the vanished ones; `own` stands for this node's record if it has one.
  cluster_facts facts(const std::optional<node_record>& own) const;
  const std::optional<slot_table>& table() const { return facts_.table; }
  topology_version table_entry() const { return facts_.table_entry; }
  /// Has the topology lost the table that this node knows? It is gone, garbled or an older one, as far as one has
  /// heard.
  bool is_table_lost() const { return facts_.table && is_table_lost_; }
  const placement_wishes& wishes() const { return facts_.wishes; }
  bool are_wishes_lost() const { return facts_.wishes.version != 0 && are_wishes_lost_; }
  /// This node too, by number.
  std::vector<node_identity> members() const;
  /// Members whose link is down and didn't come up in time, or whose process has ended.
  std::vector<node_index> unreachable(steady_time now) const;
  /// As they were written. Never null.
  std::shared_ptr<const std::vector<pin_record>> pins() const { return pins_; }
  /// False: the topology has forgotten them, and this node hasn't.
  bool are_pins_kept() const { return are_pins_kept_ || pins_->empty(); }
  /// Those that count: to members that take something. `is_leaving`: this node itself doesn't.
  std::vector<entity_pin> effective_pins(bool is_leaving) const;
  /// Those of them whose link was down in each pass_time() for lasting_min.
  std::vector<node_index> lasting(steady_time now) const;
  /// Members whose link is down, and still has time to come up.
  std::vector<node_index> unmet(steady_time now) const;
  /// Members whose processes have ended, as their hosts say.
  std::vector<node_start> gone() const;
  /// At least half of the other members, and knows them.
  bool reaches_most() const;
  /// As the topology has it.
  const node_record* own_record() const;
  /// Who had this number last, member or not.
  const node_identity* last_known(node_index node) const;
  /// The last starts of all others that this node has known; of those that it has declared dead, what comes after.
  std::vector<node_identity> starts() const;
  /// Who has a record although this node has declared it dead: it is there again, or news are late.
  const std::vector<node_identity>& ghosts() const { return ghosts_; }

 private:
  struct link {
    std::uint64_t incarnation = 0;
    bool is_up = false;
    bool was_up = false;
    bool is_gone = false;
  };
  struct vanished {
    node_record record;
    steady_time since;
  };
  struct acquaintance {
    node_identity who;
    steady_time since;
  };
  enum class reach : std::uint8_t { up, waiting, broken };
  reach reach_of(const node_identity& peer, steady_time now) const;
  std::vector<node_index> others(reach how, steady_time now) const;
  bool reaches(const node_identity& peer) const;
  bool is_dead(const node_identity& who) const;
  bool may_vanish(const node_record& record) const;
  void complain(const error& why);

  const node_identity self_;
  const limits patience_;
  cluster_facts facts_;  // as told, without the vanished
  std::map<node_index, vanished> vanished_;
  std::map<node_index, link> links_;
  std::map<node_index, steady_time> down_since_;
  std::map<node_index, acquaintance> known_;
  std::map<std::string, std::uint64_t> dead_;  // by name: incarnations up to this
  std::vector<node_identity> ghosts_;
  bool is_table_lost_ = false;
  bool are_wishes_lost_ = false;
  std::shared_ptr<const std::vector<pin_record>> pins_ = std::make_shared<std::vector<pin_record>>();
  bool are_pins_kept_ = false;
  std::string complaint_;
};

}  // namespace throng
