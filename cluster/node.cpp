// SPDX-License-Identifier: Apache-2.0
#include "cluster/node.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/logger.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <google/protobuf/message.h>

#include "cluster/harden.hpp"
#include "cluster/slot_actor.hpp"
#include "cluster/surely.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::chrono::milliseconds tick_period{100};

struct scheduler_config : caf::actor_system_config {
  scheduler_config(const node_options& options, bool is_simulated) {
    if (is_simulated) {
      set("scheduler.policy", caf::atom("testing"));
    } else {
      // facts: "stealing" polls (5 % of a core when idle), and without a bound two busy actors starve all others.
      set("scheduler.policy", caf::atom("sharing"));
      set("scheduler.max-threads",
          options.threads ? options.threads : std::max<std::size_t>(1, std::thread::hardware_concurrency()));
      set("scheduler.max-throughput", std::size_t{50});
    }
  }
};

/// In CAF 0.17 a thread that makes a system or spawns into it keeps the system's logger until the thread ends, and
/// ~actor_system waits for the logger: an io thread that made a SLOT would hold up stop() for ever. Scheduler threads
/// have the logger before and keep it.
class borrowed_logger {
 public:
  borrowed_logger() = default;
  borrowed_logger(const borrowed_logger&) = delete;
  borrowed_logger& operator=(const borrowed_logger&) = delete;
  ~borrowed_logger() {
    if (!had_one_) caf::logger::set_current_actor_system(nullptr);
  }

 private:
  const bool had_one_ = caf::logger::current_logger() != nullptr;
};

/// SLOT actors are made when somebody first talks to them.
class slot_set {
 public:
  slot_set(caf::actor_system& system, node_services& services) : system_(system), services_(services) {}
  ~slot_set() {
    for (auto& each : slots_) delete each.load();
  }

  /// Null once it is closed, for a slot that wasn't used before.
  slot_shell* at(slot_id slot) {
    auto& place = slots_[slot.value];
    if (auto* shell = place.load(std::memory_order_acquire)) return shell;
    std::lock_guard lock(making_);
    if (auto* shell = place.load(std::memory_order_acquire)) return shell;
    if (is_closed_) return nullptr;
    auto made = std::make_unique<slot_shell>(slot);
    borrowed_logger until_it_is_made;
    made->actor = spawn_slot(system_, services_, *made);
    place.store(made.get(), std::memory_order_release);
    return made.release();
  }
  /// False if the slot could not be reached any more.
  bool send(slot_id slot, slot_input input) {
    auto* shell = at(slot);
    if (shell) caf::anon_send(shell->actor, std::move(input));
    return shell != nullptr;
  }
  void close() {
    std::lock_guard lock(making_);
    is_closed_ = true;
  }
  template <class Visit>
  void each(Visit visit) {
    for (auto& place : slots_)
      if (auto* shell = place.load(std::memory_order_acquire)) visit(*shell);
  }

 private:
  caf::actor_system& system_;
  node_services& services_;
  std::mutex making_;
  bool is_closed_ = false;
  std::array<std::atomic<slot_shell*>, slot_count> slots_{};
};

/// Gathers one answer from each SLOT that exists and calls `done` with all of them.
template <class Item>
class gathering {
 public:
  gathering(std::size_t answers, std::function<void(std::vector<Item>)> done)
      : missing_(answers), done_(std::move(done)) {}
  void add(std::vector<Item> items) {
    std::unique_lock lock(mutex_);
    for (auto& each : items) all_.push_back(std::move(each));
    if (--missing_ > 0) return;
    lock.unlock();
    done_(std::move(all_));
  }

 private:
  std::mutex mutex_;
  std::size_t missing_;
  std::vector<Item> all_;
  std::function<void(std::vector<Item>)> done_;
};

class live_node final : public node, private region, private entity_door, private inspection {
 public:
  live_node(parts with, kinds placed)
      : services_{with.self, with.options, with.clock, with.commits, with.readers},
        config_(with.options, with.is_simulated),
        system_(std::in_place, config_),
        slots_(*system_, services_),
        is_simulated_(with.is_simulated) {
    caf::logger::set_current_actor_system(nullptr);  // as borrowed_logger: another thread may stop the node
    services_.door = this;
    services_.table = std::move(with.table);
    for (auto& [kind, factory] : placed) services_.factories[static_cast<std::size_t>(kind)] = std::move(factory);
    if (!is_simulated_) ticker_ = std::thread([this] { keep_ticking(); });
  }
  ~live_node() override { live_node::stop(); }

