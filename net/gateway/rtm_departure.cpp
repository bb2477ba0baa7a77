// SPDX-License-Identifier: Apache-2.0
// Of an RTM connection: how its SESSION hears that it is here, and that it goes, and where it is sent instead.
#include <algorithm>
#include <utility>

#include "net/gateway/detail/rtm_parts.hpp"
#include "storage/json/json.hpp"

namespace throng {

namespace {

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

}  // namespace

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

// -- leaving
// --------------------------------------------------------------------------------------------------------------

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

}  // namespace throng
