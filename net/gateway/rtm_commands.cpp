// SPDX-License-Identifier: Apache-2.0
// Of an RTM connection: what its client sends, but for presence (rtm_presence.cpp).
#include <algorithm>
#include <utility>

#include "net/api/escaping.hpp"
#include "net/gateway/detail/rtm_parts.hpp"

namespace throng {

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

}  // namespace throng
