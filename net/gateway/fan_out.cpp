// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/fan_out.hpp"

#include <algorithm>
#include <bit>
#include <random>
#include <utility>

#include "actors/protocol.hpp"
#include "net/render/event.hpp"
#include "storage/model/assert.hpp"

namespace throng {

using std::chrono::microseconds;

namespace {

shared_frame encode_presence(const PresenceChange& change) {
  if (change.users_size() != 1) return nullptr;  // readers get the part they watch
  const user_id user{change.users(0)};
  std::string json;
  render_presence(json, std::span(&user, 1), change.is_active());
  return encode_text_frame(json);
}

/// Who asked may not read the stream (any more); another try won't help.
bool is_refusal(errc code) {
  switch (code) {
    case errc::channel_not_found:
    case errc::not_in_channel:
    case errc::user_not_found:
    case errc::team_not_found:
    case errc::no_permission:
    case errc::account_inactive:
      return true;
    default:
      return false;
  }
}

message_ts post_of(const publication& published) {
  if (published.seq == 0 || published.stream.kind != entity_kind::channel) return {};
  const auto* event = dynamic_cast<const Event*>(published.event.get());
  return {event && event->has_message() ? event->message().ts() : 0};
}

bool is_worth_another_try(errc code) {
  switch (code) {
    case errc::unavailable:
    case errc::overloaded:
    case errc::deadline_exceeded:
    case errc::wrong_owner:
    case errc::stale_epoch:
    case errc::service_unavailable:
      return true;
    default:
      return false;
  }
}

}  // namespace

/// One loop's share, and the asking for what its readers have missed.
class fan_out::loop_state final : public replay_source {
 public:
  loop_state(fan_out& owner, node_index node, std::size_t index, io_loop& on)
      : loop(on),
        inbox(owner.options_.inbox_bytes_max),
        fan(node, index, owner.directory_, *this, owner.options_.catch_up, std::random_device()()),
        owner_(owner),
        index_(index) {}

  void replay(entity_key stream, stream_position after, std::uint64_t stamp, user_id user,
              std::uint64_t token) override {
    ReplayRequest request;
    request.set_epoch(after.epoch);
    request.set_after_seq(after.seq);
    if (!after.is_known() && after.seq == 0 && stamp != 0) {
      const auto slack = static_cast<std::uint64_t>(microseconds(owner_.options_.clocks_apart_max).count());
      request.set_since(static_cast<std::int64_t>(std::max(stamp, slack + 1) - slack));
    }
    request.set_count_max(static_cast<std::uint32_t>(owner_.options_.replay_events_max));
    request.set_user(user.value);
    ask(stream, share(std::move(request)), token, 1);
  }

  void wake(entity_key bucket) override {
    // Its answer is of no interest: from now on it is there, and tells.
    owner_.region_.ask_raw(bucket, share(PresenceQuery()), owner_.options_.replay_timeout, [](const auto&) {});
  }

  shared_frame gap_frame(entity_key stream, stream_position behind) override {
    std::string json;
    render_gap(json, stream, behind.epoch, behind.seq);
    return encode_text_frame(json);
  }

  io_loop& loop;
  loop_inbox inbox;
  loop_fan_out fan;  // this loop's thread only
  std::vector<arrival> events;
  std::vector<entity_key> gapped;
  mutable std::mutex figures_mutex;
  loop_fan_out_figures figures;  // copied after each turn

 private:
  void ask(entity_key stream, message_ptr request, std::uint64_t token, unsigned attempt) {
    owner_.region_.ask_raw(
        stream, request, owner_.options_.replay_timeout,
        [this, keep = owner_.shared_from_this(), stream, request, token, attempt](result<message_ptr> answer) {
          on_answer(keep, stream, request, token, attempt, std::move(answer));
        });
  }

