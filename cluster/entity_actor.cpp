// SPDX-License-Identifier: Apache-2.0
#include "cluster/entity_actor.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "cluster/harden.hpp"

namespace throng {

namespace {

/// Continuations go through the actor's mailbox, so they never run beside a handler. Holds the actor weakly: once it
/// has ended, jobs are dropped and with them the coroutines they hold.
class mailbox_executor final : public executor {
 public:
  mailbox_executor(caf::actor_addr owner, entity_cell_ptr cell) : owner_(std::move(owner)), cell_(std::move(cell)) {}
  void post(std::function<void()> job) override {
    auto owner = caf::actor_cast<caf::actor>(owner_);
    if (!owner) return;
    cell_->waiting.fetch_add(1);
    caf::anon_send(owner, entity_input{std::move(job)});
  }

 private:
  caf::actor_addr owner_;
  entity_cell_ptr cell_;
};

std::string describe(const error& failure) {
  std::string text(to_string(failure.code));
  if (!failure.detail.empty()) text += ": " + failure.detail;
  return text;
}

/// Set by the first commit that fails; from then on the commit queue refuses the later ones of this incarnation.
struct broken_lineage {
  std::shared_ptr<std::atomic<bool>> is_broken = std::make_shared<std::atomic<bool>>(false);
  std::string reason;  // the actor's
};

class live_context final : public entity_context {
 public:
  live_context(node_services& services, caf::actor slot, epoch_t epoch, entity_cell_ptr cell, executor_ptr jobs)
      : services_(services), slot_(std::move(slot)), epoch_(epoch), cell_(std::move(cell)), jobs_(std::move(jobs)) {}

  entity_key key() const override { return cell_->key; }
  epoch_t epoch() const override { return epoch_; }
  steady_time now() const override { return services_.clock.now(); }
  wall_time wall() const override { return services_.clock.wall(); }
  executor_ptr mailbox() override { return jobs_; }

  void tell(entity_key to, message_ptr message) override { services_.door->tell(to, std::move(message)); }

  void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) override {
    cell_->waiting.fetch_add(1);
    services_.door->ask_raw(to, std::move(request), timeout,
                            [end = ending(), done = std::move(done)](result<message_ptr> outcome) mutable {
                              done(std::move(outcome));
                              end();
                            });
  }

  void commit_raw(std::vector<write_op> ops, std::function<void(result<>)> done) override {
    commit_unit unit;
    unit.guard = {slot_of(cell_->key), epoch_};
    unit.ops = std::move(ops);
    unit.lineage = lineage.is_broken;
    cell_->waiting.fetch_add(1);
    services_.commits.submit(std::move(unit), [this, end = ending(), done = std::move(done), jobs = jobs_,
                                               broken = lineage.is_broken](result<> outcome) mutable {
      if (!outcome) {
        broken->store(true);
        jobs->post([this, reason = describe(outcome.failure())] {
          if (lineage.reason.empty()) lineage.reason = reason;
        });
      }
      done(std::move(outcome));
      end();
    });
  }

  void read_raw(std::function<void(store_reader*, errc)> work) override {
    cell_->waiting.fetch_add(1);
    services_.readers.read([end = ending(), work = std::move(work)](store_reader* reader, errc refused) mutable {
      work(reader, refused);
      end();
    });
  }

  void publish(publication_ptr event) override { caf::anon_send(slot_, slot_input{std::move(event)}); }
  void wake_after(duration delay) override { caf::anon_send(slot_, slot_input{slot_wake{cell_->key, now() + delay}}); }
  void stay_active(bool stay) override { cell_->stays_active.store(stay); }

  broken_lineage lineage;

 private:
  /// What ends one ask, commit or read: by then its continuation is in the mailbox and counted. A broken incarnation
  /// gets one more job, in which it can see that this was the last.
  std::function<void()> ending() {
    return [cell = cell_, jobs = jobs_, broken = lineage.is_broken] {
      cell->waiting.fetch_sub(1);
      if (broken->load()) jobs->post([] {});
    };
  }

  node_services& services_;
  caf::actor slot_;
  const epoch_t epoch_;
  const entity_cell_ptr cell_;
  const executor_ptr jobs_;
};

class entity_actor final : public caf::event_based_actor {
 public:
  entity_actor(caf::actor_config& config, node_services& services, caf::actor slot, epoch_t epoch, entity_cell_ptr cell)
      : caf::event_based_actor(config), services_(services), slot_(std::move(slot)), cell_(std::move(cell)) {
    harden(this);
    auto jobs = std::make_shared<mailbox_executor>(caf::actor_cast<caf::actor_addr>(this), cell_);
    context_ = std::make_unique<live_context>(services_, slot_, epoch, cell_, std::move(jobs));
  }

