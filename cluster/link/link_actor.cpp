// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_actor.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

#include <caf/event_based_actor.hpp>

#include "cluster/borrowed_logger.hpp"
#include "cluster/harden.hpp"
#include "cluster/link/basp_socket.hpp"
#include "cluster/link/link_messages.hpp"
#include "config/log.hpp"

namespace throng {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr unsigned looks_max = 8;  // within about two seconds after a loss

std::uint64_t random_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random() | 1;  // 0 is none
}

std::uint64_t to_us(steady_time time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count());
}

void append(std::vector<char>& out, const std::vector<std::string>& parcels, std::size_t bytes) {
  out.resize(bytes + 4 * parcels.size());
  auto* place = out.data();
  for (const auto& each : parcels) {
    const auto size = static_cast<std::uint32_t>(each.size());
    for (int i = 0; i < 4; ++i) *place++ = static_cast<char>(size >> (8 * i) & 0xff);
    std::memcpy(place, each.data(), size);
    place += size;
  }
}

/// Takes the first parcel off; nothing if the bytes don't hold one.
std::optional<std::string_view> take_parcel(std::string_view& from) {
  if (from.size() < 4) return std::nullopt;
  std::uint32_t size = 0;
  for (int i = 0; i < 4; ++i) size |= std::uint32_t{static_cast<unsigned char>(from[i])} << (8 * i);
  if (size > from.size() - 4) return std::nullopt;
  const auto parcel = from.substr(4, size);
  from.remove_prefix(4 + std::size_t{size});
  return parcel;
}

/// How many there are; nothing if the bytes aren't parcels.
std::optional<std::size_t> count_parcels(std::string_view all) {
  std::size_t count = 0;
  for (; !all.empty(); ++count)
    if (!take_parcel(all)) return std::nullopt;
  return count;
}

class link_actor final : public caf::event_based_actor {
 public:
  link_actor(caf::actor_config& config, std::shared_ptr<const link_services> services, std::shared_ptr<link_end> end)
      : event_based_actor(config),
        services_(std::move(services)),
        end_(std::move(end)),
        detector_(services_->detector) {
    peer_ = end_->with([](auto& shared) { return shared.peer; });
    harden(this);
    set_down_handler([this](caf::down_msg& down) {
      if (remote_ && down.source == remote_.address()) drop("the connection is lost");
    });
  }
  const char* name() const override { return "LINK"; }

  caf::behavior make_behavior() override {
    expected_tick_ = clock::now() + tick_period();
    tick_later();
    dial();
    if (!dials()) look_soon();
    return {
        [this](link_input& input) { std::visit([this](auto& what) { take(what); }, input.what); },
        [this](const link_hello& hello) { hello.is_answer ? take_answer(hello) : take_hello(hello); },
        [this](const link_batch& batch) { take(batch); },
        [this](const link_beat& beat) { take(beat); },
    };
  }

 private:
  using clock = std::chrono::steady_clock;
  enum class stage { idle, dialing, joining, up };

  bool dials() const { return peer_.node < services_->self.node; }
  milliseconds tick_period() const { return std::max(milliseconds(1), services_->detector.interval / 2); }
  void tick_later() { delayed_send(this, tick_period(), link_input{link_tick{}}); }

  // -- a connection
  // --------------------------------------------------------------------------------------------------------

  void dial() {
    if (!dials() || stage_ != stage::idle) return;
    stage_ = stage::dialing;
    // A dial that the gate forgets would be one for ever.
    deadline_ = clock::now() + 3 * services_->handshake_deadline;
    const link_greeting greeting{.cluster = services_->cluster,
                                 .from = services_->self.node,
                                 .incarnation = services_->self.incarnation,
                                 .to = peer_.node};
    services_->dial(
        peer_.link_address, greeting, [link = caf::actor(this), attempt = ++attempt_](result<peer_socket> socket) {
          caf::anon_send(link,
                         link_input{link_socket{attempt, std::make_shared<result<peer_socket>>(std::move(socket))}});
        });
  }

  void take(link_socket& came) {
    if (came.attempt == 0) return serve(std::move(**came.socket), came.incarnation);
    if (stage_ != stage::dialing || came.attempt != attempt_) return;
    if (!*came.socket) {
      const auto& why = came.socket->failure();
      if (why.code == errc::not_found) tell_gone();
      return drop(why.detail, why.code == errc::no_permission);
    }
    begin_joining(**came.socket, random_id());
    join_basp(this, services_->broker, std::move(**came.socket), services_->self.node.value,
              services_->handshake_deadline, [this, number = connection_](result<caf::actor> joined) {
                if (stage_ != stage::joining || connection_ != number) return;
                if (!joined) return drop(joined.failure().detail);
                remote_ = *joined;
                monitor(remote_);
                link_hello hello;
                hello.connection = connection_;
                hello.incarnation = services_->self.incarnation;
                end_->with([&](auto& shared) {
                  hello.window = shared.window_id;
                  hello.other_window = shared.other_window;
                  hello.received = shared.window.received();
                });
                send(remote_, hello);
              });
  }

