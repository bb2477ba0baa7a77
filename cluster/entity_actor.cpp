// SPDX-License-Identifier: Apache-2.0
#include "cluster/entity_actor.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "cluster/harden.hpp"
#include "cluster/link/message_codec.hpp"
#include "cluster/proto/cluster.pb.h"
#include "config/log.hpp"

namespace throng {

namespace {

/// Continuations go through the actor's mailbox, so they never run beside a handler. Holds the actor and its SLOT
/// weakly: once it has ended, jobs are dropped and with them the coroutines they hold.
class mailbox_executor final : public executor {
 public:
  mailbox_executor(caf::actor_addr owner, caf::actor_addr slot, entity_cell_ptr cell)
      : owner_(std::move(owner)), slot_(std::move(slot)), cell_(std::move(cell)) {}

  void post(std::function<void()> job) override {
    auto owner = caf::actor_cast<caf::actor>(owner_);
    if (!owner) return;
    cell_->waiting.fetch_add(1);
    caf::anon_send(owner, entity_input{std::move(job)});
  }

  // -- what the incarnation has under way; each began_… is followed by one …_ended, on any thread
  // ---------------------------------------------------------------------------------------------

  void wait_began() { cell_->waiting.fetch_add(1); }
  /// By then its continuation is in the mailbox and counted. A broken incarnation gets one more job, in which it can
  /// see that this was the last.
  void wait_ended() {
    const bool was_last = cell_->waiting.fetch_sub(1) == 1;
    if (cell_->is_broken.load()) post([] {});
    if (was_last) report_idle();
  }
  /// For a SLOT that waits for it; cheap if none does.
  void report_idle() {
    if (!cell_->reports_idle.load() || cell_->waiting.load() > 0 || cell_->mailbox.load() > 0) return;
    if (auto slot = caf::actor_cast<caf::actor>(slot_)) caf::anon_send(slot, slot_input{slot_entity_idle{cell_}});
  }
  void commit_began() { cell_->commits.fetch_add(1); }
  void commit_ended() {
    if (cell_->commits.fetch_sub(1) > 1 || !cell_->has_ended.load()) return;
    if (auto slot = caf::actor_cast<caf::actor>(slot_)) caf::anon_send(slot, slot_input{slot_entity_settled{cell_}});
  }

  const entity_cell_ptr& cell() const { return cell_; }

 private:
  const caf::actor_addr owner_;
  const caf::actor_addr slot_;
  const entity_cell_ptr cell_;
};

std::string describe(const error& failure) {
  std::string text(to_string(failure.code));
  if (!failure.detail.empty()) text += ": " + failure.detail;
  return text;
}

/// A part of its entity's actor: there are very many, and each block of memory costs.
class live_context final : public entity_context {
 public:
  live_context(node_services& services, caf::actor slot, epoch_t epoch, std::shared_ptr<mailbox_executor> jobs)
      : services_(services), slot_(std::move(slot)), epoch_(epoch), jobs_(std::move(jobs)) {}

  entity_key key() const override { return cell().key; }
  epoch_t epoch() const override { return epoch_; }
  steady_time now() const override { return services_.clock.now(); }
  wall_time wall() const override { return services_.clock.wall(); }
  executor_ptr mailbox() override { return jobs_; }

  void tell(entity_key to, message_ptr message) override { services_.door->tell_from(key(), to, std::move(message)); }

  void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) override {
    jobs_->wait_began();
    services_.door->ask_from(key(), to, std::move(request), timeout,
                             [jobs = jobs_, done = std::move(done)](result<message_ptr> outcome) {
                               done(std::move(outcome));
                               jobs->wait_ended();
                             });
  }

  void commit_raw(std::vector<write_op> ops, std::function<void(result<>)> done) override {
    commit_unit unit;
    unit.guard = {slot_of(key()), epoch_};
    unit.ops = std::move(ops);
    unit.lineage = {jobs_->cell(), &cell().is_broken};
    jobs_->wait_began();
    jobs_->commit_began();
    services_.commits.submit(std::move(unit), [this, jobs = jobs_, done = std::move(done)](result<> outcome) {
      jobs->commit_ended();
      if (!outcome) {
        jobs->cell()->is_broken.store(true);
        jobs->post([this, reason = describe(outcome.failure()), code = outcome.code()] {  // runs only while this lives
          if (code == errc::stale_epoch) services_.door->epoch_refused(slot_of(this->key()), epoch_);
          if (broken_reason_.empty()) broken_reason_ = reason;
        });
      }
      done(std::move(outcome));
      jobs->wait_ended();
    });
  }

  void read_raw(std::function<void(store_reader*, errc)> work) override {
    jobs_->wait_began();
    services_.readers.read(keyspace_id(key()),
                           [jobs = jobs_, work = std::move(work)](store_reader* reader, errc refused) {
                             work(reader, refused);
                             jobs->wait_ended();
                           });
  }

