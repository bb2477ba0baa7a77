// SPDX-License-Identifier: Apache-2.0
#include "cluster/slot_actor.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <google/protobuf/message.h>

#include "cluster/entity_actor.hpp"
#include "cluster/handoff/slot_loans.hpp"
#include "cluster/harden.hpp"
#include "cluster/subscriber_table.hpp"
#include "cluster/surely.hpp"
#include "cluster/wake_queue.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t reason_bytes_max = 1'000;  // of what goes along when an entity moves

/// An incarnation was told to end, or has ended with commits in flight. Its successor, which loads what those commits
/// leave in the store, starts when they have been answered; until then its messages wait here. If the entity is taken
/// out instead, or the slot drained, there is no successor here, and they go with what is left of it.
struct succession {
  std::vector<std::shared_ptr<const envelope>> held;        // as bounded as a mailbox
  std::vector<std::function<void(result<>)>> when_settled;  // the shell's, who asked for it
  bool is_wanted = false;                                   // the successor, even if nothing is held
  std::function<void(result<entity_remains>)> taken;        // by whom it is taken out; empty: it isn't
  std::shared_ptr<entity_remains> left;                     // by the incarnation; null: nothing
  bool was_told = false;                                    // to end; one that is taken out ends when it is idle
  bool is_forced = false;                                   // its end is none of its own doing…
  std::string killed_because;                               // …and counts as a crash if this says why
};

/// What is remembered of an entity that has crashed.
struct trouble {
  restart_policy crashes;
  std::string reason;  // of the last one
  bool is_quarantined = false;
  steady_time quarantined_until{};
};

/// One entity of the slot. `actor` is null while none runs: after a crash (until the next message) or in quarantine.
struct member {
  caf::actor actor;
  entity_cell_ptr cell;
  steady_time started{};
  steady_time last_message{};
  std::unique_ptr<succession> next;
  std::unique_ptr<trouble> past;  // most have none

  bool is_busy() const { return cell->mailbox.load() > 0 || cell->waiting.load() > 0; }
  bool is_taken() const { return next && next->taken; }
  bool is_quarantined() const { return past && past->is_quarantined; }
  bool is_in_quarantine(steady_time now) const { return is_quarantined() && now < past->quarantined_until; }
  std::uint64_t crash_count() const { return past ? past->crashes.total() : 0; }
  /// REQUIRES: is_quarantined().
  error quarantine_error(entity_key key) const {
    return {errc::quarantined, to_text(key) + " is in quarantine: " + past->reason};
  }
};

class slot_actor final : public caf::event_based_actor {
 public:
  slot_actor(caf::actor_config& config, node_services& services, slot_shell& shell)
      : caf::event_based_actor(config), services_(services), shell_(shell) {
    harden(this);
  }

  const char* name() const override { return "slot"; }
  void on_exit() override { shell_.has_ended.store(true); }

  caf::behavior make_behavior() override {
    return {[this](slot_input& input) {
      try {
        std::visit([this](auto& each) { handle(each); }, input.what);
      } catch (const std::exception& failure) {
        start_again(failure.what());
      } catch (...) {
        start_again("something was thrown that is not an exception");
      }
    }};
  }

 private:
  // -- messages
  // ------------------------------------------------------------------------------------------------------------

  void handle(std::shared_ptr<const envelope>& message) {
    shell_.mailbox.fetch_sub(1);
    receive(message);
    if (when_drained_) leave_if_quiet();
  }

  void receive(std::shared_ptr<const envelope>& message) {
    services_.loads.count(shell_.slot);
    if (services_.trace.is_on())
      services_.trace.record(*message, shell_.mailbox.load(), services_.clock.now(), services_.clock.wall());
    if (is_shutting_down_) return refuse(*message, {errc::stopping, {}});
    if (is_guest() && !hosted_.contains(message->to))
      return refuse(*message, {errc::unavailable, to_text(message->to) + " has moved"});
    if (loans_ && is_taken_by_loan(message->to, message)) return;
    admit(message);
  }

  void admit(std::shared_ptr<const envelope>& message) {
    const auto now = services_.clock.now();
    auto& entity = members_[message->to];
    if (entity.is_in_quarantine(now)) return refuse(*message, entity.quarantine_error(message->to));
    if (entity.past) entity.past->is_quarantined = false;
    if (!entity.actor && !entity.next) activate(message->to, entity);
    const auto waiting = entity.next ? entity.next->held.size() : entity.cell->mailbox.load();
    if (waiting >= services_.options.hot_mailbox)
      services_.loads[shell_.slot].is_crowded.store(true, std::memory_order_relaxed);
    if (waiting >= services_.options.entity_mailbox_max) {
      services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
      return refuse(*message, {errc::overloaded, "the mailbox of " + to_text(message->to) + " is full"});
    }
    entity.last_message = now;
    if (entity.next)
      entity.next->held.push_back(std::move(message));
    else
      hand_over(entity, std::move(message));
  }