  /// The peer dialled, and the gate knows it. Whatever was before is over, since the peer has given it up.
  void serve(peer_socket socket, std::uint64_t incarnation) {
    if (dials() || incarnation < peer_.incarnation) return;
    if (stage_ != stage::idle) drop("the other end connected again");
    begin_joining(socket, 0);
    serve_basp(system(), services_->broker, std::move(socket), peer_.node.value, this);
  }

  void begin_joining(const peer_socket& socket, std::uint64_t connection) {
    stage_ = stage::joining;
    connection_ = connection;
    switch_ = socket.socket.duplicate();
    deadline_ = clock::now() + services_->handshake_deadline;
  }

  void take_hello(const link_hello& hello) {
    if (dials() || stage_ != stage::joining || remote_) return;
    if (!note_incarnation(hello.incarnation)) return drop("another incarnation is expected");
    remote_ = caf::actor_cast<caf::actor>(current_sender());
    if (!remote_) return drop("it has no handle");
    link_hello answer;
    answer.is_answer = true;
    answer.connection = connection_ = hello.connection;
    answer.incarnation = services_->self.incarnation;
    std::optional<std::vector<std::string>> lost;
    end_->with([&](auto& shared) {
      // A dialer that knows none of our windows may have missed our first answer.
      const bool is_known = hello.window == shared.other_window;
      const bool knows_us = hello.other_window == shared.window_id || hello.other_window == 0;
      answer.resumes = is_known && knows_us && shared.window.resume(hello.received);
      if (!answer.resumes) {
        if (shared.other_window != 0) {
          lost = shared.window.give_up();
          shared.window_id = random_id();
        }
        shared.other_window = hello.window;
      }
      answer.window = shared.window_id;
      answer.received = shared.window.received();
      shared.is_up = true;
    });
    monitor(remote_);
    send(remote_, answer);
    if (lost) report_lost(peer_, std::move(*lost));
    begin();
  }

  void take_answer(const link_hello& answer) {
    if (!dials() || stage_ != stage::joining || answer.connection != connection_) return;
    if (!note_incarnation(answer.incarnation)) return drop("another incarnation is expected");
    std::optional<std::vector<std::string>> lost;
    bool have_met = false;
    end_->with([&](auto& shared) {
      const bool fits = shared.other_window == 0 || shared.other_window == answer.window;
      if (answer.resumes && fits && shared.window.resume(answer.received)) {
        shared.other_window = answer.window;
      } else {
        if (shared.other_window != 0) lost = shared.window.give_up();
        // If the other end resumes and this one can't, they meet again as strangers.
        shared.other_window = answer.resumes ? 0 : answer.window;
        if (answer.resumes) shared.window_id = random_id();
      }
      shared.is_up = shared.other_window != 0;
      have_met = shared.is_up;
    });
    if (lost) report_lost(peer_, std::move(*lost));
    if (!have_met) return drop("the ends remember another link");
    begin();
  }

  void begin() {
    stage_ = stage::up;
    failures_ = 0;
    looks_left_ = 0;
    told_gone_ = 0;
    said_.clear();
    detector_ = failure_detector(services_->detector);
    detector_.heartbeat(clock::now());
    last_beat_ = {};
    log::info("node {}: link to {} is up", services_->self.name, peer_.name);
    tell_state(true);
    beat();
    flush();
  }

  /// Ends the connection, if there is one; the higher node dials again.
  void drop(const std::string& why, bool is_refused = false) {
    const bool was_up = stage_ == stage::up;
    stage_ = stage::idle;
    switch_.cut();
    connection_ = 0;
    if (remote_) demonitor(remote_);
    remote_ = nullptr;
    if (was_up) {
      end_->with([](auto& shared) {
        shared.is_up = false;
        shared.suspicion = 0;
        ++shared.reconnects;
      });
      log::info("node {}: link to {} is down: {}", services_->self.name, peer_.name, why);
      tell_state(false);
    } else if (said_ != why) {
      said_ = why;
      if (is_refused && why.starts_with("TLS"))  // nobody but a person can mend that
        log::warn("node {}: no link to {}: {}", services_->self.name, peer_.name, why);
      else if (is_refused)
        log::info("node {}: no link to {}: {}", services_->self.name, peer_.name, why);
      else
        log::debug("node {}: no link to {} yet: {}", services_->self.name, peer_.name, why);
    }
    if (dials() || looks_left_ > 0) return retry_later();
    if (was_up) look_soon();
  }

