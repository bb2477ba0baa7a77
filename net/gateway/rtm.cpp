// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/rtm.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "actors/protocol.hpp"
#include "net/api/escaping.hpp"
#include "net/render/event.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::uint32_t channel_page_size = 1'000;

std::uint64_t mark_of(std::string_view token_hash) {
  std::uint64_t mark = 0;
  std::memcpy(&mark, token_hash.data(), std::min(sizeof mark, token_hash.size()));
  return mark;
}

/// The connection that this names is asked again later, or its SESSION doesn't know what it should.
bool may_pass(errc code) { return code != errc::stopping && code != errc::unknown_message; }

std::chrono::milliseconds backoff(const rtm_options& options, unsigned tries) {
  return options.retry_delay * (1 << std::min(tries, 6u));
}

/// A SESSION that doesn't hear of it would keep a person there who has gone.
void detach_until_heard(const std::shared_ptr<rtm_services>& services, std::size_t index, session_id session,
                        const message_ptr& notice, unsigned tries) {
  services->entities.ask_raw(
      key_of(session), notice, services->options.ask_timeout, [=](const result<message_ptr>& answer) {
        if (answer || !may_pass(answer.code()) || tries + 1 >= services->options.detach_tries_max) return;
        auto& loop = services->fan->loop(index);
        loop.post_always([=, &loop] {
          loop.after(backoff(services->options, tries),
                     [=] { detach_until_heard(services, index, session, notice, tries + 1); });
        });
      });
}

template <class T>
void insert_sorted(std::vector<T>& into, T value) {
  const auto at = std::lower_bound(into.begin(), into.end(), value);
  if (at == into.end() || *at != value) into.insert(at, value);
}

template <class T>
bool contains_sorted(const std::vector<T>& in, T value) {
  return std::binary_search(in.begin(), in.end(), value);
}

}  // namespace

struct rtm_connection::boot_state {
  std::vector<StreamCursor> cursors;  // of a resumed session, sorted by kind and id
  std::vector<user_id> watched;
  std::vector<std::pair<shared_frame, delivery>> held;
  std::size_t held_bytes = 0;
  std::size_t pending_streams = 0;
  std::string came_by;        // empty: as the request that opened the session did
  std::string reconnect_url;  // empty: it isn't known how clients reach us
  bool is_resumed = false;
  bool is_listed = false;
};

struct rtm_connection::listing {
  std::vector<channel_id> seen;      // on the person's list
  std::vector<channel_id> unlisted;  // taken off it since the list was asked for; sorted
  std::optional<seq_t> seq;          // of the person's stream, that the first page knows
  std::uint64_t after = 0;
};

// -- announcing
// --------------------------------------------------------------------------------------------------------

void rtm_services::announce_soon(std::size_t loop_index, std::uint64_t connection) {
  auto& waiting = announcing[loop_index];
  waiting.push_back(connection);
  if (waiting.size() > 1) return;
  fan->loop(loop_index).after(std::chrono::milliseconds(0), [self = shared_from_this(), loop_index] {
    self->announce_some(loop_index);
  });
}

void rtm_services::announce_some(std::size_t loop_index) {
  auto& waiting = announcing[loop_index];
  for (unsigned i = 0; i < options.announcements_per_turn && !waiting.empty(); ++i) {
    auto* reader = fan->on_loop(loop_index).find(waiting.front());
    waiting.pop_front();
    if (reader) static_cast<rtm_connection*>(reader)->announce();
  }
  if (waiting.empty()) return;
  fan->loop(loop_index).after(std::chrono::milliseconds(10), [self = shared_from_this(), loop_index] {
    self->announce_some(loop_index);
  });
}

rtm_connection::rtm_connection(std::shared_ptr<rtm_services> services, std::size_t loop_index, rtm_address address,
                               std::string came_by)
    : services_(std::move(services)),
      boot_(std::make_unique<boot_state>()),
      address_(std::move(address)),
      loop_index_(static_cast<std::uint16_t>(loop_index)),
      rate_tokens_(static_cast<std::uint16_t>(services_->options.frames_burst)) {
  boot_->came_by = std::move(came_by);
}

rtm_connection::~rtm_connection() = default;

