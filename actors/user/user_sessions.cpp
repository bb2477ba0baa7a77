// SPDX-License-Identifier: Apache-2.0
// The USER's live sessions. They are kept in memory only: after an activation they are learned again from the SESSIONs,
// which repeat themselves; one that has fallen silent died with its node and no longer counts.
#include <algorithm>

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
  // Those without a socket don't hear it: they are told one by one.
  const auto& hashes = which.token_hashes();
  for (const auto& [session, live] : sessions_) {
    if (!hashes.empty() && std::ranges::find(hashes, live.token_hash) == hashes.end()) continue;
    EndSessionRequest end;
    end.set_reason("signed_out");
    self().tell(key_of(session), share(std::move(end)));
  }
}

result<UserReply> user::session_started(const SessionStartedRequest& request, const envelope&) {
  if (auto exists = check_exists(); !exists) return exists.failure();
  if (data_.is_deleted()) return errc::account_inactive;
  session_id session{request.session()};
  if (!sessions_.contains(session) && sessions_.size() >= options_.sessions_max) {
    std::erase_if(sessions_,
                  [&](const auto& each) { return self().now() - each.second.heard >= options_.session_silent_after; });
    if (sessions_.size() >= options_.sessions_max)
      return error{errc::overloaded, to_text(id()) + " has " + std::to_string(sessions_.size()) + " sessions already"};
  }
  sessions_[session] = {request.token_hash(), self().now()};
  return describe();
}

result<Nothing> user::session_ended(const SessionEndedNotice& notice, const envelope&) {
  sessions_.erase({notice.session()});
  return Nothing{};
}

}  // namespace throng
