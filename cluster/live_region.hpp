// SPDX-License-Identifier: Apache-2.0
// LIVE REGION: the REGION of a node, alone or among others. What is for a slot of this node goes to its SLOT, what is
// for another's goes over the link, and while a slot moves the SLOT GATES decide.
//
//   letter ─► routes_[slot] ─ this node ─► SLOT's mailbox          (no lock)
//                           ├ another  ─► its link                 (no lock of ours)
//                           └ 0        ─► slot_gates, under gates_mutex_
//
// A route is used between `users_[slot]`++ and --, so that closing one can wait until nobody is on it: what follows (a
// barrier, a drain) is then behind all that went that way. Thread-safe; callbacks come on any thread, without a lock.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

#include "cluster/entity_pin.hpp"
#include "cluster/guest_set.hpp"
#include "cluster/handoff/slot_gates.hpp"
#include "cluster/link/links.hpp"
#include "cluster/link/node_asks.hpp"
#include "cluster/link/parcel.hpp"
#include "cluster/node_services.hpp"
#include "cluster/passed_asks.hpp"
#include "cluster/region.hpp"
#include "cluster/slot_set.hpp"

namespace throng {

class live_region final : public region, public entity_door, public loan_door {
 public:
  /// `between` is null for a node that is alone.
  live_region(node_services& services, slot_set& slots, guest_set& guests, links* between, fence_raiser raise,
              std::function<void(const node_identity&, bool)> on_link_state,
              std::function<void(const node_identity&)> on_peer_gone);
  ~live_region() override;

  /// The table of a node that is alone: it owns every slot, and the fences are raised.
  void own_everything(const slot_table& table);
  /// What the topology says now; an older table is ignored. `members` has this node too.
  void apply(const slot_table& table, const std::vector<node_identity>& members);
  void tick(steady_time now);
  node_asks& peers() { return *peers_; }

  /// The entities that belong on a node of their own; replaces what was told before.
  void apply_pins(const std::vector<entity_pin>& pins);
  /// Slots of this node, by their epochs, that need another one.
  std::vector<fence> lost_loans() const;
  std::vector<fence> refused_fences() const;
  /// For who leaves, once nothing comes by any more: everybody hears where its asks went on to.
  void tell_passed_asks();

  struct state {
    std::uint64_t table_version = 0;
    std::size_t open_slots = 0, moving_slots = 0, held_items = 0, guests = 0;
  };
  state read_state() const;
  /// Where the slot's items go now; 0 while they are held.
  node_index route_of(slot_id slot) const { return {static_cast<std::uint16_t>(routes_[slot.value].load())}; }

  // -- region

  bool tell(entity_key to, message_ptr message) override { return tell_from({}, to, std::move(message)); }
  void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) override {
    ask_from({}, to, std::move(request), timeout, std::move(done));
  }
  void subscribe(entity_key stream, std::function<void(result<>)> done) override;
  void unsubscribe(entity_key stream) override;
  void on_publication(std::function<void(const publication_ptr&)> sink) override { services_.sink = std::move(sink); }
  void on_renewal(std::function<void(entity_key)> renewed) override { renewed_ = std::move(renewed); }
  void on_moved(std::function<void(const std::vector<slot_id>&)> moved) override { moved_ = std::move(moved); }
  steady_time now() const override { return services_.clock.now(); }
  wall_time wall() const override { return services_.clock.wall(); }

  // -- entity_door

  bool tell_from(entity_key from, entity_key to, message_ptr message) override;
  void ask_from(entity_key from, entity_key to, message_ptr request, duration timeout, answer_callback done) override;
  epoch_t epoch_of(slot_id slot) const override { return epochs_[slot.value].load(std::memory_order_relaxed); }
  steady_time taken_over(slot_id slot) const override {
    return taken_over_[slot.value].load(std::memory_order_relaxed);
  }
  void publish_to(node_index node, const publication_ptr& event) override;
  void epoch_refused(slot_id slot, epoch_t epoch) override;

  // -- loan_door

  bool lend(node_index to, epoch_t epoch, const entity_handover& what) override;
  bool recall(node_index from, epoch_t epoch, entity_key key) override;
  void check(node_index at, epoch_t epoch, entity_key key) override;
  std::optional<error> pass_on(node_index to, epoch_t epoch, const slot_mail& what) override;
  void renew_epoch(slot_id slot, epoch_t epoch) override;