  void publish(publication_ptr event) override { caf::anon_send(slot_, slot_input{std::move(event)}); }
  void wake_after(duration delay) override { caf::anon_send(slot_, slot_input{slot_wake{key(), now() + delay}}); }
  void stay_active(bool stay) override { cell().stays_active.store(stay); }
  void hear_of_lost_nodes(bool wants) override { cell().hears_of_lost_nodes.store(wants); }
  steady_time taken_over() const override { return services_.door->taken_over(slot_of(key())); }

  // -- the actor's
  // ----------------------------------------------------------------------------------------------------------

  node_services& services() const { return services_; }
  const caf::actor& slot() const { return slot_; }
  void report_idle() { jobs_->report_idle(); }
  entity_cell& cell() const { return *jobs_->cell(); }
  const entity_cell_ptr& shared_cell() const { return jobs_->cell(); }
  bool is_broken() const { return cell().is_broken.load(); }
  const std::string& broken_reason() const { return broken_reason_; }

 private:
  node_services& services_;
  const caf::actor slot_;
  const epoch_t epoch_;
  const std::shared_ptr<mailbox_executor> jobs_;
  std::string broken_reason_;
};

class entity_actor final : public caf::event_based_actor {
 public:
  entity_actor(caf::actor_config& config, node_services& services, caf::actor slot, epoch_t epoch, entity_cell_ptr cell,
               std::string handed)
      : caf::event_based_actor(config),
        context_(services, slot, epoch,
                 std::make_shared<mailbox_executor>(caf::actor_cast<caf::actor_addr>(this),
                                                    caf::actor_cast<caf::actor_addr>(slot), std::move(cell))),
        handed_(std::move(handed)) {
    harden(this);
  }

  const char* name() const override { return "entity"; }

  caf::behavior make_behavior() override {
    live_count().fetch_add(1, std::memory_order_relaxed);
    is_counted_ = true;
    guarded([this] {
      entity_ = services().factories[static_cast<std::size_t>(context_.key().kind)](context_);
      throng::spawn(load());
    });
    return {[this](entity_input& input) { std::visit([this](auto& each) { handle(each); }, input.what); }};
  }

  /// Whatever ends the actor comes by here, so the SLOT always hears of it.
  void on_exit() override {
    if (is_counted_) live_count().fetch_sub(1, std::memory_order_relaxed);
    stash_.clear();  // answers errc::unavailable to whoever still waits
    context_.cell().has_ended.store(true);
    if (is_reported_)
      caf::anon_send(context_.slot(), slot_input{slot_entity_ended{cause_, context_.shared_cell(), std::move(reason_),
                                                                   std::move(left_)}});
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
    const timed_work timed(services().loads, context_.key());
    guarded([&] { job(); });
    job = nullptr;  // with all it holds, before it stops counting
    context_.cell().waiting.fetch_sub(1);
    context_.report_idle();
    end_if_broken();
  }
  void handle(entity_wake&) {
    if (is_loaded_)
      wake();
    else
      is_wake_due_ = true;
    context_.cell().mailbox.fetch_sub(1);
    context_.report_idle();
  }
  void handle(entity_node_lost& gone) {
    if (is_loaded_)
      node_lost(gone);
    else
      lost_meanwhile_.push_back(gone);
    context_.cell().mailbox.fetch_sub(1);
    context_.report_idle();
  }
  void handle(entity_quit& command) {
    if (command.hands_over) guarded([this] { hand_over(); });
    is_reported_ = command.is_reported;
    end(slot_entity_ended::cause_t::stopped, {});
  }
  void handle(entity_look& look) {
    if (!is_loaded_ || has_ended_) return look.done(error{errc::unavailable, "it is being loaded"});
    guarded([&] { look.done(entity_->snapshot()); });
  }

  void wake() {
    guarded([this] {
      if (!has_ended_) entity_->wake();
    });
  }

  void node_lost(const entity_node_lost& gone) {
    guarded([&] {
      if (!has_ended_) entity_->node_lost(gone.node, gone.incarnation);
    });
  }

  void receive(std::shared_ptr<const envelope> message) {
    const timed_work timed(services().loads, context_.key());
    if (is_for_the_next(*message)) {
      left().unread.push_back(std::move(message));
    } else {
      context_.cell().messages.fetch_add(1, std::memory_order_relaxed);
      last_type_ = message->message->GetDescriptor();
      last_from_ = message->from;
      is_receiving_ = true;
      if (!has_ended_) handle_loaded(std::move(message));
      is_receiving_ = false;
    }
    context_.cell().mailbox.fetch_sub(1);  // last: until here the SLOT must not think that nothing is going on
    context_.report_idle();
  }

  void handle_loaded(std::shared_ptr<const envelope> message) {
    if (context_.is_broken()) {
      if (message->reply) message->reply->answer(error{errc::service_unavailable, "the store has refused a write"});
    } else if (message->deadline != steady_time{} && message->deadline <= services().clock.now()) {
      if (message->reply) message->reply->answer(errc::deadline_exceeded);
    } else {
      guarded([&] { entity_->receive(std::move(message)); });
    }
  }