  const char* name() const override { return "entity"; }

  caf::behavior make_behavior() override {
    live_count().fetch_add(1, std::memory_order_relaxed);
    guarded([this] {
      entity_ = services_.factories[static_cast<std::size_t>(cell_->key.kind)](*context_);
      throng::spawn(load());
    });
    return {[this](entity_input& input) { std::visit([this](auto& each) { handle(each); }, input.what); }};
  }

  void on_exit() override {
    live_count().fetch_sub(1, std::memory_order_relaxed);
    stash_.clear();  // answers errc::unavailable to whoever still waits
    slot_ = nullptr;
  }

 private:
  // -- what comes in
  // -----------------------------------------------------------------------------------------------------

  void handle(std::shared_ptr<const envelope>& message) {
    if (is_loaded_)
      receive(std::move(message));
    else
      stash_.push_back(std::move(message));  // bounded: the SLOT counts it as mailbox
  }
  void handle(std::function<void()>& job) {
    guarded([&] { job(); });
    job = nullptr;  // with all it holds, before it stops counting
    cell_->waiting.fetch_sub(1);
    end_if_broken();
  }
  void handle(entity_wake&) {
    guarded([this] {
      if (is_loaded_ && !has_ended_) entity_->wake();
    });
    cell_->mailbox.fetch_sub(1);
  }
  void handle(entity_quit&) {
    has_ended_ = true;
    quit();
  }
  void handle(entity_look& look) {
    if (!is_loaded_ || has_ended_) return look.done(error{errc::unavailable, "it is being loaded"});
    guarded([&] { look.done(entity_->snapshot()); });
  }

  void receive(std::shared_ptr<const envelope> message) {
    cell_->messages.fetch_add(1, std::memory_order_relaxed);
    if (!has_ended_) handle_loaded(std::move(message));
    cell_->mailbox.fetch_sub(1);  // last: until here the SLOT must not think that nothing is going on
  }

  void handle_loaded(std::shared_ptr<const envelope> message) {
    if (context_->lineage.is_broken->load()) {
      if (message->reply) message->reply->answer(error{errc::service_unavailable, "the store has refused a write"});
    } else if (message->deadline != steady_time{} && message->deadline <= services_.clock.now()) {
      if (message->reply) message->reply->answer(errc::deadline_exceeded);
    } else {
      guarded([&] { entity_->receive(std::move(message)); });
    }
  }

  task<void> load() {
    auto loaded = co_await entity_->load();
    auto waiting = std::exchange(stash_, {});
    if (!loaded) {
      for (auto& each : waiting) {
        cell_->mailbox.fetch_sub(1);
        if (each->reply) each->reply->answer(loaded.failure());
      }
      end(slot_entity_ended::cause_t::load_failed, describe(loaded.failure()));
      co_return;
    }
    is_loaded_ = true;
    cell_->is_loading.store(false);
    for (auto& each : waiting) receive(std::move(each));
  }

  // -- how it ends
  // -------------------------------------------------------------------------------------------------------

  /// An exception is a broken invariant: this incarnation ends, and the SLOT decides what comes next.
  template <class Work>
  void guarded(Work&& work) {
    try {
      work();
    } catch (const std::exception& failure) {
      end(slot_entity_ended::cause_t::crashed, failure.what());
    } catch (...) {
      end(slot_entity_ended::cause_t::crashed, "something was thrown that is not an exception");
    }
  }
  void end_if_broken() {
    if (context_->lineage.is_broken->load() && cell_->waiting.load() == 0)
      end(slot_entity_ended::cause_t::commit_failed, context_->lineage.reason);
  }
  void end(slot_entity_ended::cause_t cause, std::string reason) {
    if (std::exchange(has_ended_, true)) return;
    caf::anon_send(slot_, slot_input{slot_entity_ended{cause, cell_, std::move(reason)}});
    quit();
  }

  std::atomic<std::int64_t>& live_count() {
    return services_.counters.entities[static_cast<std::size_t>(cell_->key.kind)];
  }

  node_services& services_;
  caf::actor slot_;
  const entity_cell_ptr cell_;
  std::unique_ptr<live_context> context_;
  std::unique_ptr<entity> entity_;
  std::vector<std::shared_ptr<const envelope>> stash_;
  bool is_loaded_ = false;
  bool has_ended_ = false;
};

}  // namespace

caf::actor spawn_entity(caf::actor_system& system, node_services& services, caf::actor slot, epoch_t epoch,
                        entity_cell_ptr cell) {
  return system.spawn<entity_actor>(std::ref(services), std::move(slot), epoch, std::move(cell));
}

}  // namespace throng