  void handle(publication_ptr& event) {
    const auto subscribers = subscribers_.subscribers(event->stream);
    if (event->path.mark != 0)
      services_.passages.add({event->stream, event->epoch, event->seq, event->path, services_.clock.wall(),
                              static_cast<std::uint32_t>(subscribers.size())});
    for (const auto& each : subscribers) {
      services_.counters.publications.fetch_add(1, std::memory_order_relaxed);
      services_.loads.count(shell_.slot);
      if (each.node != services_.self)
        services_.door->publish_to(each.node, event);
      else if (services_.sink)
        services_.sink(event);
    }
  }

  void handle(slot_subscription& change) {
    if (is_guest() && !hosted_.contains(change.stream))
      return refuse(change, {errc::unavailable, to_text(change.stream) + " has moved"});
    if (loans_ && is_taken_by_loan(change.stream, change)) return;
    note(change);
    if (change.reply) change.reply->answer(message_ptr{});
  }

  void note(const slot_subscription& change) {
    if (change.wanted)
      subscribers_.add(change.stream, change.node);
    else
      subscribers_.remove(change.stream, change.node);
  }

  void handle(slot_wake& wish) {
    auto found = members_.find(wish.key);
    if (found == members_.end() || !found->second.actor) return;
    if (found->second.next && !found->second.is_taken() && !when_drained_) return;
    wakes_.set(wish.key, wish.when);
    expect_tick(wish.when);
  }

  void handle(slot_entity_ended& report) {
    auto found = members_.find(report.cell->key);
    if (found == members_.end() || found->second.cell != report.cell) return;  // an older incarnation
    auto& entity = found->second;
    const bool has_commits = entity.cell->commits.load() > 0;
    if ((has_commits || report.left || when_drained_) && !entity.next) entity.next = std::make_unique<succession>();
    if (entity.is_taken() || when_drained_) entity.next->left = what_is_left(report);
    release(found->first, entity);
    switch (report.cause) {
      case slot_entity_ended::cause_t::stopped:
        break;
      case slot_entity_ended::cause_t::load_failed:
        log::warn("{} could not be loaded: {}", to_text(found->first), report.reason);
        break;
      case slot_entity_ended::cause_t::commit_failed:
        log::warn("{} starts again after a commit that failed: {}", to_text(found->first), report.reason);
        break;
      case slot_entity_ended::cause_t::crashed:
        if (entity.next && entity.next->is_forced) report.reason = std::exchange(entity.next->killed_because, {});
        if (!report.reason.empty()) crashed(found->first, entity, std::move(report.reason));
        break;
    }
    settle(found);
  }

  void handle(slot_entity_settled& report) {
    auto found = members_.find(report.cell->key);
    if (found != members_.end() && found->second.cell == report.cell && !found->second.actor) settle(found);
  }

  void handle(slot_tick& tick) {
    if (loans_) watch_loans(tick.now);
    if (when_drained_) return;  // timers go along
    for (auto key : wakes_.due(tick.now)) {
      auto found = members_.find(key);
      if (found == members_.end() || !found->second.actor) continue;
      if (found->second.is_taken()) {
        wakes_.set(key, tick.now);
        continue;
      }
      found->second.cell->mailbox.fetch_add(1);
      caf::anon_send(found->second.actor, entity_input{entity_wake{}});
    }
    const auto idle = services_.idle_max();
    const auto pause = std::max(idle / 4, milliseconds(100));
    if (tick.now - last_passivation_ >= pause) {
      passivate_idle(tick.now, idle);
      last_passivation_ = tick.now;
    }
    auto next = members_.empty() ? steady_time::max() : last_passivation_ + pause;
    if (!wakes_.empty()) next = std::min(next, wakes_.next());
    if (loans_) next = std::min(next, loans_->next_tick());
    shell_.next_tick.store(next, std::memory_order_relaxed);
    shell_.has_entities.store(!members_.empty(), std::memory_order_relaxed);
  }

  // -- what goes elsewhere
  // -----------------------------------------------------------------------------------------------------------

  /// Nothing new comes to this mailbox but from its own entities: the region has closed the route before. What is under
  /// way is finished, and when nothing is, in the whole slot, all entities end and leave what goes with them. Until
  /// then they stay, because one may still ask another.
  void handle(slot_drain& command) {
    when_drained_ = std::move(command.done);
    for (auto& [key, entity] : members_) {
      if (!entity.actor) continue;
      entity.cell->is_leaving.store(entity_cell::leaving::with_slot);
      entity.cell->reports_idle.store(true);
    }
    busy_.clear();
    leave_if_quiet();
  }