  /// From half of the time that doubles with each failure to all of it; the first try after a loss comes soon.
  void retry_later() {
    const auto doubled = services_->retry_min * (1u << std::min(failures_++, 10u));
    const auto most = std::min<milliseconds>(doubled, services_->retry_max);
    delayed_send(this, most / 2 + milliseconds(random_id() % std::max<std::uint64_t>(1, most.count() / 2)),
                 link_input{link_retry{++attempt_}});
  }
  void take(link_retry& retry) {
    if (retry.attempt != attempt_) return;
    dials() ? dial() : look();
  }

  /// Who waits to be dialled doesn't hear from a host whose process has ended; so it asks, a few times after a loss.
  void look_soon() {
    looks_left_ = looks_max;
    retry_later();
  }
  void look() {
    if (stage_ != stage::idle || looks_left_ == 0) return;
    --looks_left_;
    services_->look(peer_.link_address, [link = caf::actor(this), attempt = attempt_](const result<>& seen) {
      caf::anon_send(link, link_input{link_seen{attempt, !seen && seen.code() == errc::not_found}});
    });
  }
  void take(link_seen& seen) {
    if (stage_ != stage::idle || seen.attempt != attempt_) return;
    if (!seen.is_gone) return retry_later();
    looks_left_ = 0;
    tell_gone();
  }

  // -- frames
  // --------------------------------------------------------------------------------------------------------------

  void take(link_wake& wake) {
    end_->with([&](auto& shared) { (wake.is_timer ? shared.is_timed : shared.is_woken) = false; });
    flush();
  }

  void flush() {
    if (stage_ != stage::up) return;
    for (bool goes_on = true; goes_on;) {
      link_batch batch;
      bool sets_timer = false;
      goes_on = end_->with([&](auto& shared) {
        if (!shared.is_up || !shared.window.wants_to_send()) return false;
        const auto now = clock::now();
        if (now < last_frame_ + services_->gather && !shared.window.has_nothing_in_flight() &&
            !shared.window.has_full_frame()) {
          sets_timer = !std::exchange(shared.is_timed, true);
          return false;
        }
        last_frame_ = now;
        return shared.window.send_next([&](frame_number number, frame_number acknowledged, auto& parcels, auto bytes) {
          batch.number = number;
          batch.acknowledged = acknowledged;
          append(batch.parcels, parcels, bytes);
        });
      });
      if (sets_timer) delayed_send(this, services_->gather, link_input{link_wake{true}});
      if (!goes_on) return;
      batch.connection = connection_;
      send(remote_, std::move(batch));
    }
  }

  void take(const link_batch& batch) {
    if (stage_ != stage::up || batch.connection != connection_) return;
    std::string_view bytes(batch.parcels.data(), batch.parcels.size());
    const auto count = count_parcels(bytes);
    if (!count) return drop("it sent what isn't parcels");
    std::optional<link_frame> answer;
    bool wants_to_send = false;
    const auto verdict = end_->with([&](auto& shared) {
      if (!shared.is_up) return link_window::verdict::duplicate;  // the window is for another incarnation now
      const auto said = shared.window.receive(batch.number, batch.acknowledged, *count, batch.parcels.size());
      if (said != link_window::verdict::broken && shared.window.should_acknowledge())
        answer = shared.window.acknowledgement();
      wants_to_send = shared.window.wants_to_send();
      return said;
    });
    if (verdict == link_window::verdict::broken) return drop("a frame is missing");
    if (answer) acknowledge(*answer);
    if (verdict == link_window::verdict::deliver) {
      borrowed_logger::give_back();
      while (!bytes.empty()) services_->events.on_parcel(peer_.node, *take_parcel(bytes));
    }
    if (wants_to_send) flush();
  }

  void acknowledge(const link_frame& what) {
    link_batch batch;
    batch.connection = connection_;
    batch.acknowledged = what.acknowledged;
    send(remote_, std::move(batch));
  }

  // -- heartbeats
  // ----------------------------------------------------------------------------------------------------------