template <class Reply, class Request, class Then>
void rtm_connection::ask(entity_key to, Request request, Then then) {
  auto& loop = services_->fan->loop(loop_index_);
  services_->entities.ask_raw(to, share(std::move(request)), services_->options.ask_timeout,
                              [fan = services_->fan, &loop, index = loop_index_, me = id(),
                               then = std::move(then)](result<message_ptr> answer) {
                                loop.post_always([fan, index, me, then, answer = std::move(answer)] {
                                  auto* reader = fan->on_loop(index).find(me);
                                  if (!reader) return;
                                  auto& self = static_cast<rtm_connection&>(*reader);
                                  if (!answer)
                                    return then(self, result<std::shared_ptr<const Reply>>(answer.failure()));
                                  auto reply = std::dynamic_pointer_cast<const Reply>(*answer);
                                  if (reply)
                                    then(self, result<std::shared_ptr<const Reply>>(std::move(reply)));
                                  else
                                    then(self, result<std::shared_ptr<const Reply>>(errc::unknown_message));
                                });
                              });
}

template <class Then>
void rtm_connection::later(std::chrono::milliseconds delay, Then then) {
  services_->fan->loop(loop_index_).after(delay, [fan = services_->fan, index = loop_index_, me = id(), then] {
    if (auto* reader = fan->on_loop(index).find(me)) then(static_cast<rtm_connection&>(*reader));
  });
}

void rtm_connection::on_census(entity_key bucket) {
  if (bucket == key_of(presence_bucket_of(user_))) announce_soon();
}

void rtm_connection::announce_soon() {
  if (std::exchange(is_queued_, true)) return;
  services_->announce_soon(loop_index_, id());
}

void rtm_connection::announce() {
  is_queued_ = false;
  if ((phase_ != phase::booting && phase_ != phase::open) || seed_.empty()) return;
  announces_again_ = is_announcing_;  // behind the answer: it may be one of before
  if (is_announcing_) return;
  is_announcing_ = true;
  AnnounceRequest request;
  request.set_seed(seed_);
  request.set_connection(id());
  request.set_node(services_->node.value);
  request.set_node_incarnation(services_->incarnation);
  request.set_peer(connection_->peer());
  const auto idle = services_->entities.now() - last_active_;
  request.set_idle_ms(std::chrono::duration_cast<std::chrono::milliseconds>(idle).count());
  for (const auto user : watched_) request.add_watched_users(user.value);
  ask<Nothing>(key_of(address_.session), std::move(request), [](rtm_connection& self, auto outcome) {
    self.is_announcing_ = false;
    if (self.is_closing()) return;
    const auto code = outcome ? errc{} : outcome.code();
    if (code == errc::conflict) return self.end(errc::conflict, ws_close::normal);
    if (std::exchange(self.announces_again_, false)) return self.announce();
    if (outcome || code == errc::invalid_arguments || !may_pass(code)) {
      self.announce_tries_ = 0;
      return;
    }
    const auto tries = self.announce_tries_;
    self.announce_tries_ = static_cast<std::uint8_t>(std::min(tries + 1, 6));
    self.later(backoff(self.services_->options, tries), [](rtm_connection& again) { again.announce(); });
  });
}

// -- from the upgrade to hello
// -----------------------------------------------------------------------------------------

void rtm_connection::on_open(std::shared_ptr<websocket_connection> connection) {
  connection_ = std::move(connection);
  ++services_->counters.connections;
  if (fan().reader_count() >= loop_fan_out::readers_max) {
    connection_->close(ws_close::try_again_later, "too many connections");
    return;
  }
  slot_ = fan().attach(*this);
  is_attached_ = true;
  rate_at_ = services_->entities.now();

  AttachRequest request;
  request.set_ticket(std::exchange(address_.ticket, {}));
  request.set_connection(id());
  request.set_node(services_->node.value);
  request.set_peer(connection_->peer());
  request.set_node_incarnation(services_->incarnation);
  request.set_base_url(boot_->came_by);
  ask<AttachReply>(key_of(address_.session), std::move(request), [](rtm_connection& self, auto outcome) {
    if (!outcome) return self.fail_boot(outcome.code());
    self.on_attached(**outcome);
  });
  services_->fan->loop(loop_index_)
      .after(services_->options.boot_timeout, [fan = services_->fan, index = loop_index_, me = id()] {
        auto* reader = fan->on_loop(index).find(me);
        if (!reader) return;
        auto& self = static_cast<rtm_connection&>(*reader);
        if (self.boot_) self.fail_boot(errc::request_timeout);
      });
}

