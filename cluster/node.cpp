// SPDX-License-Identifier: Apache-2.0
#include "cluster/node.hpp"

#include <algorithm>
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

#include "cluster/guest_set.hpp"
#include "cluster/live_region.hpp"
#include "cluster/slot_set.hpp"
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

/// Gathers one answer from each SLOT that exists and calls `done` with all of them; `trim` is called in between, to
/// keep no more than will be wanted.
template <class Item>
class gathering {
 public:
  using items = std::vector<Item>;
  gathering(std::size_t answers, std::function<void(items)> done, std::function<void(items&)> trim)
      : missing_(answers), done_(std::move(done)), trim_(std::move(trim)) {}
  void add(items some) {
    std::unique_lock lock(mutex_);
    for (auto& each : some) all_.push_back(std::move(each));
    if (trim_) trim_(all_);
    if (--missing_ > 0) return;
    lock.unlock();
    done_(std::move(all_));
  }

 private:
  std::mutex mutex_;
  std::size_t missing_;
  std::vector<Item> all_;
  std::function<void(items)> done_;
  std::function<void(items&)> trim_;
};

/// Keeps those that rank first; not before there are twice as many, so that it costs little.
void keep_first(std::vector<entity_view>& views, const inspection::filter& which, std::size_t at_least) {
  if (views.size() <= at_least) return;
  const auto end = views.begin() + static_cast<std::ptrdiff_t>(which.count_max);
  if (which.order != inspection::filter::order_t::any)
    std::nth_element(views.begin(), end, views.end(), [&](const entity_view& a, const entity_view& b) {
      return rank_of(a, which.order) > rank_of(b, which.order);
    });
  views.erase(end, views.end());
}

class live_node final : public node, private inspection {
 public:
  live_node(parts with, kinds placed)
      : services_{with.self, with.options, with.clock, with.commits, with.readers},
        config_(with.options, with.is_simulated),
        system_(std::in_place, config_),
        slots_(*system_, services_),
        guests_(*system_, services_),
        region_(services_, slots_, guests_, with.between, std::move(with.raise_fences), std::move(with.on_link_state),
                std::move(with.on_peer_gone)),
        is_simulated_(with.is_simulated) {
    caf::logger::set_current_actor_system(nullptr);  // as borrowed_logger: another thread may stop the node
    services_.asks->begin_at(static_cast<std::uint64_t>(with.clock.wall().time_since_epoch().count()));
    services_.door = &region_;
    services_.loans = &region_;
    services_.loads.times_work = !is_simulated_;
    services_.may_repeat = std::move(with.may_repeat);
    services_.give_up = std::move(with.on_broken);
    if (with.table) region_.own_everything(*with.table);
    for (auto& [kind, factory] : placed) services_.factories[static_cast<std::size_t>(kind)] = std::move(factory);
    if (!is_simulated_) ticker_ = std::thread([this] { keep_ticking(); });
  }
  ~live_node() override { live_node::stop(); }

  region& door() override { return region_; }
  inspection& inspect() override { return *this; }
  node_door& peers() override { return region_.peers(); }
  void apply(const slot_table& table, const std::vector<node_identity>& members) override {
    region_.apply(table, members);
  }
  placement placed() const override {
    const auto state = region_.read_state();
    return {state.table_version, state.open_slots, state.moving_slots, state.held_items, state.guests};
  }
  void apply_pins(std::vector<entity_pin> pins) override { region_.apply_pins(pins); }
  std::vector<fence> lost_loans() const override { return region_.lost_loans(); }
  std::vector<fence> refused_fences() const override { return region_.refused_fences(); }
  void tell_passed_asks() override { region_.tell_passed_asks(); }