 private:
  static constexpr std::chrono::milliseconds subscription_timeout{5'000};
  class letter_item;
  class subscription_item;
  class answer_desk;
  struct refused {
    std::unique_ptr<slot_item> item;
    error why;
  };
  /// What is done when the lock is given back.
  struct aftermath {
    std::vector<refused> items;
    std::vector<fence> fences;
  };

  static constexpr std::chrono::milliseconds guest_grace{5'000};

  /// What a guest leaves, and that it is gone, for who has lent it.
  struct unsent_return {
    node_index lender;
    std::uint64_t incarnation = 0;
    entity_key key;
    epoch_t epoch = 0;
    std::string parcel;
  };

  std::optional<error> send(entity_key to, letter_item& letter);
  std::optional<error> take_route(slot_id slot, slot_item& item, bool& was_taken);
  void pass(slot_id slot, std::unique_ptr<slot_item> item);
  std::optional<error> deliver(slot_id slot, slot_item& item);
  std::optional<error> post(node_index to, slot_item& item);
  letter_parcel parcel_of(const letter_item& letter) const;
  std::shared_ptr<const envelope> open(letter_item& letter, epoch_t epoch);
  std::shared_ptr<reply_handle> reply_to(node_index origin, std::uint64_t correlation);
  void refuse(slot_item& item, error why);
  node_start start_of(node_index node) const;
  void note_sent(node_index to, node_index origin, std::uint64_t correlation, steady_time deadline);
  std::unique_ptr<letter_item> letter_of(const envelope& message);
  void drained(slot_id slot, slot_remains remains);

  /// Runs `change(gates, steps)` under the lock, and carries the steps out.
  template <class Change>
  void with_gates(Change change, bool touches_all = false);
  void carry_out(slot_gates::steps todo, aftermath& after);
  void carry_out(slot_gates::deliver& step, aftermath& after);
  void carry_out(slot_gates::send& step, aftermath& after);
  void carry_out(slot_gates::refuse& step, aftermath& after);
  void carry_out(slot_gates::send_barrier& step, aftermath& after);
  void carry_out(slot_gates::pass_barrier& step, aftermath& after);
  void carry_out(slot_gates::drain& step, aftermath& after);
  void carry_out(slot_gates::ask_release& step, aftermath& after);
  void carry_out(slot_gates::tell_released& step, aftermath& after);
  void carry_out(slot_gates::hand_over& step, aftermath& after);
  void carry_out(slot_gates::take_over& step, aftermath& after);
  void carry_out(slot_gates::raise_fence& step, aftermath& after);
  void finish(aftermath after);
  void close_route(slot_id slot);
  void refresh_route(slot_id slot);
  void raise(std::vector<fence> fences);

  void on_parcel(node_index from, std::string_view bytes);
  void receive(node_index from, letter_parcel& letter, std::optional<error> undecoded);
  void receive(node_index from, answer_parcel& answer, std::optional<error> undecoded);
  void receive(node_index from, publication_ptr& event, std::optional<error> undecoded);
  void receive(node_index from, subscription_parcel& change, std::optional<error> undecoded);
  void receive(node_index from, barrier_parcel& barrier, std::optional<error> undecoded);
  void receive(node_index from, barrier_passed_parcel& passed, std::optional<error> undecoded);
  void receive(node_index from, release_parcel& release, std::optional<error> undecoded);
  void receive(node_index from, released_parcel& released, std::optional<error> undecoded);
  void receive(node_index from, handover_parcel& handed, std::optional<error> undecoded);
  void receive(node_index from, loan_parcel& loan, std::optional<error> undecoded);
  void receive(node_index from, passed_asks_parcel& passed, std::optional<error>);
  void receive(node_index from, node_ask_parcel& ask, std::optional<error>) { peers_->receive(from, ask); }
  void receive(node_index from, node_answer_parcel& part, std::optional<error>) { peers_->receive(from, part); }
  void on_lost(const node_identity& peer, const std::vector<std::string>& parcels);
  void change_subscription(entity_key stream, bool wanted, std::function<void(result<>)> done);
  void renew_subscriptions(const std::vector<slot_id>& slots);
  void renew_subscription(entity_key stream);
  void note_newcomers(const std::vector<node_identity>& members);
  void tell_lost(const std::vector<node_identity>& members);
  void repeat_lost_asks();
  void subscribe_until(entity_key stream, steady_time until, std::function<void(result<>)> done);
  void repeat_lost_subscriptions();
  void start_anew_with_those_met_again();

  // live_region_loans.cpp
  void tell_pins(slot_id slot);
  void forget_lost_loans(const std::vector<slot_id>& slots);
  void note_incarnations(const std::vector<node_identity>& members);
  void tend_guests(steady_time now);
  void receive_lent(node_index from, std::shared_ptr<const envelope> message, epoch_t epoch);
  void say_absent(const guest_set::loan& guest);
  bool send_back(const guest_set::loan& guest, const envelope& unread);
  void receive_lent(slot_subscription change, epoch_t epoch);
  void receive_returned(node_index from, std::shared_ptr<const envelope> message, epoch_t epoch);
  void end_guest(const guest_set::loan& guest);
  void give_back(const guest_set::loan& guest, entity_remains left);
  void send_returns();

  node_services& services_;
  slot_set& slots_;
  guest_set& guests_;
  links* const between_;
  const std::shared_ptr<answer_desk> answers_;
  const std::shared_ptr<node_asks> peers_;
  const fence_raiser raise_;
  std::function<void(entity_key)> renewed_;
  std::function<void(const std::vector<slot_id>&)> moved_;

  std::array<std::atomic<std::uint32_t>, slot_count> routes_{};
  std::array<std::atomic<std::uint32_t>, slot_count> users_{};
  /// Under which each slot was opened here last. Not the table's: what still runs here when the table gives the slot to
  /// another mustn't write under the other's epoch.
  std::array<std::atomic<epoch_t>, slot_count> epochs_{};
  std::array<std::atomic<steady_time>, slot_count> taken_over_{};  // by this node
  /// The incarnation that each node had last, by its number. 0, also of numbers past these: whichever it is.
  std::array<std::atomic<std::uint64_t>, 1'024> starts_{};
  std::atomic<std::uint64_t> table_version_{0};  // of the gates, for who doesn't have their lock

  mutable std::mutex gates_mutex_;
  slot_gates gates_;
  /// What a step leads to at once: a barrier of ours came out here, a SLOT was never used.
  std::vector<std::function<void(slot_gates&, slot_gates::steps&)>> own_events_;
  std::vector<fence> raise_again_;
  std::map<slot_id, epoch_t> refused_;  // by the store, while the table gives them to this node under these epochs
  steady_time raise_again_at_{};

  passed_asks passed_;  // of other nodes
  std::mutex lost_mutex_;
  std::vector<pending_asks::lost_ask> lost_asks_;  // to be sent again with the next table, or tick
  struct lost_subscription {
    entity_key stream;
    steady_time until;
    std::function<void(result<>)> done;
  };
  std::vector<lost_subscription> lost_subscriptions_;  // the same
  std::vector<node_index> met_again_;                  // who may have forgotten this node, or missed something of it

  std::vector<node_identity> members_;  // as of the last apply(), whose thread's it is

  // Loans. The first three are under the gates' lock.
  std::unordered_map<slot_id, std::map<entity_key, node_index>> pins_;  // to other nodes
  std::vector<slot_id> opened_;                                         // by the change that is being made
  std::map<std::pair<slot_id, epoch_t>, steady_time> superseded_;       // of guests: since when
  std::mutex returning_mutex_;  // before the next: what a guest leaves goes back at once, and nothing in between
  mutable std::mutex loans_mutex_;
  std::map<slot_id, epoch_t> lost_;  // slots that need another epoch than this
  std::vector<unsent_return> unsent_;
  std::map<node_index, std::uint64_t> incarnations_;  // that each number had last

  std::mutex streams_mutex_;
  std::unordered_map<entity_key, slot_id> streams_;  // that this node is subscribed to
  std::vector<entity_key> renew_again_;              // of those; each once for every try that failed
  steady_time renew_again_at_{};
};

}  // namespace throng