void rtm_connection::fail_boot(errc why) {
  ++services_->counters.failed_boots;
  const bool is_final = why == errc::invalid_auth || why == errc::not_found || why == errc::account_inactive ||
                        why == errc::token_revoked || why == errc::token_expired;
  end(is_final && why == errc::not_found ? errc::invalid_auth : why,
      is_final ? ws_close::policy : ws_close::try_again_later);
}

void rtm_connection::on_attached(const AttachReply& reply) {
  if (phase_ != phase::attaching) return;
  phase_ = phase::booting;
  seed_ = reply.seed();
  last_active_ = services_->entities.now();  // as the SESSION tells the PRESENCE BUCKET
  const auto& caller = reply.caller();
  team_ = {caller.team()};
  user_ = {caller.user()};
  bot_ = {caller.bot()};
  app_ = {caller.app()};
  is_admin_ = caller.is_admin();
  may_post_ = reply.may_post();
  token_mark_ = mark_of(reply.token_hash());
  wants_batches_ = reply.has_presence_batches();
  fan().set_user(slot_, user_);
  boot_->is_resumed = reply.is_resumed();
  boot_->cursors.assign(reply.cursors().begin(), reply.cursors().end());
  std::sort(boot_->cursors.begin(), boot_->cursors.end(), [](const StreamCursor& a, const StreamCursor& b) {
    return std::pair(a.kind(), a.id()) < std::pair(b.kind(), b.id());
  });
  for (const auto user : reply.watched_users()) boot_->watched.push_back({user});
  if (!reply.base_url().empty() && !reply.reconnect_ticket().empty())
    boot_->reconnect_url = reply.base_url() + rtm_path({address_.session, reply.reconnect_ticket()});

  if (const auto old = reply.replaced_connection(); old && loop_fan_out::node_of(old) == services_->node) {
    const auto index = loop_fan_out::loop_of(old);
    if (index < services_->fan->loop_count())
      services_->fan->loop(index).post_always([fan = services_->fan, index, old] {
        if (auto* reader = fan->on_loop(index).find(old))
          static_cast<rtm_connection*>(reader)->end(errc::conflict, ws_close::normal);
      });
  }
  subscribe(key_of(team_));
  subscribe(key_of(user_));
  // The list is read once its changes are heard.
  if (boot_ && boot_->pending_streams == 0) start_listing();
}

void rtm_connection::subscribe(entity_key stream) {
  if (!boot_) {
    fan().subscribe_since(slot_, stream, team_, 0, true);  // nobody knows since when: a gap
    return;
  }
  auto start = loop_fan_out::start_kind::live;
  if (!boot_->is_resumed) {
    start = fan().subscribe(slot_, stream, team_);
  } else {
    const std::pair wanted(static_cast<std::uint32_t>(stream.kind), stream.id);
    const auto found = std::lower_bound(boot_->cursors.begin(), boot_->cursors.end(), wanted,
                                        [](const StreamCursor& a, const auto& b) {
                                          return std::pair<std::uint32_t, std::uint64_t>(a.kind(), a.id()) < b;
                                        });
    const bool is_found =
        found != boot_->cursors.end() && found->kind() == wanted.first && found->id() == wanted.second;
    if (is_found && found->epoch() != 0)
      start = fan().subscribe_after(slot_, stream, team_, {found->epoch(), found->seq()}, false);
    else
      start = fan().subscribe_since(slot_, stream, team_, is_found ? found->seq() : 0, false);
  }
  if (start == loop_fan_out::start_kind::pending) ++boot_->pending_streams;
}

void rtm_connection::on_stream_ready(entity_key) {
  if (!boot_ || boot_->pending_streams == 0) return;
  if (--boot_->pending_streams != 0) return;
  if (!listing_ && !boot_->is_listed)
    start_listing();
  else
    say_hello_if_ready();
}

void rtm_connection::start_listing() {
  listing_ = std::make_unique<listing>();
  ++listing_generation_;  // an answer to an older question doesn't count any more
  ask_for_channels();
}

void rtm_connection::ask_for_channels() {
  UserChannelsRequest request;
  request.set_after(listing_->after);
  request.set_limit(channel_page_size);
  ask<UserChannelsReply>(key_of(user_), std::move(request),
                         [generation = listing_generation_](rtm_connection& self, auto outcome) {
                           if (!self.listing_ || self.listing_generation_ != generation) return;
                           if (!outcome) return self.fail_boot(outcome.code());
                           self.on_channels(**outcome);
                         });
}