  // On any thread: what a page costs to encode is paid here, not on the io thread.
  void on_answer(const std::shared_ptr<fan_out>& keep, entity_key stream, const message_ptr& request,
                 std::uint64_t token, unsigned attempt, result<message_ptr> answer) {
    if (answer) {
      if (auto reply = std::dynamic_pointer_cast<const ReplayReply>(*answer)) {
        auto page = std::make_shared<std::vector<arrival>>(arrivals_of(stream, reply));
        std::optional<seq_t> begin;
        if (dynamic_cast<const ReplayRequest&>(*request).since() != 0) begin = reply->after_seq();
        loop.post_always([this, keep, token, reply, page, begin] {
          fan.on_page(token, reply->epoch(), reply->end_seq(), *page, owner_.region_.now(), begin);
          owner_.note_written(*this);
        });
        return;
      }
    }
    const auto code = answer ? errc::unknown_message : answer.code();
    if (is_worth_another_try(code) && attempt < owner_.options_.replay_tries_max) {
      const auto delay = owner_.options_.replay_retry_delay * (1 << (attempt - 1));
      loop.post_always([this, keep, stream, request, token, attempt, delay] {
        loop.after(delay, [this, keep, stream, request, token, attempt] { ask(stream, request, token, attempt + 1); });
      });
      return;
    }
    loop.post_always([this, keep, token, code] { fan.on_lost(token, !is_refusal(code), owner_.region_.now()); });
  }

  std::vector<arrival> arrivals_of(entity_key stream, const std::shared_ptr<const ReplayReply>& reply) {
    const auto to = owner_.directory_.look(stream);
    std::vector<arrival> page;
    page.reserve(static_cast<std::size_t>(reply->events_size()));
    for (const auto& numbered : reply->events()) {
      publication told;
      told.stream = stream;
      told.epoch = reply->epoch();
      told.seq = numbered.seq();
      told.event = message_ptr(reply, &numbered.event());  // shares the reply
      auto frame = owner_.encode(told, to);
      const message_ts post{numbered.event().has_message() ? numbered.event().message().ts() : 0};
      page.push_back({std::make_shared<const publication>(std::move(told)), std::move(frame), post});
    }
    return page;
  }

  fan_out& owner_;
  const std::size_t index_;
};

std::shared_ptr<fan_out> fan_out::make(node_index node, region& entities, const std::vector<io_loop*>& loops,
                                       const fan_out_options& options) {
  return std::shared_ptr<fan_out>(new fan_out(node, entities, loops, options));
}

fan_out::fan_out(node_index node, region& entities, const std::vector<io_loop*>& loops, const fan_out_options& options)
    : region_(entities),
      options_(options),
      bots_([this](team_id team, bot_id bot, auto done) { look_up_bot(team, bot, std::move(done)); }),
      deliveries_(options.deliveries_max),
      directory_(options.streams,
                 {[this](entity_key stream, std::function<void(result<>)> done) {
                    region_.subscribe(stream, [keep = shared_from_this(), done = std::move(done)](result<> outcome) {
                      done(std::move(outcome));
                    });
                  },
                  [this](entity_key stream) { region_.unsubscribe(stream); }, [this] { return region_.wall(); }},
                 [this](entity_key stream, std::uint64_t which) {
                   for (std::size_t i = 0; i < loops_.size(); ++i)
                     if (which & std::uint64_t{1} << i)
                       loops_[i]->loop.post_always(
                           [keep = shared_from_this(), stream, i] { keep->loops_[i]->fan.on_ready(stream); });
                 }) {
  THRONG_ASSERT(!loops.empty() && loops.size() <= stream_directory::loops_max);
  for (std::size_t i = 0; i < loops.size(); ++i)
    loops_.push_back(std::make_unique<loop_state>(*this, node, i, *loops[i]));
}

fan_out::~fan_out() = default;

void fan_out::start() {
  region_.on_renewal([weak = weak_from_this()](entity_key stream) {
    const auto self = weak.lock();
    if (!self) return;
    const auto to = self->directory_.look(stream);
    for (std::size_t i = 0; i < self->loops_.size(); ++i)
      if ((to.loops & std::uint64_t{1} << i) && self->loops_[i]->inbox.push_gap(stream)) self->wake(i);
  });
  region_.on_publication([weak = weak_from_this()](const publication_ptr& published) {
    if (const auto self = weak.lock()) self->publish(published);
  });
  loops_.front()->loop.post_always([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->sweep_later();
  });
}

void fan_out::sweep_later() {
  loops_.front()->loop.after(options_.sweep_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->directory_.sweep(self->region_.now());
    self->sweep_later();
  });
}

