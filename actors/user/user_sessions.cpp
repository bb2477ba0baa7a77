// SPDX-License-Identifier: Apache-2.0
// The USER's live sessions. They are kept in memory only: after an activation they are learned again from the SESSIONs,
// which repeat themselves; one that has fallen silent died with its node and no longer counts.
#include <algorithm>
#include <utility>
#include <vector>

#include "actors/user/user.hpp"

namespace throng {

result<Nothing> user::show(const Ephemeral& message, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  Event event;
  *event.mutable_ephemeral() = message;
  event.set_at(message.message().ts());
  stream_.publish_unnumbered(std::move(event), delivery_class::message);
  return Nothing{};
}

result<Nothing> user::sign_out(const SignedOut& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  end_sessions(request);
  return Nothing{};
}

void user::end_sessions(const SignedOut& which) {
  Event event;
  *event.mutable_signed_out() = which;
  stream_.publish_unnumbered(std::move(event), delivery_class::message);
  if (which.session() != 0) return;  // it has ended already, and wants its socket to hear it
  // Those without a socket don't hear it: they are told one by one.
  const auto& hashes = which.token_hashes();
  for (const auto& [session, live] : sessions_) {
    if (!hashes.empty() && std::ranges::find(hashes, live.token_hash) == hashes.end()) continue;
    EndSessionRequest end;
    end.set_reason("signed_out");
    self().tell(key_of(session), share(std::move(end)));
  }
}

task<result<UserReply>> user::session_started(const SessionStartedRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) co_return exists.failure();
  if (data_.is_deleted()) co_return errc::account_inactive;
  session_id session{request.session()};
  if (!sessions_.contains(session)) {
    if (auto room = co_await make_room(); !room) co_return room.failure();
    if (data_.is_deleted()) co_return errc::account_inactive;
  }
  sessions_[session] = {request.token_hash(), self().now()};
  co_return describe();
}

/// Only a SESSION knows whether it has a socket, so it decides; nothing is told here while there is room. Asked first
/// is the one that was heard of the longest ago: it says so at its start, every five minutes with a socket, and here.
task<result<>> user::make_room() {
  if (sessions_.size() < options_.sessions_max) co_return done;
  std::erase_if(sessions_,
                [&](const auto& each) { return self().now() - each.second.heard >= options_.session_silent_after; });
  std::vector<std::pair<steady_time, session_id>> oldest;
  for (const auto& [session, live] : sessions_) oldest.emplace_back(live.heard, session);
  std::ranges::sort(oldest);
  if (oldest.size() > options_.sessions_asked_max) oldest.resize(options_.sessions_asked_max);
  for (const auto& [heard, session] : oldest) {
    if (sessions_.size() < options_.sessions_max) break;
    EndSessionRequest end;
    end.set_reason("too_many_sessions");
    end.set_unless_connected(true);
    auto ended = co_await self().ask(key_of(session), std::move(end), options_.ask_timeout);
    if (ended) {
      sessions_.erase(session);
    } else if (auto known = sessions_.find(session); ended.code() == errc::conflict && known != sessions_.end()) {
      known->second.heard = self().now();
    }
  }
  if (sessions_.size() < options_.sessions_max) co_return done;
  co_return error{errc::overloaded, to_text(id()) + " has " + std::to_string(sessions_.size()) + " sessions already"};
}

result<Nothing> user::session_ended(const SessionEndedNotice& notice, const envelope&) {
  sessions_.erase({notice.session()});
  return Nothing{};
}

}  // namespace throng