void rtm_connection::on_channels(const UserChannelsReply& page) {
  if (!listing_->seq) listing_->seq = page.seq();
  for (const auto& each : page.channels()) {
    const channel_id channel{each.channel()};
    const auto stream = key_of(channel);
    listing_->after = channel.value;
    listing_->seen.push_back(channel);
    if (contains_sorted(listing_->unlisted, channel)) continue;
    if (!fan().is_subscribed(slot_, stream)) {
      subscribe(stream);
      services_->fan->streams().set_private(stream, each.is_private());
    }
    if (!listing_) return;  // closed meanwhile
  }
  if (page.has_more() && page.channels_size() != 0)
    ask_for_channels();
  else
    end_listing();
}

void rtm_connection::end_listing() {
  auto seen = std::move(listing_->seen);
  // Where she resumes, her stream's events lead from what she had to this list; else they are older than it.
  if (!boot_ || !boot_->is_resumed) listed_seq_ = std::max(listed_seq_, listing_->seq.value_or(0));
  listing_.reset();
  if (boot_) {
    boot_->is_listed = true;
    say_hello_if_ready();
    return;
  }
  // After a gap in the person's own stream: what is not on her list is not hers any more.
  std::sort(seen.begin(), seen.end());
  std::vector<entity_key> gone;
  fan().for_each_stream(slot_, [&](entity_key stream) {
    if (stream.kind == entity_kind::channel && !contains_sorted(seen, channel_id{stream.id})) gone.push_back(stream);
  });
  for (const auto stream : gone) fan().unsubscribe(slot_, stream, services_->entities.now());
}

void rtm_connection::say_hello_if_ready() {
  if (phase_ != phase::booting || !boot_->is_listed || boot_->pending_streams != 0) return;
  phase_ = phase::open;
  ++services_->counters.sessions;
  const auto boot = std::move(boot_);
  std::string json;
  json_writer w(json);
  w.begin_object().member("type", "hello").member("session", to_text(address_.session));
  w.member("is_resumed", boot->is_resumed).end_object();
  send(json);
  if (!boot->reconnect_url.empty()) {
    json.clear();
    json_writer next(json);
    next.begin_object().member("type", "reconnect_url").member("url", boot->reconnect_url).end_object();
    send(json);
  }
  for (const auto& [frame, kind] : boot->held) send_now(frame, kind);
  fan().begin_following(slot_);
  // So that it hears when the bucket, which must know of this session, begins anew.
  fan().subscribe(slot_, key_of(presence_bucket_of(user_)), team_);
  if (!boot->watched.empty()) watch(boot->watched, false);
}

// -- events
// ------------------------------------------------------------------------------------------------------------

void rtm_connection::send(std::string_view json) { send_now(encode_text_frame(json), delivery::message); }

void rtm_connection::send_now(const shared_frame& frame, delivery kind) {
  // Refused: left out as droppable, or out of step until on_resync(); the transport counts both.
  (void)connection_->send(frame, kind);
}

void rtm_connection::deliver(const shared_frame& frames, delivery kind) {
  if (phase_ == phase::open) return send_now(frames, kind);
  if (!boot_ || kind != delivery::message) return;
  boot_->held_bytes += frames->size();
  if (boot_->held_bytes > services_->options.boot_bytes_max) {
    boot_->held.clear();
    connection_->close(ws_close::try_again_later, "too much happened before hello");
    phase_ = phase::closing;
    return;
  }
  boot_->held.emplace_back(frames, kind);
}

void rtm_connection::on_gap(entity_key stream) {
  if (stream == key_of(user_) && phase_ == phase::open) start_listing();
}

// The client's position may be from an earlier membership: if she has joined again since, the channel is on her list,
// and begins anew behind a gap.
void rtm_connection::on_departed_in_replay(entity_key) {
  if (phase_ == phase::open) start_listing();
}