  // -- moves
  // ------------------------------------------------------------------------------------------------------------

  bool is_for_the_next(const envelope& message) const {
    switch (context_.cell().is_leaving.load()) {
      case entity_cell::leaving::no:
        return false;
      case entity_cell::leaving::alone:
        return true;
      case entity_cell::leaving::with_slot:
        return !message.is_from_within();
    }
    return false;
  }
  void hand_over() {
    if (!is_loaded_) {  // it was only just spawned
      left().handover.state = std::move(handed_);
      return;
    }
    const auto state = entity_->handover();
    if (!state) return;
    if (state->ByteSizeLong() > entity_handover::entity_bytes_max) {
      services().counters.handovers_dropped.fetch_add(1, std::memory_order_relaxed);
      log::warn("{} moves without its state, which has {} bytes", to_text(context_.key()), state->ByteSizeLong());
      return;
    }
    AnyMessage any;
    encode_message(*state, any);
    left().handover.state = any.SerializeAsString();
  }
  /// Null: nothing was, or nothing that this version can read.
  message_ptr handed_state() {
    if (handed_.empty()) return nullptr;
    AnyMessage any;
    auto state = any.ParseFromString(handed_) ? decode_message(any) : result<message_ptr>(errc::unknown_message);
    if (state) return *state;
    services().counters.handovers_dropped.fetch_add(1, std::memory_order_relaxed);
    log::warn("{} can't go on with what was handed over: {}", to_text(context_.key()), describe(state.failure()));
    return nullptr;
  }
  entity_remains& left() {
    if (!left_) left_ = std::make_shared<entity_remains>();
    return *left_;
  }

  task<void> load() {
    auto handed = handed_state();
    auto loading = handed ? entity_->load_from(handed) : entity_->load();
    auto loaded = co_await std::move(loading);
    handed_ = {};
    if (handed && loaded) services().counters.taken_over.fetch_add(1, std::memory_order_relaxed);
    auto waiting = std::exchange(stash_, {});
    if (!loaded) {
      for (auto& each : waiting) {
        context_.cell().mailbox.fetch_sub(1);
        if (is_for_the_next(*each))
          left().unread.push_back(std::move(each));
        else if (each->reply)
          each->reply->answer(loaded.failure());
      }
      end(slot_entity_ended::cause_t::load_failed, describe(loaded.failure()));
      co_return;
    }
    is_loaded_ = true;
    context_.cell().is_loading.store(false);
    for (const auto& gone : std::exchange(lost_meanwhile_, {})) node_lost(gone);
    if (std::exchange(is_wake_due_, false)) wake();
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
      end(slot_entity_ended::cause_t::crashed, failure.what() + circumstances());
    } catch (...) {
      end(slot_entity_ended::cause_t::crashed, "something was thrown that is not an exception" + circumstances());
    }
  }
  /// Which message may be to blame. Only the last is known to what goes on after a wait.
  std::string circumstances() const {
    if (!last_type_) return {};
    return (is_receiving_ ? " (in " : " (after ") + last_type_->name() + " from " +
           (last_from_.id != 0 ? to_text(last_from_) : std::string("outside")) + ")";
  }
  void end_if_broken() {
    if (context_.is_broken() && context_.cell().waiting.load() == 0)
      end(slot_entity_ended::cause_t::commit_failed, context_.broken_reason());
  }
  void end(slot_entity_ended::cause_t cause, std::string reason) {
    if (std::exchange(has_ended_, true)) return;
    cause_ = cause;
    reason_ = std::move(reason);
    quit();
  }

  std::atomic<std::int64_t>& live_count() {
    return services().counters.entities[static_cast<std::size_t>(context_.key().kind)];
  }

  node_services& services() const { return context_.services(); }

  live_context context_;
  std::unique_ptr<entity> entity_;
  std::vector<std::shared_ptr<const envelope>> stash_;
  std::string handed_;                            // until it is loaded
  std::shared_ptr<entity_remains> left_;          // null: nothing
  std::vector<entity_node_lost> lost_meanwhile_;  // while loading
  bool is_counted_ = false;
  bool is_loaded_ = false;
  bool is_wake_due_ = false;  // it came while loading
  bool is_receiving_ = false;
  const google::protobuf::Descriptor* last_type_ = nullptr;  // of the last message, and who sent it
  entity_key last_from_;
  bool has_ended_ = false;
  // What the SLOT hears at the end; as it stands, if something throws that isn't the entity's code.
  slot_entity_ended::cause_t cause_ = slot_entity_ended::cause_t::crashed;
  std::string reason_ = "its actor died";
  bool is_reported_ = true;
};

}  // namespace

caf::actor spawn_entity(caf::actor_system& system, node_services& services, caf::actor slot, epoch_t epoch,
                        entity_cell_ptr cell, std::string handed) {
  return system.spawn<entity_actor>(std::ref(services), std::move(slot), epoch, std::move(cell), std::move(handed));
}

}  // namespace throng
