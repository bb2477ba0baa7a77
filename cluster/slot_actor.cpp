// SPDX-License-Identifier: Apache-2.0
#include "cluster/slot_actor.hpp"

#include <algorithm>
#include <unordered_map>

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <google/protobuf/message.h>

#include "cluster/entity_actor.hpp"
#include "cluster/harden.hpp"
#include "cluster/subscriber_table.hpp"
#include "cluster/wake_queue.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

/// One entity of the slot. `actor` is null while none runs: after a crash (until the next message) or in quarantine.
struct member {
  caf::actor actor;
  entity_cell_ptr cell;
  restart_policy crashes;
  bool is_quarantined = false;
  steady_time quarantined_until{};
  std::string reason;  // of the last crash
  steady_time started{};
  steady_time last_message{};
};

class slot_actor final : public caf::event_based_actor {
 public:
  slot_actor(caf::actor_config& config, node_services& services, slot_shell& shell)
      : caf::event_based_actor(config), services_(services), shell_(shell) {
    harden(this);
  }

  const char* name() const override { return "slot"; }

  caf::behavior make_behavior() override {
    return {[this](slot_input& input) { std::visit([this](auto& each) { handle(each); }, input.what); }};
  }

 private:
  // -- messages
  // ------------------------------------------------------------------------------------------------------------

  void handle(std::shared_ptr<const envelope>& message) {
    shell_.mailbox.fetch_sub(1);
    if (services_.trace.is_on())
      services_.trace.record(*message, shell_.mailbox.load(), services_.clock.now(), services_.clock.wall());
    if (is_shutting_down_) return refuse(*message, {errc::stopping, {}});
    auto& entity = members_[message->to];
    if (entity.is_quarantined && services_.clock.now() >= entity.quarantined_until) entity.is_quarantined = false;
    if (entity.is_quarantined)
      return refuse(*message, {errc::quarantined, to_text(message->to) + " is in quarantine: " + entity.reason});
    if (!entity.actor) activate(message->to, entity);
    if (entity.cell->mailbox.load() >= services_.options.entity_mailbox_max) {
      services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
      return refuse(*message, {errc::overloaded, "the mailbox of " + to_text(message->to) + " is full"});
    }
    entity.cell->mailbox.fetch_add(1);
    entity.last_message = services_.clock.now();
    caf::anon_send(entity.actor, entity_input{std::move(message)});
  }

  void handle(publication_ptr& event) {
    for (auto node : subscribers_.subscribers(event->stream)) {
      THRONG_ASSERT(node == services_.self);  // other nodes come with the links
      services_.counters.publications.fetch_add(1, std::memory_order_relaxed);
      if (services_.sink) services_.sink(event);
    }
  }

  void handle(slot_subscription& change) {
    if (change.wanted)
      subscribers_.add(change.stream, change.node);
    else
      subscribers_.remove(change.stream, change.node);
    if (change.done) change.done(throng::done);
  }

  void handle(slot_wake& wish) {
    if (!members_.contains(wish.key)) return;
    wakes_.set(wish.key, wish.when);
    shell_.wants_ticks.store(true);
  }

  void handle(slot_entity_ended& report) {
    auto found = members_.find(report.cell->key);
    if (found == members_.end() || found->second.cell != report.cell) return;  // an older incarnation
    auto& entity = found->second;
    release(found->first, entity);
    switch (report.cause) {
      case slot_entity_ended::cause_t::load_failed:
        log::warn("{} could not be loaded: {}", to_text(found->first), report.reason);
        break;
      case slot_entity_ended::cause_t::commit_failed:
        log::warn("{} starts again after a commit that failed: {}", to_text(found->first), report.reason);
        break;
      case slot_entity_ended::cause_t::crashed:
        return crashed(found->first, entity, std::move(report.reason));
    }
    if (entity.crashes.total() == 0) members_.erase(found);
  }