void rtm_connection::on_own_event(const publication& published) {
  const auto* event = dynamic_cast<const Event*>(published.event.get());
  if (!event || phase_ == phase::closing || phase_ == phase::attaching) return;
  const bool is_known = published.seq != 0 && published.seq <= listed_seq_;
  if (is_known && (event->has_channel_listed() || event->has_channel_unlisted())) return;
  if (event->has_channel_listed()) {
    const auto& listed = event->channel_listed();
    const channel_id channel{listed.channel().id()};
    const auto stream = key_of(channel);
    if (listing_) std::erase(listing_->unlisted, channel);
    if (listing_) listing_->seen.push_back(channel);
    if (fan().is_subscribed(slot_, stream)) {
      fan().note_joined(slot_, stream, listed.seq());
    } else {
      const auto start = fan().subscribe_after(slot_, stream, team_, {0, listed.seq()}, phase_ == phase::open);
      if (boot_ && start == loop_fan_out::start_kind::pending) ++boot_->pending_streams;
    }
    services_->fan->streams().set_private(stream, listed.channel().is_private());
  } else if (event->has_channel_unlisted()) {
    const channel_id channel{event->channel_unlisted().channel()};
    if (listing_) {
      insert_sorted(listing_->unlisted, channel);
      std::erase(listing_->seen, channel);
    }
    fan().unsubscribe(slot_, key_of(channel), services_->entities.now());
  } else if (event->has_signed_out() && event->signed_out().session() != 0) {
    const auto reason = event->signed_out().reason();
    const auto only = event->signed_out().connection();
    const bool is_mine = address_.session.value == event->signed_out().session();
    if (is_mine && only == id()) {
      // Behind this turn, which may have events for other streams of it.
      services_->fan->loop(loop_index_).post_always([fan = services_->fan, index = loop_index_, me = id()] {
        if (auto* reader = fan->on_loop(index).find(me)) static_cast<rtm_connection&>(*reader).give_way();
      });
    } else if (is_mine && only == 0) {
      end(reason ? static_cast<errc>(reason) : errc::invalid_auth, ws_close::policy);
    }
  } else if (event->has_signed_out()) {
    const auto& hashes = event->signed_out().token_hashes();
    const bool is_mine = std::any_of(hashes.begin(), hashes.end(),
                                     [this](const std::string& hash) { return mark_of(hash) == token_mark_; });
    if (hashes.empty() || is_mine) end(hashes.empty() ? errc::account_inactive : errc::token_revoked, ws_close::policy);
  }
}

void rtm_connection::on_presence(const publication& published, const shared_frame& single) {
  const auto* event = dynamic_cast<const Event*>(published.event.get());
  if (!event || !event->has_presence() || phase_ != phase::open) return;
  const auto& change = event->presence();
  std::vector<user_id> mine;
  for (const auto user : change.users())
    if (contains_sorted(watched_, user_id{user})) mine.push_back({user});
  if (mine.empty()) return;
  if (queries_in_flight_)
    for (const auto user : mine) insert_sorted(changed_meanwhile_, user);
  if (single) return send_now(single, delivery::presence);
  const std::vector<user_id> nobody;
  show_presence(change.is_active() ? mine : nobody, change.is_active() ? nobody : mine);
}

overflow_decision rtm_connection::on_overflow() {
  const auto now = services_->entities.now();
  const bool is_again = last_resync_ != steady_time{} && now - last_resync_ < services_->options.resync_interval;
  last_resync_ = now;
  if (is_again || phase_ != phase::open) return overflow_decision::close;
  ++services_->counters.resyncs;
  return overflow_decision::resync;
}

// All streams alike: nobody knows whose frames were discarded.
void rtm_connection::on_resync() {
  std::vector<shared_frame> frames{encode_text_frame(R"({"type":"resync_needed"})")};
  for (const auto& each : fan().cursors(slot_)) {
    std::string json;
    render_gap(json, each.stream, each.at.epoch, each.at.seq);
    frames.push_back(encode_text_frame(json));
  }
  send_now(join_frames(frames), delivery::message);
}

void rtm_connection::on_close(std::uint16_t) {
  --services_->counters.connections;
  if (!is_attached_) return;
  if (phase_ == phase::open || phase_ == phase::parting || (phase_ == phase::closing && !boot_))
    --services_->counters.sessions;
  // An Attach that is still under way is followed by this notice, so that no session is left with a dead socket.
  // Of one that was parting, the SESSION knows where it was: what came since was not sent.
  if (user_ || phase_ == phase::attaching) detach(phase_ == phase::parting || has_said_goodbye_);
  phase_ = phase::closing;
  fan().detach(slot_, services_->entities.now());
  is_attached_ = false;
}