  void take(link_tick&) {
    const auto now = clock::now();
    // This process stood still, or had no time: its peers' beats wait to be read.
    if (now > expected_tick_ + 2 * tick_period())
      detector_.forgive(std::chrono::duration_cast<microseconds>(now - expected_tick_));
    expected_tick_ = now + tick_period();
    tick_later();
    if (stage_ == stage::up) {
      end_->with([&](auto& shared) { shared.suspicion = detector_.phi(now); });
      if (detector_.is_suspect(now)) return drop("it is silent");
      beats_next_ = !beats_next_;
      if (beats_next_) beat();
      if (auto answer = end_->with([](auto& shared) { return shared.window.acknowledgement(); })) acknowledge(*answer);
      flush();
    } else if (stage_ != stage::idle && now >= deadline_) {
      drop("no answer in time");
    }
  }

  void beat() {
    const auto now = to_us(clock::now());
    send(remote_, link_beat{connection_, now, last_beat_.sent_at, last_beat_.sent_at ? now - last_beat_at_ : 0});
  }

  void take(const link_beat& beat) {
    if (stage_ != stage::up || beat.connection != connection_) return;
    const auto now = clock::now();
    detector_.heartbeat(now);
    last_beat_ = beat;
    last_beat_at_ = to_us(now);
    if (beat.echo == 0 || beat.echo + beat.held > last_beat_at_) return;
    end_->with([&](auto& shared) { shared.round_trip = microseconds(last_beat_at_ - beat.echo - beat.held); });
  }

  // -- the peer
  // ------------------------------------------------------------------------------------------------------------

  void take(link_peer_changed& change) {
    if (change.is_another) {
      if (stage_ != stage::idle) drop("another incarnation is there");
      report_lost(change.before, std::move(change.lost));
    }
    peer_ = end_->with([](auto& shared) { return shared.peer; });
    if (stage_ == stage::up) return;
    if (dials() && stage_ != stage::idle) drop("its address changed");
    failures_ = 0;
    dial();
  }

  /// False if it is older than what is known, or if a message about it is on its way. The peer itself may say that it
  /// is a newer one before the topology does.
  bool note_incarnation(std::uint64_t incarnation) {
    bool fits = false;
    std::optional<std::vector<std::string>> lost;
    end_->with([&](auto& shared) {
      fits = shared.peer.incarnation == peer_.incarnation && incarnation >= peer_.incarnation;
      if (!fits || incarnation == peer_.incarnation) return;
      shared.peer.incarnation = incarnation;
      shared.window_id = random_id();
      shared.other_window = 0;
      lost = shared.window.give_up();
    });
    if (!lost) return fits;
    const auto before = peer_;
    peer_.incarnation = incarnation;
    report_lost(before, std::move(*lost));
    return true;
  }

  void take(link_stop& how) {
    drop(how.peer_is_gone ? "it is no member any more" : "this node stops");
    if (how.peer_is_gone) report_lost(peer_, end_->with([](auto& shared) { return shared.window.give_up(); }));
    withdraw_basp(services_->broker, peer_.node.value);
    quit();
  }

  void tell_state(bool is_up) {
    borrowed_logger::give_back();
    services_->events.on_state(peer_, is_up);
  }
  void tell_gone() {
    if (!services_->events.on_gone || std::exchange(told_gone_, peer_.incarnation) == peer_.incarnation) return;
    borrowed_logger::give_back();
    services_->events.on_gone(peer_);
  }
  void report_lost(const node_identity& peer, std::vector<std::string> parcels) {
    borrowed_logger::give_back();
    services_->events.on_lost(peer, std::move(parcels));
  }

  const std::shared_ptr<const link_services> services_;
  const std::shared_ptr<link_end> end_;
  node_identity peer_;

  stage stage_ = stage::idle;
  caf::actor remote_;
  unique_socket switch_;  // shutting it down ends the connection
  std::uint64_t connection_ = 0;
  std::uint64_t attempt_ = 0;
  unsigned failures_ = 0;
  unsigned looks_left_ = 0;
  std::uint64_t told_gone_ = 0;  // the incarnation whose process has ended
  std::string said_;             // why there is no connection, as it was last logged
  clock::time_point deadline_;
  clock::time_point last_frame_;

  failure_detector detector_;
  clock::time_point expected_tick_;
  bool beats_next_ = false;
  link_beat last_beat_;
  std::uint64_t last_beat_at_ = 0;
};

}  // namespace

caf::actor spawn_link(caf::actor_system& system, std::shared_ptr<const link_services> services,
                      std::shared_ptr<link_end> end) {
  borrowed_logger until_it_is_made;
  return system.spawn<link_actor>(std::move(services), std::move(end));
}

}  // namespace throng