  region& door() override { return *this; }
  inspection& inspect() override { return *this; }

  void stop() override {
    if (!system_) return;
    services_.is_stopping.store(true);
    if (ticker_.joinable()) {
      {
        std::lock_guard lock(ticking_);
        is_ticking_ = false;
      }
      tick_ends_.notify_all();
      ticker_.join();
    }
    services_.asks->stop();
    slots_.close();
    slots_.each([](slot_shell& shell) { caf::anon_send(shell.actor, slot_input{slot_shutdown{}}); });
    if (is_simulated_) run();
    system_->await_all_actors_done();
    // The SLOTs' handles stay until the end: another thread may have one in its hands, and finds its actor closed.
    system_.reset();
  }

  std::size_t run() override { return dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler()).run(); }

  void tick() override {
    const auto now = services_.clock.now();
    services_.counters.expired.fetch_add(services_.asks->expire(now), std::memory_order_relaxed);
    const bool has_too_many = services_.has_too_many();
    slots_.each([=](slot_shell& shell) {
      if (shell.next_tick.load(std::memory_order_relaxed) <= now ||
          (has_too_many && shell.has_entities.load(std::memory_order_relaxed)))
        caf::anon_send(shell.actor, slot_input{slot_tick{now}});
    });
  }

 private:
  // -- region
  // --------------------------------------------------------------------------------------------------------------

  bool tell(entity_key to, message_ptr message) override { return tell_from({}, to, std::move(message)); }
  void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) override {
    ask_from({}, to, std::move(request), timeout, std::move(done));
  }

  bool tell_from(entity_key from, entity_key to, message_ptr message) override {
    services_.counters.tells.fetch_add(1, std::memory_order_relaxed);
    auto letter = std::make_shared<envelope>();
    letter->to = to;
    letter->from = from;
    letter->message = std::move(message);
    return deliver(std::move(letter));
  }

  void ask_from(entity_key from, entity_key to, message_ptr request, duration timeout, answer_callback done) override {
    services_.counters.asks.fetch_add(1, std::memory_order_relaxed);
    if (services_.is_stopping.load()) return done(errc::stopping);
    const auto deadline = services_.clock.now() + timeout;
    const auto correlation = services_.asks->add(deadline, std::move(done));
    auto letter = std::make_shared<envelope>();
    letter->to = to;
    letter->from = from;
    letter->message = std::move(request);
    letter->deadline = deadline;
    letter->reply = std::make_shared<reply_handle>([asks = services_.asks, correlation](result<message_ptr> outcome) {
      asks->resolve(correlation, std::move(outcome));
    });
    auto reply = letter->reply;
    if (!deliver(std::move(letter)))
      reply->answer(error{errc::overloaded, "the mailbox of slot " + std::to_string(slot_of(to).value) + " is full"});
  }

  bool deliver(std::shared_ptr<envelope> letter) {
    THRONG_ASSERT(static_cast<std::size_t>(letter->to.kind) < services_.factories.size());
    THRONG_ASSERT(services_.factories[static_cast<std::size_t>(letter->to.kind)]);
    const auto slot = slot_of(letter->to);
    const auto owner = services_.table->owner_of(slot);
    THRONG_ASSERT(owner.node == services_.self);  // other nodes come with the links
    letter->epoch = owner.epoch;
    auto* shell = services_.is_stopping.load() ? nullptr : slots_.at(slot);
    if (!shell || shell->mailbox.load(std::memory_order_relaxed) >= services_.options.slot_mailbox_max) {
      services_.counters.refused.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    shell->mailbox.fetch_add(1, std::memory_order_relaxed);
    caf::anon_send(shell->actor, slot_input{std::shared_ptr<const envelope>(std::move(letter))});
    return true;
  }

  void subscribe(entity_key stream, std::function<void(result<>)> done) override {
    auto heard = surely<result<>>(std::move(done), errc::stopping);
    if (services_.is_stopping.load()) return heard(errc::stopping);
    slots_.send(slot_of(stream), {slot_subscription{stream, services_.self, true, std::move(heard)}});
  }
  void unsubscribe(entity_key stream) override {
    if (services_.is_stopping.load()) return;
    slots_.send(slot_of(stream), {slot_subscription{stream, services_.self, false, {}}});
  }
  void on_publication(std::function<void(const publication_ptr&)> sink) override { services_.sink = std::move(sink); }

  steady_time now() const override { return services_.clock.now(); }
  wall_time wall() const override { return services_.clock.wall(); }

  // -- inspection
  // ----------------------------------------------------------------------------------------------------------

  /// Asks every SLOT that exists; `ask(shell, answer)`, where answer takes a vector of Item. One that ends meanwhile
  /// counts as empty.
  template <class Item, class Ask>
  void gather(std::function<void(std::vector<Item>)> done, Ask ask) {
    std::vector<slot_shell*> shells;
    slots_.each([&](slot_shell& shell) { shells.push_back(&shell); });
    if (shells.empty() || services_.is_stopping.load()) return done({});
    auto all = std::make_shared<gathering<Item>>(shells.size(), std::move(done));
    for (auto* shell : shells)
      ask(*shell, surely<std::vector<Item>>([all](std::vector<Item> items) { all->add(std::move(items)); }, {}));
  }

  void entities(filter which, std::function<void(std::vector<entity_view>)> done) override {
    if (which.key) {
      if (services_.is_stopping.load()) return done({});
      slots_.send(slot_of(*which.key), {slot_list{which, surely<std::vector<entity_view>>(std::move(done), {})}});
      return;
    }
    auto trimmed = [limit = which.count_max, done = std::move(done)](std::vector<entity_view> all) {
      if (all.size() > limit) all.resize(limit);
      done(std::move(all));
    };
    gather<entity_view>(std::move(trimmed), [which](slot_shell& shell, auto answer) {
      caf::anon_send(shell.actor, slot_input{slot_list{which, std::move(answer)}});
    });
  }

  void slots(std::function<void(std::vector<slot_view>)> done) override {
    gather<slot_view>(std::move(done), [](slot_shell& shell, auto answer) {
      caf::anon_send(shell.actor, slot_input{slot_describe{[answer](slot_view view) { answer({std::move(view)}); }}});
    });
  }

  void snapshot(entity_key key, std::function<void(result<message_ptr>)> done) override {
    if (services_.is_stopping.load()) return done(errc::stopping);
    slots_.send(slot_of(key), {slot_look{key, surely<result<message_ptr>>(std::move(done), errc::stopping)}});
  }
  void stop(entity_key key, std::function<void(result<>)> done) override { end(key, false, std::move(done)); }
  void restart(entity_key key, std::function<void(result<>)> done) override { end(key, true, std::move(done)); }
  void end(entity_key key, bool restart, std::function<void(result<>)> done) {
    if (services_.is_stopping.load()) return done(errc::stopping);
    slots_.send(slot_of(key), {slot_end{key, restart, surely<result<>>(std::move(done), errc::stopping)}});
  }

  void start_trace(std::optional<entity_key> key, std::size_t count_max,
                   std::chrono::milliseconds for_at_most) override {
    services_.trace.start(key, count_max, services_.clock.now() + for_at_most);
  }
  std::vector<trace_record> read_trace() override { return services_.trace.read(); }

  region_figures figures() const override {
    const auto& counters = services_.counters;
    region_figures all;
    all.tells = counters.tells;
    all.asks = counters.asks;
    all.refused = counters.refused;
    all.expired = counters.expired;
    all.publications = counters.publications;
    all.activations = counters.activations;
    all.passivations = counters.passivations;
    all.crashes = counters.crashes;
    all.quarantined = counters.quarantined;
    all.waiting_asks = services_.asks->waiting();
    for (std::size_t kind = 0; kind < services_.factories.size(); ++kind) {
      if (!services_.factories[kind]) continue;
      const auto count = static_cast<std::size_t>(std::max<std::int64_t>(0, counters.entities[kind].load()));
      all.entities += count;
      all.entities_by_kind.emplace_back(static_cast<entity_kind>(kind), count);
    }
    return all;
  }

  // -- the ticker
  // ----------------------------------------------------------------------------------------------------------

  void keep_ticking() {
    std::unique_lock lock(ticking_);
    while (!tick_ends_.wait_for(lock, tick_period, [this] { return !is_ticking_; })) tick();
  }

  node_services services_;
  scheduler_config config_;
  std::optional<caf::actor_system> system_;
  slot_set slots_;
  const bool is_simulated_;
  std::thread ticker_;
  std::mutex ticking_;
  std::condition_variable tick_ends_;
  bool is_ticking_ = true;
};

}  // namespace

std::unique_ptr<node> node::start(parts with, kinds placed) {
  return std::make_unique<live_node>(std::move(with), std::move(placed));
}

}  // namespace throng