  load_counters& loads() override { return services_.loads; }

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
    region_.peers().stop();
    slots_.close();
    guests_.close();
    each_shell([](slot_shell& shell) { caf::anon_send(shell.actor, slot_input{slot_shutdown{}}); });
    if (is_simulated_) run();
    system_->await_all_actors_done();
    // The SLOTs' handles stay until the end: another thread may have one in its hands, and finds its actor closed.
    system_.reset();
  }

  std::size_t run() override { return dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler()).run(); }

  void tick() override {
    const auto now = services_.clock.now();
    services_.counters.expired.fetch_add(services_.asks->expire(now), std::memory_order_relaxed);
    region_.tick(now);
    const bool has_too_many = services_.has_too_many();
    each_shell([=](slot_shell& shell) {
      if (shell.next_tick.load(std::memory_order_relaxed) <= now ||
          (has_too_many && shell.has_entities.load(std::memory_order_relaxed)))
        caf::anon_send(shell.actor, slot_input{slot_tick{now}});
    });
  }

 private:
  // -- inspection
  // ----------------------------------------------------------------------------------------------------------

  template <class Visit>
  void each_shell(Visit visit) {
    slots_.each(visit);
    for (const auto& shell : guests_.shells()) visit(*shell);
  }
  /// To the SLOT that has the entity here: its own, or one of guests.
  void send_to(entity_key key, slot_input input) {
    if (const auto shell = guests_.find(key))
      caf::anon_send(shell->actor, std::move(input));
    else
      slots_.send(slot_of(key), std::move(input));
  }

  /// Asks every SLOT that exists; `ask(slot, answer)`, where answer takes a vector of Item. One that ends meanwhile
  /// counts as empty.
  template <class Item, class Ask>
  void gather(std::function<void(std::vector<Item>)> done, Ask ask, std::function<void(std::vector<Item>&)> trim = {}) {
    std::vector<caf::actor> slots;
    each_shell([&](slot_shell& shell) { slots.push_back(shell.actor); });
    if (slots.empty() || services_.is_stopping.load()) return done({});
    auto all = std::make_shared<gathering<Item>>(slots.size(), std::move(done), std::move(trim));
    for (const auto& slot : slots)
      ask(slot, surely<std::vector<Item>>([all](std::vector<Item> items) { all->add(std::move(items)); }, {}));
  }

  void entities(filter which, std::function<void(std::vector<entity_view>)> done) override {
    if (which.key) {
      const bool is_used = slots_.find(slot_of(*which.key)) || guests_.find(*which.key);
      if (services_.is_stopping.load() || !is_used) return done({});
      return send_to(*which.key, {slot_list{which, surely<std::vector<entity_view>>(std::move(done), {})}});
    }
    if (which.slot) {
      auto* shell = services_.is_stopping.load() ? nullptr : slots_.find(*which.slot);
      if (!shell) return done({});
      caf::anon_send(shell->actor, slot_input{slot_list{which, surely<std::vector<entity_view>>(std::move(done), {})}});
      return;
    }
    auto trimmed = [which, done = std::move(done)](std::vector<entity_view> all) {
      keep_first(all, which, which.count_max);
      done(std::move(all));
    };
    gather<entity_view>(
        std::move(trimmed),
        [which](const caf::actor& slot, auto answer) {
          caf::anon_send(slot, slot_input{slot_list{which, std::move(answer)}});
        },
        [which](auto& all) { keep_first(all, which, 2 * which.count_max); });
  }

  void slots(std::function<void(std::vector<slot_view>)> done) override {
    gather<slot_view>(std::move(done), [](const caf::actor& slot, auto answer) {
      caf::anon_send(slot, slot_input{slot_describe{[answer](slot_view view) { answer({std::move(view)}); }}});
    });
  }

  void snapshot(entity_key key, std::function<void(result<message_ptr>)> done) override {
    if (services_.is_stopping.load()) return done(errc::stopping);
    send_to(key, {slot_look{key, surely<result<message_ptr>>(std::move(done), errc::stopping)}});
  }
  void stop(entity_key key, std::function<void(result<>)> done) override { end(key, false, std::move(done)); }
  void restart(entity_key key, std::function<void(result<>)> done) override { end(key, true, std::move(done)); }
  void end(entity_key key, bool restart, std::function<void(result<>)> done) {
    if (services_.is_stopping.load()) return done(errc::stopping);
    send_to(key, {slot_end{key, restart, surely<result<>>(std::move(done), errc::stopping)}});
  }

  void kill(entity_key key, std::string why, std::function<void(result<>)> done) override {
    tell_slot(key, std::move(done), [&](auto surely_done) { return slot_kill{key, std::move(why), surely_done}; });
  }
  void quarantine(entity_key key, std::chrono::milliseconds for_so_long, std::string why,
                  std::function<void(result<>)> done) override {
    tell_slot(key, std::move(done), [&](auto surely_done) {
      return slot_quarantine{key, for_so_long, std::move(why), surely_done};
    });
  }
  void release(entity_key key, std::function<void(result<>)> done) override {
    tell_slot(key, std::move(done), [&](auto surely_done) { return slot_release{key, surely_done}; });
  }
  template <class Make>
  void tell_slot(entity_key key, std::function<void(result<>)> done, Make make) {
    if (services_.is_stopping.load()) return done(errc::stopping);
    send_to(key, {make(surely<result<>>(std::move(done), errc::stopping))});
  }

  void start_trace(std::optional<entity_key> key, std::size_t count_max,
                   std::chrono::milliseconds for_at_most) override {
    services_.trace.start(key, count_max, services_.clock.now() + for_at_most);
  }
  std::vector<passage> passages(std::int64_t mark, std::optional<entity_key> stream) const override {
    return services_.passages.find(
        16, [&](const passage& each) { return each.path.mark == mark && (!stream || each.stream == *stream); });
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
    all.handed_over = counters.handed_over;
    all.handed_bytes = counters.handed_bytes;
    all.taken_over = counters.taken_over;
    all.handovers_dropped = counters.handovers_dropped;
    all.loans = counters.loans;
    all.loans_returned = counters.loans_returned;
    all.loans_lost = counters.loans_lost;
    all.lent = static_cast<std::size_t>(std::max<std::int64_t>(0, counters.lent.load()));
    all.guests = guests_.size();
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
  guest_set guests_;
  live_region region_;
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