loop_fan_out& fan_out::on_loop(std::size_t index) { return loops_[index]->fan; }
io_loop& fan_out::loop(std::size_t index) { return loops_[index]->loop; }

shared_frame fan_out::encode(const publication& published, const stream_directory::route& to) const {
  if (published.stream.kind == entity_kind::presence) {
    const auto* event = dynamic_cast<const Event*>(published.event.get());
    return event && event->has_presence() ? encode_presence(event->presence()) : nullptr;
  }
  thread_local std::string json;
  json.clear();
  if (!render_event(json, published, {to.team, to.is_private, &bots_})) return nullptr;
  auto frame = encode_text_frame(json);
  encoded_bytes_.fetch_add(frame->size(), std::memory_order_relaxed);
  return frame;
}

void fan_out::publish(const publication_ptr& published) {
  const auto to = directory_.pass(*published);
  if (to.loops == 0) return;
  published_.fetch_add(1, std::memory_order_relaxed);
  const arrival event{published, encode(*published, to), post_of(*published)};
  if (event.post)
    deliveries_.add(delivery_note{published->stream, published->seq, event.post, region_.wall(),
                                  delivery_note::step_t::encoded, 0,
                                  static_cast<std::uint32_t>(std::popcount(to.loops))});
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    if (!(to.loops & std::uint64_t{1} << i)) continue;
    if (loops_[i]->inbox.push(event) == loop_inbox::outcome::queued_first) wake(i);
  }
}

/// What the loop has passed on since the last time, for `why`.
void fan_out::note_written(loop_state& state) {
  auto& passed = state.fan.passed_on();
  if (passed.empty()) return;
  const auto at = region_.wall();
  for (auto& each : passed) each.at = at;
  deliveries_.add(passed);
  passed.clear();
}

// One task at a time and loop, so it needs no bound.
void fan_out::wake(std::size_t index) {
  loops_[index]->loop.post_always([weak = weak_from_this(), index] {
    if (const auto self = weak.lock()) self->run_turn(index);
  });
}

void fan_out::run_turn(std::size_t index) {
  auto& state = *loops_[index];
  state.inbox.take(state.events, state.gapped);
  state.fan.run_turn(state.events, state.gapped, region_.now());
  note_written(state);
  state.events.clear();
  state.gapped.clear();
  const std::lock_guard lock(state.figures_mutex);
  state.figures = state.fan.figures();
}

void fan_out::look_up_bot(team_id team, bot_id bot, std::function<void(std::optional<bot_card>)> done) {
  FindBotRequest request;
  request.set_bot(bot.value);
  region_.ask_raw(
      key_of(team), share(std::move(request)), options_.replay_timeout,
      [keep = shared_from_this(), done = std::move(done)](result<message_ptr> answer) {
        std::shared_ptr<const InstallAppReply> reply;
        if (answer) reply = std::dynamic_pointer_cast<const InstallAppReply>(*answer);
        if (!reply) return done(std::nullopt);
        const auto& app = reply->app();
        done(bot_card{bot_id{app.bot()}, app_id{app.app()}, user_id{app.bot_user()}, app.name(), app.updated()});
      });
}

fan_out_figures fan_out::figures() const {
  fan_out_figures sum;
  for (const auto& each : loops_) {
    sum.inbox_bytes += each->inbox.bytes();
    const auto dropped = each->inbox.dropped();
    for (std::size_t i = 0; i < dropped.size(); ++i) sum.dropped[i] += dropped[i];
    const std::lock_guard lock(each->figures_mutex);
    sum.loops.deliveries += each->figures.deliveries;
    sum.loops.buffers += each->figures.buffers;
    sum.loops.joined_events += each->figures.joined_events;
    sum.loops.duplicates += each->figures.duplicates;
    sum.loops.skips += each->figures.skips;
    sum.loops.replays += each->figures.replays;
    sum.loops.gaps += each->figures.gaps;
  }
  sum.published = published_;
  sum.encoded_bytes = encoded_bytes_;
  sum.streams = directory_.stream_count();
  return sum;
}

}  // namespace throng