void rtm_connection::give_way() {
  const bool is_known = phase_ == phase::parting || has_said_goodbye_;
  end(errc::conflict, ws_close::normal);
  // Who takes its place waits to hear what it was sent; the close may take as long as a dead line takes.
  detach(is_known);
}

void rtm_connection::detach(bool is_known) {
  if (std::exchange(has_detached_, true)) return;
  DetachNotice notice;
  notice.set_connection(id());
  notice.set_user(user_.value);
  if (!is_known) add_cursors(*notice.mutable_cursors());
  detach_until_heard(services_, loop_index_, address_.session, share(std::move(notice)), 0);
}

/// Where it is in each stream.
void rtm_connection::add_cursors(google::protobuf::RepeatedPtrField<StreamCursor>& to) {
  for (const auto& each : fan().cursors(slot_)) {
    if (!each.at.is_known() && each.stamp == 0) continue;
    auto& cursor = *to.Add();
    cursor.set_kind(static_cast<std::uint32_t>(each.stream.kind));
    cursor.set_id(each.stream.id);
    // Epoch 0: nothing has come since the subscription of this stamp began.
    cursor.set_epoch(each.at.epoch);
    cursor.set_seq(each.at.is_known() ? each.at.seq : each.stamp);
    cursor.set_is_untouched(each.is_untouched);
  }
}

void rtm_connection::part(const std::shared_ptr<const drain_order>& order, std::size_t turn) {
  if (is_closing()) return;
  if (phase_ != phase::open) return say_goodbye({});
  // From here on events are not sent: they come behind the cursors, at the next gateway.
  phase_ = phase::parting;
  PartRequest request;
  request.set_connection(id());
  add_cursors(*request.mutable_cursors());
  ask<PartReply>(key_of(address_.session), std::move(request), [order, turn](rtm_connection& self, auto outcome) {
    if (self.phase_ != phase::parting || self.has_said_goodbye_) return;
    // The last node takes all sessions with it.
    const auto base_url = outcome ? order->place_for((*outcome)->base_url(), turn) : std::string();
    if (base_url.empty()) return self.say_goodbye({});
    self.say_goodbye(base_url + rtm_path({self.address_.session, (*outcome)->ticket()}));
  });
  later(services_->options.part_timeout, [](rtm_connection& self) {
    if (self.phase_ == phase::parting && !self.has_said_goodbye_) self.say_goodbye({});
  });
}