  void handle(slot_take_out& command) {
    auto found = members_.find(command.key);
    if (when_drained_) return command.done(error{errc::conflict, "the slot goes elsewhere"});
    if (found == members_.end() || (!found->second.actor && !found->second.next)) {
      if (found != members_.end() && found->second.is_in_quarantine(services_.clock.now()))
        return command.done(found->second.quarantine_error(command.key));
      entity_remains nothing;
      nothing.handover.key = command.key;
      nothing.handover.trouble = forget(command.key);
      return command.done(std::move(nothing));
    }
    auto& entity = found->second;
    if (entity.is_taken()) return command.done(error{errc::conflict, to_text(command.key) + " is taken already"});
    const bool ends_anyway = entity.next != nullptr;
    if (!ends_anyway) entity.next = std::make_unique<succession>();
    entity.next->taken = std::move(command.done);
    entity.next->was_told = ends_anyway;
    if (ends_anyway) return;
    entity.cell->is_leaving.store(entity_cell::leaving::alone);
    entity.cell->reports_idle.store(true);
    leave_if_idle(entity);
  }

  void handle(slot_bring_in& command) {
    for (auto& each : command.entities) {
      for (auto node : each.subscribers) subscribers_.add(each.key, node);
      if (!each.is_active() && !each.trouble) continue;
      const auto found = members_.find(each.key);
      const bool is_here = found != members_.end() && (found->second.actor || found->second.next);
      if (is_here || is_shutting_down_ || (loans_ && loans_->is_away(each.key))) {
        services_.counters.handovers_dropped.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      if (each.trouble) remember(each.key, *each.trouble);
      if (!each.is_active()) continue;
      if (members_[each.key].is_in_quarantine(services_.clock.now())) {
        services_.counters.handovers_dropped.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      activate(each.key, members_[each.key], std::move(each.state), each.stays_active);
      if (!each.wakes_in) continue;
      const auto when = services_.clock.now() + *each.wakes_in;
      wakes_.set(each.key, when);
      expect_tick(when);
    }
  }

  void handle(slot_entity_idle& report) {
    if (when_drained_) return quiet(report.cell->key);
    auto found = members_.find(report.cell->key);
    if (found != members_.end() && found->second.cell == report.cell) leave_if_idle(found->second);
  }

  void leave_if_idle(member& entity) {
    if (!entity.actor || !entity.is_taken() || entity.next->was_told || entity.is_busy()) return;
    entity.next->was_told = true;
    caf::anon_send(entity.actor, entity_input{entity_quit{.is_reported = true, .hands_over = true}});
  }

  /// What is under way there keeps a drained slot from leaving.
  bool is_under_way(member& entity) {
    if (entity.actor && entity.is_taken()) leave_if_idle(entity);
    return entity.next || (entity.actor && entity.is_busy());
  }
  /// REQUIRES: the slot is drained. It may be that nothing is under way there any more.
  void quiet(entity_key key) {
    const auto found = members_.find(key);
    if (found == members_.end() || !is_under_way(found->second)) busy_.erase(key);
    leave_if_quiet();
  }
  /// REQUIRES: the slot is drained. Looks at all entities only when none is known to be busy.
  void leave_if_quiet() {
    if (is_leaving_ || !busy_.empty() || shell_.mailbox.load() > 0) return;
    for (auto& [key, entity] : members_)
      if (is_under_way(entity)) busy_.insert(key);
    // Last: who has sent something through this mailbox was busy when it did.
    if (!busy_.empty() || shell_.mailbox.load() > 0) return;
    is_leaving_ = true;
    if (loans_) change_loans([this](auto& todo) { loans_->drain(todo, services_.clock.now()); });
    leaving_.clear();
    for (auto& [key, entity] : members_) {
      if (!entity.actor) continue;
      leaving_.push_back(key);
      entity.next = std::make_unique<succession>();
      caf::anon_send(entity.actor, entity_input{entity_quit{.is_reported = true, .hands_over = true}});
    }
    finish_draining();
  }

  void finish_draining() {
    if (!is_leaving_) return;
    for (; !leaving_.empty(); leaving_.pop_back()) {  // nobody comes back
      const auto last = members_.find(leaving_.back());
      if (last != members_.end() && (last->second.actor || last->second.next)) return;
    }
    if (loans_ && !give_up_loans()) return;
    pass_on_notes();
    members_.clear();
    wakes_ = {};
    is_leaving_ = false;
    shell_.next_tick.store(steady_time::max(), std::memory_order_relaxed);
    shell_.has_entities.store(false, std::memory_order_relaxed);
    std::exchange(when_drained_, nullptr)(std::exchange(remains_, {}));
  }

  /// What the SLOT itself knows of its entities, beside what they have left.
  void pass_on_notes() {
    std::unordered_map<entity_key, std::size_t> places;
    for (std::size_t i = 0; i < remains_.entities.size(); ++i) places[remains_.entities[i].key] = i;
    const auto of = [&](entity_key key) -> entity_handover& {
      const auto [place, is_new] = places.try_emplace(key, remains_.entities.size());
      if (is_new) remains_.entities.emplace_back().key = key;
      return remains_.entities[place->second];
    };
    for (const auto& each : subscribers_.all()) of(each.stream).subscribers.push_back(each.node);
    subscribers_ = {};
    for (const auto& [key, entity] : members_)
      if (auto trouble = trouble_of(entity)) of(key).trouble = std::move(trouble);
  }

  std::optional<entity_trouble> trouble_of(const member& entity) const {
    const auto now = services_.clock.now();
    if (!entity.past || (!entity.is_in_quarantine(now) && entity.crash_count() == 0)) return std::nullopt;
    const auto& past = *entity.past;
    entity_trouble told{std::nullopt, past.reason.substr(0, reason_bytes_max), past.crashes.total(), {}};
    if (entity.is_in_quarantine(now))
      told.quarantine_left = std::chrono::ceil<milliseconds>(past.quarantined_until - now);
    for (auto when : past.crashes.times()) told.crashed_ago.push_back(std::chrono::floor<milliseconds>(now - when));
    return told;
  }
  void remember(entity_key key, const entity_trouble& told) {
    const auto now = services_.clock.now();
    auto& entity = members_[key];
    if (!entity.cell) entity.cell = std::make_shared<entity_cell>(key);
    entity.past = std::make_unique<trouble>();
    auto& past = *entity.past;
    past.reason = told.reason;
    std::vector<steady_time> times;
    for (auto ago : told.crashed_ago) times.push_back(now - ago);
    past.crashes = restart_policy(told.crashes, std::move(times), services_.options.restarts);
    past.is_quarantined = told.quarantine_left.has_value();
    past.quarantined_until = now + told.quarantine_left.value_or(milliseconds(0));
    shell_.has_entities.store(true, std::memory_order_relaxed);
    expect_tick(past.is_quarantined ? past.quarantined_until : now);
  }
  /// REQUIRES: it doesn't run. What is remembered of it goes along.
  std::optional<entity_trouble> forget(entity_key key) {
    const auto found = members_.find(key);
    if (found == members_.end()) return std::nullopt;
    auto told = trouble_of(found->second);
    members_.erase(found);
    return told;
  }

  /// REQUIRES: its timer is still set.
  std::shared_ptr<entity_remains> what_is_left(slot_entity_ended& report) const {
    auto left = report.left ? std::move(report.left) : std::make_shared<entity_remains>();
    left->handover.key = report.cell->key;
    if (report.cause != slot_entity_ended::cause_t::stopped) return left;
    left->handover.stays_active = report.cell->stays_active.load();
    if (const auto when = wakes_.find(report.cell->key))
      left->handover.wakes_in = std::chrono::ceil<milliseconds>(std::max(*when - services_.clock.now(), duration{}));
    return left;
  }

  /// What is left goes to whoever takes it.
  void pass_on(entity_key key, succession& ended) {
    auto left = ended.left ? std::move(*ended.left) : entity_remains{};
    left.handover.key = key;
    for (auto& each : ended.held) left.unread.push_back(std::move(each));
    if (!when_drained_) {
      left.handover.trouble = forget(key);
      return ended.taken(std::move(left));
    }
    if (ended.taken) ended.taken(error{errc::conflict, "the slot goes elsewhere"});
    for (auto& each : left.unread) remains_.unread.push_back(std::move(each));
    if (!left.handover.is_empty()) remains_.entities.push_back(std::move(left.handover));
  }

  void handle(slot_node_lost& gone) {
    subscribers_.remove_node(gone.node);
    for (auto& [key, entity] : members_) {
      if (!entity.actor || !entity.cell->hears_of_lost_nodes.load()) continue;
      entity.cell->mailbox.fetch_add(1);
      caf::anon_send(entity.actor, entity_input{entity_node_lost{gone.node, gone.incarnation}});
    }
    if (!loans_) return;
    loans_->node_gone(gone.node);
    watch_loans(services_.clock.now());
  }

  // -- entities that belong elsewhere
  // ------------------------------------------------------------------------------------------------

  bool is_guest() const { return shell_.guest_of.value != 0; }
  epoch_t epoch() const { return is_guest() ? shell_.guest_epoch : services_.door->epoch_of(shell_.slot); }

  void handle(slot_pins& told) {
    if (told.pins.empty() && !loans_) return;
    if (!loans_)
      loans_ = std::make_unique<slot_loans>(slot_loans::limits{.held_max = services_.options.entity_mailbox_max});
    change_loans([&](auto& todo) { loans_->set_pins(std::move(told.pins), todo); });
  }
  void handle(slot_mail_returned& news) {
    if (!loans_ || news.epoch != epoch())
      return refuse(*news.message, {errc::unavailable, to_text(news.message->to) + " has moved"});
    const auto key = news.message->to;
    change_loans([&](auto& todo) { loans_->mail_returned(key, news.by, std::move(news.message), todo); });
  }
  void handle(slot_loan_returned& news) {
    if (!loans_ || news.epoch != epoch()) return;
    const auto key = news.entity.key;
    if (news.is_absent) {
      loans_->node_gone(news.by, key);
      return watch_loans(services_.clock.now());
    }
    services_.counters.loans_returned.fetch_add(1, std::memory_order_relaxed);
    log::info("{} is back from node {}", to_text(key), news.by.value);
    change_loans(
        [&](auto& todo) { loans_->returned(key, news.by, std::move(news.entity), todo, services_.clock.now()); });
    if (when_drained_) leave_if_quiet();
    finish_draining();
  }

  template <class Mail>
  bool is_taken_by_loan(entity_key key, Mail& what) {
    slot_mail mail = what;
    bool is_taken = false;
    change_loans([&](auto& todo) { is_taken = loans_->take(key, mail, todo); });
    return is_taken;
  }

  void watch_loans(steady_time now) {
    change_loans([&](auto& todo) { loans_->tick(now, todo); });
    if (!when_drained_ && loans_->needs_epoch()) services_.loans->renew_epoch(shell_.slot, epoch());
    finish_draining();
  }

  template <class Change>
  void change_loans(Change change) {
    slot_loans::steps todo;
    change(todo);
    carry_out(std::move(todo));
    expect_tick(loans_->next_tick());
    const auto away = static_cast<std::int64_t>(loans_->away_count());
    services_.counters.lent.fetch_add(away - std::exchange(away_, away), std::memory_order_relaxed);
  }

  void carry_out(slot_loans::steps todo) {
    while (!todo.empty()) {
      slot_loans::steps more;
      for (auto& each : todo) std::visit([&](auto& step) { carry_out(step, more); }, each);
      todo = std::move(more);
    }
  }
  void carry_out(slot_loans::take_out& step, slot_loans::steps&) {
    slot_take_out command{step.key, [this, key = step.key](result<entity_remains> left) {
                            change_loans([&](auto& todo) {
                              if (left)
                                loans_->taken_out(key, std::move(*left), todo);
                              else
                                loans_->not_lent(key, {}, todo, services_.clock.now());
                            });
                          }};
    handle(command);
  }
  void carry_out(slot_loans::lend& step, slot_loans::steps& more) {
    step.state.key = step.key;
    step.state.subscribers.clear();
    for (const auto& each : subscribers_.subscribers(step.key)) step.state.subscribers.push_back(each.node);
    if (!services_.loans->lend(step.to, epoch(), step.state))
      return loans_->not_lent(step.key, std::move(step.state), more, services_.clock.now());
    services_.counters.loans.fetch_add(1, std::memory_order_relaxed);
    log::info("{} is lent to node {}", to_text(step.key), step.to.value);
    loans_->lent(step.key, more, services_.clock.now());
  }
  void carry_out(slot_loans::pass& step, slot_loans::steps&) {
    if (auto why = services_.loans->pass_on(step.to, epoch(), step.what)) return refuse(step.what, std::move(*why));
    // For the time when it is here again.
    if (const auto* change = std::get_if<slot_subscription>(&step.what)) note(*change);
  }
  void carry_out(slot_loans::recall& step, slot_loans::steps&) {
    if (services_.loans->recall(step.from, epoch(), step.key)) loans_->recall_sent(step.key, services_.clock.now());
  }
  void carry_out(slot_loans::check& step, slot_loans::steps&) { services_.loans->check(step.at, epoch(), step.key); }
  void carry_out(slot_loans::keep& step, slot_loans::steps&) {
    step.state.key = step.key;
    step.state.subscribers.clear();  // they are noted here
    if (is_leaving_) {
      for (auto& each : step.mail) leave(each);
      if (!step.state.is_empty()) remains_.entities.push_back(std::move(step.state));
      return;
    }
    if (!step.state.is_empty()) {
      slot_bring_in home{{std::move(step.state)}};
      handle(home);
    }
    for (auto& each : step.mail) {
      if (auto* change = std::get_if<slot_subscription>(&each)) {
        note(*change);
        if (change->reply) change->reply->answer(message_ptr{});
      } else {
        admit(std::get<std::shared_ptr<const envelope>>(each));
      }
    }
  }
  void carry_out(slot_loans::refuse& step, slot_loans::steps&) {
    services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
    refuse(step.what, std::move(step.why));
  }

  /// For the next owner of the slot, where everybody subscribes anew.
  void leave(slot_mail& what) {
    if (auto* message = std::get_if<std::shared_ptr<const envelope>>(&what))
      remains_.unread.push_back(std::move(*message));
    else
      refuse(what, {errc::unavailable, "the slot has moved"});
  }

  /// False: somebody may still come home.
  bool give_up_loans() {
    if (!loans_->is_home()) return false;
    if (loans_->needs_epoch()) services_.counters.loans_lost.fetch_add(1, std::memory_order_relaxed);
    change_loans([this](auto&) {
      for (auto& each : loans_->give_up()) leave(each);
    });
    return true;
  }

  // -- guests
  // ---------------------------------------------------------------------------------------------------------------

  void handle(slot_guest_begin& guest) {
    hosted_.insert(guest.entity.key);
    slot_bring_in here{{std::move(guest.entity)}};
    handle(here);
  }

  void handle(slot_guest_end& command) {
    if (!hosted_.contains(command.key)) return;
    slot_take_out out{command.key,
                      [this, key = command.key, done = std::move(command.done)](result<entity_remains> left) {
                        if (!left && left.code() == errc::conflict) return;  // it ends already
                        entity_remains nothing;                              // of one in quarantine
                        nothing.handover.key = key;
                        if (!left) nothing.handover.trouble = forget(key);
                        forget_guest(key);
                        done(left ? std::move(*left) : std::move(nothing));
                      }};
    handle(out);
  }

  /// REQUIRES: it doesn't run.
  void forget_guest(entity_key key) {
    hosted_.erase(key);
    const auto wanted = subscribers_.subscribers(key);
    for (const auto& each : std::vector(wanted.begin(), wanted.end())) subscribers_.remove(key, each.node);
    members_.erase(key);
  }

  void handle(slot_shutdown&) {
    is_shutting_down_ = true;
    for (auto& [key, entity] : members_)
      if (entity.actor) caf::anon_send(entity.actor, entity_input{entity_quit{}});
    members_.clear();
    quit();
  }

  // -- the shell's
  // ---------------------------------------------------------------------------------------------------------

  void handle(slot_list& query) {
    std::vector<entity_view> views;
    const auto now = services_.clock.now();
    for (const auto& [key, entity] : members_) {
      if (query.filter.order == inspection::filter::order_t::any && views.size() >= query.filter.count_max) break;
      if (query.filter.kind && *query.filter.kind != key.kind) continue;
      if (query.filter.key && *query.filter.key != key) continue;
      if (query.filter.only_troubled && entity.crash_count() == 0 && !entity.is_in_quarantine(now)) continue;
      if (!entity.actor && !entity.is_in_quarantine(now) && !query.filter.only_troubled) continue;
      views.push_back(view_of(key, entity, now));
    }
    if (loans_ && !query.filter.only_troubled)
      for (const auto& loan : loans_->views()) {
        if (views.size() >= query.filter.count_max) break;
        if (query.filter.kind && *query.filter.kind != loan.key.kind) continue;
        if (query.filter.key && *query.filter.key != loan.key) continue;
        std::erase_if(views, [&](const auto& each) { return each.key == loan.key; });
        entity_view view;
        view.key = loan.key;
        view.state = entity_view::state_t::lent;
        view.mailbox = static_cast<std::uint32_t>(loan.held);
        view.lent_to = loan.node;
        views.push_back(std::move(view));
      }
    query.done(std::move(views));
  }

  void handle(slot_describe& query) {
    slot_view view;
    view.slot = shell_.slot;
    view.owner = is_guest() ? shell_.guest_of : services_.self;
    view.epoch = epoch();
    view.entities = static_cast<std::uint32_t>(
        std::count_if(members_.begin(), members_.end(), [](const auto& each) { return bool(each.second.actor); }));
    view.mailbox = shell_.mailbox.load();
    view.streams = static_cast<std::uint32_t>(subscribers_.stream_count());
    query.done(view);
  }

  void handle(slot_look& query) {
    auto found = members_.find(query.key);
    if (found == members_.end() || !found->second.actor) return query.done(errc::not_found);
    caf::anon_send(found->second.actor,
                   entity_input{entity_look{surely<result<message_ptr>>(std::move(query.done), errc::unavailable)}});
  }

  void handle(slot_end& command) {
    auto found = members_.find(command.key);
    if (found == members_.end()) return command.done(errc::not_found);
    auto& entity = found->second;
    const bool lifts = command.restart && entity.is_in_quarantine(services_.clock.now());
    if (!entity.actor && !entity.next && !lifts) return command.done(errc::not_found);
    if (command.restart && entity.past) {
      entity.past->is_quarantined = false;
      entity.past->crashes.forgive();
    }
    if (!entity.next) {
      entity.next = std::make_unique<succession>();
      if (entity.actor) caf::anon_send(entity.actor, entity_input{entity_quit{true}});  // behind the messages it has
    }
    entity.next->is_wanted |= command.restart;
    entity.next->when_settled.push_back(std::move(command.done));
    if (!entity.actor) settle(found);
  }

  void handle(slot_kill& command) {
    auto found = members_.find(command.key);
    if (found == members_.end() || !found->second.actor) return command.done(errc::not_found);
    end_now(found->second, std::move(command.why));
    found->second.next->when_settled.push_back(std::move(command.done));
  }

  void handle(slot_quarantine& command) {
    auto& entity = members_[command.key];
    if (!entity.past) entity.past = std::make_unique<trouble>();
    if (!entity.cell) entity.cell = std::make_shared<entity_cell>(command.key);
    entity.past->reason = std::move(command.why);
    entity.past->is_quarantined = true;
    entity.past->quarantined_until = services_.clock.now() + command.time;
    services_.counters.quarantined.fetch_add(1, std::memory_order_relaxed);
    log::warn("{} is in quarantine for {} s: {}", to_text(command.key), command.time.count() / 1000,
              entity.past->reason);
    if (entity.actor) end_now(entity, {});
    expect_tick(entity.past->quarantined_until);
    command.done(throng::done);
  }

  void handle(slot_release& command) {
    auto found = members_.find(command.key);
    if (found == members_.end() || !found->second.is_in_quarantine(services_.clock.now()))
      return command.done(errc::not_found);
    found->second.past->is_quarantined = false;
    found->second.past->crashes.forgive();
    command.done(throng::done);
  }

  // -- life and death of entities
  // --------------------------------------------------------------------------------------------

  void activate(entity_key key, member& entity, std::string handed = {}, bool stays_active = false) {
    entity.cell = std::make_shared<entity_cell>(key);
    entity.cell->stays_active.store(stays_active);
    if (when_drained_) {  // one that stays asks for it
      entity.cell->is_leaving.store(entity_cell::leaving::with_slot);
      entity.cell->reports_idle.store(true);
    }
    entity.started = entity.last_message = services_.clock.now();
    entity.actor =
        spawn_entity(system(), services_, caf::actor_cast<caf::actor>(this), epoch(), entity.cell, std::move(handed));
    services_.counters.activations.fetch_add(1, std::memory_order_relaxed);
    shell_.has_entities.store(true, std::memory_order_relaxed);
    expect_tick(std::max(last_passivation_ + services_.options.passivate_after / 4, entity.started));
  }

  void hand_over(member& entity, std::shared_ptr<const envelope> message) {
    entity.cell->mailbox.fetch_add(1);
    caf::anon_send(entity.actor, entity_input{std::move(message)});
  }

  /// REQUIRES: its actor has ended. Goes on with the successor, once nothing of the predecessor is under way.
  void settle(std::unordered_map<entity_key, member>::iterator found) {
    auto& [key, entity] = *found;
    if (entity.cell->commits.load() > 0) return;  // slot_entity_settled comes
    auto next = std::move(entity.next);
    const bool goes_elsewhere = when_drained_ || (next && next->taken);
    if (next && !goes_elsewhere) {
      if (entity.is_quarantined()) {
        for (auto& each : next->held) refuse(*each, entity.quarantine_error(key));
      } else if (next->is_wanted || !next->held.empty()) {
        activate(key, entity);
        for (auto& each : next->held) hand_over(entity, std::move(each));
      }
    }
    const auto gone = key;
    if (!entity.actor && !entity.is_quarantined() && entity.crash_count() == 0) members_.erase(found);
    if (next && goes_elsewhere) pass_on(gone, *next);
    if (next)
      for (auto& each : next->when_settled) each(throng::done);
    if (!when_drained_) return;
    quiet(gone);
    finish_draining();
  }

  /// Without another message; what waits in its mailbox is refused.
  static void end_now(member& entity, std::string killed_because) {
    if (!entity.next) entity.next = std::make_unique<succession>();
    entity.next->is_forced = true;
    entity.next->killed_because = std::move(killed_because);
    if (entity.actor) caf::anon_send_exit(entity.actor, caf::exit_reason::kill);
  }

  /// This SLOT has crashed. What it remembers of who is alive is kept, or two incarnations might run side by side; but
  /// all its entities start again, as after a supervisor's crash. Past the budget it is the node's turn.
  void start_again(const std::string& reason) {
    if (is_shutting_down_) return;
    std::erase_if(members_,
                  [](const auto& each) { return !each.second.actor && !each.second.next && !each.second.past; });
    std::size_t ended = 0;
    for (auto& [key, entity] : members_) {
      if (!entity.actor) continue;
      end_now(entity, {});
      ++ended;
    }
    log::error("slot {} crashed, and its {} entities start again: {}", shell_.slot.value, ended, reason);
    const auto& limits = services_.options.restarts;
    if (crashes_.crashed(services_.clock.now(), limits) == restart_policy::verdict::restart || !services_.give_up)
      return;
    services_.give_up("slot " + std::to_string(shell_.slot.value) + " crashed " + std::to_string(crashes_.total()) +
                      " times: " + reason);
  }

  void expect_tick(steady_time when) {
    if (when < shell_.next_tick.load(std::memory_order_relaxed))
      shell_.next_tick.store(when, std::memory_order_relaxed);
  }

  void release(entity_key key, member& entity) {
    entity.actor = nullptr;
    wakes_.cancel(key);
  }

  void crashed(entity_key key, member& entity, std::string reason) {
    services_.counters.crashes.fetch_add(1, std::memory_order_relaxed);
    if (!entity.past) entity.past = std::make_unique<trouble>();
    auto& past = *entity.past;
    past.reason = std::move(reason);
    const auto now = services_.clock.now();
    const auto& limits = services_.options.restarts;
    if (past.crashes.crashed(now, limits) == restart_policy::verdict::quarantine) {
      past.is_quarantined = true;
      past.quarantined_until = now + services_.options.quarantine;
      services_.counters.quarantined.fetch_add(1, std::memory_order_relaxed);
      log::error("{} crashed {} times within {} s and is in quarantine for {} s: {}", to_text(key),
                 past.crashes.recent(now, limits), limits.period.count() / 1000,
                 services_.options.quarantine.count() / 1000, past.reason);
    } else {
      log::error("{} crashed and starts again with its next message: {}", to_text(key), past.reason);
    }
  }

  /// Only what is silent in every way: no message waits, no ask, commit or read is on its way.
  void passivate_idle(steady_time now, milliseconds idle) {
    for (auto each = members_.begin(); each != members_.end();)
      each = passivate(each->first, each->second, now, idle) ? members_.erase(each) : std::next(each);
  }

  /// True if nothing is left to remember of it.
  bool passivate(entity_key key, member& entity, steady_time now, milliseconds idle) {
    if (entity.next || now - entity.last_message < idle) return false;
    const bool has_crashed = entity.past && entity.past->crashes.recent(now, services_.options.restarts) > 0;
    if (!entity.actor) return !entity.is_in_quarantine(now) && !has_crashed;
    if (entity.cell->stays_active.load() || entity.cell->mailbox.load() > 0 || entity.cell->waiting.load() > 0)
      return false;
    caf::anon_send(entity.actor, entity_input{entity_quit{}});
    release(key, entity);
    services_.counters.passivations.fetch_add(1, std::memory_order_relaxed);
    return !has_crashed;
  }

  entity_view view_of(entity_key key, const member& entity, steady_time now) const {
    entity_view view;
    view.key = key;
    view.lent_from = shell_.guest_of;
    view.state = entity.is_in_quarantine(now)                    ? entity_view::state_t::quarantined
                 : entity.cell && entity.cell->is_loading.load() ? entity_view::state_t::loading
                                                                 : entity_view::state_t::active;
    view.crashes = entity.crash_count();
    if (entity.past) view.reason = entity.past->reason;
    if (entity.is_in_quarantine(now))
      view.quarantine_left = std::chrono::duration_cast<milliseconds>(entity.past->quarantined_until - now);
    if (entity.actor) {
      view.mailbox = entity.cell->mailbox.load();
      view.waiting = entity.cell->waiting.load();
      view.messages = entity.cell->messages.load();
      view.stays_active = entity.cell->stays_active.load();
      view.age = std::chrono::duration_cast<milliseconds>(now - entity.started);
      view.idle = std::chrono::duration_cast<milliseconds>(now - entity.last_message);
    }
    return view;
  }

  static void refuse(const slot_mail& what, error failure) {
    if (const auto* change = std::get_if<slot_subscription>(&what))
      refuse(*change, std::move(failure));
    else
      refuse(*std::get<std::shared_ptr<const envelope>>(what), std::move(failure));
  }
  static void refuse(const slot_subscription& change, error failure) {
    if (change.reply) change.reply->answer(std::move(failure));
  }
  static void refuse(const envelope& message, error failure) {
    if (message.reply) message.reply->answer(std::move(failure));
  }

  node_services& services_;
  slot_shell& shell_;
  std::unordered_map<entity_key, member> members_;
  subscriber_table subscribers_;
  wake_queue wakes_;
  restart_policy crashes_;  // its own
  steady_time last_passivation_{};
  std::function<void(slot_remains)> when_drained_;  // set while the slot is going elsewhere
  slot_remains remains_;                            // …of the entities that have ended since
  std::unordered_set<entity_key> busy_;             // …until nothing is known to be under way
  bool is_leaving_ = false;                         // …nothing was under way any more, and all were told to end
  std::vector<entity_key> leaving_;                 // …those of them that may not have yet
  bool is_shutting_down_ = false;
  std::unique_ptr<slot_loans> loans_;  // most have none
  std::int64_t away_ = 0;
  std::set<entity_key> hosted_;  // of a SLOT of guests: who is here
};

}  // namespace

caf::actor spawn_slot(caf::actor_system& system, node_services& services, slot_shell& shell) {
  return system.spawn<slot_actor>(std::ref(services), std::ref(shell));
}

}  // namespace throng