  void handle(slot_tick& tick) {
    for (auto key : wakes_.due(tick.now)) {
      auto found = members_.find(key);
      if (found == members_.end() || !found->second.actor) continue;
      found->second.cell->mailbox.fetch_add(1);
      caf::anon_send(found->second.actor, entity_input{entity_wake{}});
    }
    if (tick.now >= next_passivation_) {
      passivate_idle(tick.now);
      next_passivation_ = tick.now + std::max(idle_max() / 4, milliseconds(100));
    }
    shell_.wants_ticks.store(!wakes_.empty() || !members_.empty());
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
      if (views.size() >= query.filter.count_max) break;
      if (query.filter.kind && *query.filter.kind != key.kind) continue;
      if (query.filter.key && *query.filter.key != key) continue;
      if (query.filter.only_troubled && entity.crashes.total() == 0) continue;
      if (!entity.actor && !entity.is_quarantined && !query.filter.only_troubled) continue;
      views.push_back(view_of(key, entity, now));
    }
    query.done(std::move(views));
  }

  void handle(slot_describe& query) {
    slot_view view;
    view.slot = shell_.slot;
    view.owner = services_.self;
    view.epoch = services_.epoch_of(shell_.slot);
    view.entities = static_cast<std::uint32_t>(
        std::count_if(members_.begin(), members_.end(), [](const auto& each) { return bool(each.second.actor); }));
    view.mailbox = shell_.mailbox.load();
    view.streams = static_cast<std::uint32_t>(subscribers_.stream_count());
    query.done(view);
  }

  void handle(slot_look& query) {
    auto found = members_.find(query.key);
    if (found == members_.end() || !found->second.actor) return query.done(errc::not_found);
    // Shared, so that a crash that comes before it is an answer too.
    auto asked = std::make_shared<reply_handle>(std::move(query.done));
    caf::anon_send(found->second.actor,
                   entity_input{entity_look{[asked](result<message_ptr> state) { asked->answer(std::move(state)); }}});
  }

  void handle(slot_end& command) {
    auto found = members_.find(command.key);
    if (found == members_.end() || (!found->second.actor && !(command.restart && found->second.is_quarantined)))
      return command.done(errc::not_found);
    auto& entity = found->second;
    if (entity.actor) {
      caf::anon_send(entity.actor, entity_input{entity_quit{}});  // behind the messages it has
      release(command.key, entity);
    }
    if (command.restart) {
      entity.is_quarantined = false;
      entity.crashes.forgive();
      activate(command.key, entity);
    } else if (!entity.is_quarantined && entity.crashes.total() == 0) {
      members_.erase(found);
    }
    command.done(throng::done);
  }

  // -- life and death of entities
  // --------------------------------------------------------------------------------------------

  void activate(entity_key key, member& entity) {
    entity.cell = std::make_shared<entity_cell>(key);
    entity.started = entity.last_message = services_.clock.now();
    entity.actor = spawn_entity(system(), services_, caf::actor_cast<caf::actor>(this), services_.epoch_of(shell_.slot),
                                entity.cell);
    services_.counters.activations.fetch_add(1, std::memory_order_relaxed);
    shell_.wants_ticks.store(true);
  }

  void release(entity_key key, member& entity) {
    entity.actor = nullptr;
    wakes_.cancel(key);
  }

  void crashed(entity_key key, member& entity, std::string reason) {
    services_.counters.crashes.fetch_add(1, std::memory_order_relaxed);
    entity.reason = std::move(reason);
    if (entity.crashes.crashed(services_.clock.now(), services_.options.restarts) ==
        restart_policy::verdict::quarantine) {
      entity.is_quarantined = true;
      entity.quarantined_until = services_.clock.now() + services_.options.quarantine;
      services_.counters.quarantined.fetch_add(1, std::memory_order_relaxed);
      log::error("{} crashed {} times within {} s and is in quarantine for {} s: {}", to_text(key),
                 entity.crashes.recent(services_.clock.now(), services_.options.restarts),
                 services_.options.restarts.period.count() / 1000, services_.options.quarantine.count() / 1000,
                 entity.reason);
    } else {
      log::error("{} crashed and starts again with its next message: {}", to_text(key), entity.reason);
    }
  }

  /// Only what is silent in every way: no message waits, no ask, commit or read is on its way.
  void passivate_idle(steady_time now) {
    for (auto each = members_.begin(); each != members_.end();)
      each = passivate(each->first, each->second, now) ? members_.erase(each) : std::next(each);
  }

  milliseconds idle_max() const {
    const auto configured = services_.options.passivate_after;
    return services_.counters.live() > services_.options.active_max ? std::min(configured, milliseconds(1000))
                                                                    : configured;
  }

  /// True if nothing is left to remember of it.
  bool passivate(entity_key key, member& entity, steady_time now) {
    if (now - entity.last_message < idle_max()) return false;
    const bool has_crashed = entity.crashes.recent(now, services_.options.restarts) > 0;
    if (!entity.actor) return !entity.is_quarantined && !has_crashed;
    if (entity.cell->stays_active.load() || entity.cell->mailbox.load() > 0 || entity.cell->waiting.load() > 0)
      return false;
    caf::anon_send(entity.actor, entity_input{entity_quit{}});
    release(key, entity);
    services_.counters.passivations.fetch_add(1, std::memory_order_relaxed);
    return !has_crashed;
  }

  static entity_view view_of(entity_key key, const member& entity, steady_time now) {
    entity_view view;
    view.key = key;
    view.state = entity.is_quarantined                           ? entity_view::state_t::quarantined
                 : entity.cell && entity.cell->is_loading.load() ? entity_view::state_t::loading
                                                                 : entity_view::state_t::active;
    view.crashes = entity.crashes.total();
    view.reason = entity.reason;
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

  static void refuse(const envelope& message, error failure) {
    if (message.reply) message.reply->answer(std::move(failure));
  }

  node_services& services_;
  slot_shell& shell_;
  std::unordered_map<entity_key, member> members_;
  subscriber_table subscribers_;
  wake_queue wakes_;
  steady_time next_passivation_{};
  bool is_shutting_down_ = false;
};

}  // namespace

caf::actor spawn_slot(caf::actor_system& system, node_services& services, slot_shell& shell) {
  return system.spawn<slot_actor>(std::ref(services), std::ref(shell));
}

}  // namespace throng
