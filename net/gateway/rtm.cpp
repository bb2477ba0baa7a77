// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/rtm.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/gateway/detail/rtm_parts.hpp"
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

}  // namespace

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

}  // namespace throng