void rtm_connection::say_goodbye(std::string_view url) {
  has_said_goodbye_ = true;
  std::string json;
  if (!url.empty()) {
    json_writer next(json);
    next.begin_object().member("type", "reconnect_url").member("url", url).end_object();
    send(json);
    json.clear();
  }
  const auto chance = static_cast<std::int64_t>(id() * 0x9E37'79B9'7F4A'7C15 >> 48);
  const auto wait = services_->options.reconnect_jitter_max.count() * chance / 65'536;
  json_writer goodbye(json);
  goodbye.begin_object().member("type", "goodbye");
  goodbye.member("reconnect_after_ms", wait);
  if (!url.empty()) goodbye.member("url", url);
  goodbye.end_object();
  send(json);
  leave_when_quiet(20);
}

void rtm_connection::leave_when_quiet(unsigned looks) {
  if (phase_ == phase::closing) return;
  if (posts_in_flight_ > 0 && looks > 0)
    return later(std::chrono::milliseconds(100), [looks](rtm_connection& self) { self.leave_when_quiet(looks - 1); });
  phase_ = phase::closing;
  connection_->close(ws_close::going_away, "the server is going away");
}

void rtm_connection::end(errc why, std::uint16_t code) {
  if (phase_ == phase::closing) return;
  send(render_rtm_error({}, error{why, {}}));
  phase_ = phase::closing;
  connection_->close(code, to_string(why));
}

// -- what the client sends
// ---------------------------------------------------------------------------------------------

bool rtm_connection::take_rate_token() {
  const auto& options = services_->options;
  const auto now = services_->entities.now();
  const auto period = std::chrono::nanoseconds(std::chrono::seconds(1)) / options.frames_per_second;
  const auto earned = (now - rate_at_) / period;
  if (earned > 0) {
    rate_tokens_ = static_cast<std::uint16_t>(std::min<std::int64_t>(options.frames_burst, rate_tokens_ + earned));
    rate_at_ += earned * period;
  }
  if (rate_tokens_ == 0) return false;
  --rate_tokens_;
  return true;
}

void rtm_connection::on_text(std::string_view payload) {
  if (phase_ == phase::closing) return;
  if (payload.size() > rtm_frame_bytes_max) {
    end(errc::msg_too_long, ws_close::too_big);
    return;
  }
  decode_rtm_frame(
      payload,
      [this](rtm_command command) {
        if (phase_ == phase::closing) return;
        ++services_->counters.commands;
        if (take_rate_token()) {
          if (rate_tokens_ >= services_->options.frames_burst / 2) excess_frames_ = 0;
          return run(std::move(command));
        }
        ++services_->counters.refused_frames;
        if (++excess_frames_ > services_->options.excess_frames_max) return end(errc::rate_limited, ws_close::policy);
        send(render_rtm_error(command.id, error{errc::rate_limited, {}}));
      },
      [this](rtm_problem problem) {
        if (phase_ == phase::closing) return;
        if (take_rate_token() || ++excess_frames_ <= services_->options.excess_frames_max)
          send(render_rtm_error(problem.id, problem.what));
        else
          end(errc::rate_limited, ws_close::policy);
      });
}

void rtm_connection::on_binary(std::string_view) {
  if (phase_ != phase::closing) end(errc::invalid_post_type, ws_close::policy);
}

void rtm_connection::run(rtm_command command) {
  if (command.kind == rtm_kind::ping) return send(command.pong);
  if (phase_ != phase::open)
    return send(render_rtm_error(command.id, error{errc::service_unavailable, boot_ ? "before hello" : "goodbye"}));
  switch (command.kind) {
    case rtm_kind::message:
      return post(std::move(command));
    case rtm_kind::typing:
      return type(command);
    case rtm_kind::presence_sub:
      return keep_own(command, [which = ++watch_generation_](rtm_connection& self, std::vector<user_id> users) {
        if (self.watch_generation_ == which) self.watch(std::move(users), true);
      });
    case rtm_kind::presence_query:
      return keep_own(command,
                      [](rtm_connection& self, const std::vector<user_id>& users) { self.query_presence(users); });
    case rtm_kind::tickle:
      return note_active();
    case rtm_kind::ping:
      return;
  }
}

void rtm_connection::fill(Caller& caller) const {
  caller.set_team(team_.value);
  caller.set_user(user_.value);
  caller.set_bot(bot_.value);
  caller.set_app(app_.value);
  caller.set_is_admin(is_admin_);
}

void rtm_connection::post(rtm_command command) {
  note_active();
  if (!may_post_) return send(render_rtm_error(command.id, error{errc::missing_scope, "chat:write"}));
  if (posts_in_flight_ >= services_->options.posts_in_flight_max)
    return send(render_rtm_error(command.id, error{errc::rate_limited, "too many posts without an answer yet"}));
  ++posts_in_flight_;
  ++services_->counters.posts;
  PostRequest request;
  fill(*request.mutable_caller());
  request.mutable_caller()->set_connection(id());
  auto& data = *request.mutable_data();
  data.set_text(escape_text(command.text));
  data.set_bot(bot_.value);
  data.set_app(bot_ ? app_.value : 0);
  request.set_thread_ts(command.thread_ts.micros);
  data.set_is_broadcast(command.is_broadcast && command.thread_ts);
  ask<PostReply>(key_of(command.channel), std::move(request),
                 [reply_to = std::move(command.id)](rtm_connection& self, auto outcome) {
                   --self.posts_in_flight_;
                   if (self.phase_ != phase::open && self.phase_ != phase::parting) return;
                   if (!outcome) return self.send(render_rtm_error(reply_to, outcome.failure()));
                   const auto& message = (*outcome)->message();
                   self.services_->fan->deliveries().add({key_of(channel_id{message.channel()}),
                                                          message.seq(),
                                                          {message.ts()},
                                                          self.services_->entities.wall(),
                                                          delivery_note::step_t::answered,
                                                          0,
                                                          1});
                   self.send(render_rtm_ack(reply_to, to_text(message_ts{message.ts()}), message.data().text()));
                 });
}

void rtm_connection::type(const rtm_command& command) {
  note_active();
  if (!fan().is_subscribed(slot_, key_of(command.channel))) return;
  TypingNotice notice;
  fill(*notice.mutable_caller());
  notice.mutable_caller()->set_connection(id());
  notice.set_thread_ts(command.thread_ts.micros);
  (void)services_->entities.tell(key_of(command.channel), share(std::move(notice)));  // may be lost, like all typing
}

void rtm_connection::note_active() {
  const auto now = services_->entities.now();
  if (last_active_ != steady_time{} && now - last_active_ < services_->options.active_interval) return;
  last_active_ = now;
  (void)services_->entities.tell(key_of(address_.session), share(ActiveNotice()));  // repeated by the next activity
}

// -- presence
// ----------------------------------------------------------------------------------------------------------

// Of people elsewhere nothing is told, not even that they are away.
template <class Then>
void rtm_connection::keep_own(const rtm_command& command, Then then) {
  if (command.users.empty()) return then(*this, {});
  FindUsersRequest request;
  for (const auto user : command.users) request.add_ids(user.value);
  request.set_ids_only(true);
  ask<UsersReply>(key_of(team_), std::move(request),
                  [reply_to = command.id, then = std::move(then)](rtm_connection& self, auto outcome) {
                    if (self.phase_ != phase::open) return;
                    if (!outcome) return self.send(render_rtm_error(reply_to, outcome.failure()));
                    std::vector<user_id> users;
                    for (const auto& user : (*outcome)->users()) users.push_back({user.id()});
                    std::sort(users.begin(), users.end());
                    then(self, std::move(users));
                  });
}

void rtm_connection::watch(std::vector<user_id> users, bool tell_session) {
  const auto buckets_of = [](const std::vector<user_id>& people) {
    std::vector<std::uint64_t> buckets;
    for (const auto user : people) buckets.push_back(presence_bucket_of(user).value);
    std::sort(buckets.begin(), buckets.end());
    buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
    return buckets;
  };
  const auto own = presence_bucket_of(user_).value;
  const auto before = buckets_of(watched_);
  watched_ = std::move(users);
  watched_.shrink_to_fit();
  std::sort(watched_.begin(), watched_.end());
  const auto after = buckets_of(watched_);
  for (const auto bucket : before)
    if (bucket != own && !contains_sorted(after, bucket))
      fan().unsubscribe(slot_, key_of(bucket_id{bucket}), services_->entities.now());
  for (const auto bucket : after)
    if (!contains_sorted(before, bucket)) fan().subscribe(slot_, key_of(bucket_id{bucket}), team_);
  if (tell_session) {
    WatchPresenceRequest request;
    request.set_connection(id());
    for (const auto user : watched_) request.add_users(user.value);
    (void)services_->entities.tell(key_of(address_.session), share(std::move(request)));  // for a later resume only
  }
  query_presence(watched_);
}

void rtm_connection::query_presence(const std::vector<user_id>& users) {
  std::map<bucket_id, PresenceQuery> queries;
  for (const auto user : users) queries[presence_bucket_of(user)].add_users(user.value);
  for (auto& [bucket, query] : queries) {
    if (queries_in_flight_ == UINT16_MAX) return;
    ++queries_in_flight_;
    ask<PresenceReply>(key_of(bucket), std::move(query), [bucket = bucket](rtm_connection& self, auto outcome) {
      std::vector<user_id> active;
      std::vector<user_id> away;
      if (outcome)
        for (const auto& state : (*outcome)->states()) {
          const user_id user{state.user()};
          // A change that came meanwhile is newer than this answer may be.
          if (contains_sorted(self.changed_meanwhile_, user)) continue;
          (state.is_active() ? active : away).push_back(user);
        }
      if (--self.queries_in_flight_ == 0) self.changed_meanwhile_ = {};
      self.fan().note_presence(key_of(bucket), active, away);
      if (self.phase_ == phase::open) self.show_presence(active, away);
    });
  }
}

void rtm_connection::show_presence(const std::vector<user_id>& active, const std::vector<user_id>& away) {
  const auto show = [this](std::span<const user_id> users, bool is_active) {
    if (users.empty()) return;
    std::string json;
    render_presence(json, users, is_active);
    send_now(encode_text_frame(json), delivery::presence);
  };
  for (const auto* group : {&active, &away}) {
    if (wants_batches_)
      show(*group, group == &active);
    else
      for (const auto& user : *group) show(std::span(&user, 1), group == &active);
  }
}

}  // namespace throng
