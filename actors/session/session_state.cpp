// SPDX-License-Identifier: Apache-2.0
#include "actors/session/session_state.hpp"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "actors/stream/relative_time.hpp"

namespace throng {

namespace {

bool is_same_owner(const Caller& a, const Caller& b) {
  return a.team() == b.team() && a.user() == b.user() && a.bot() == b.bot();
}

std::optional<ticket_bytes> ticket_from(const std::string& bytes) {
  ticket_bytes ticket;
  if (bytes.size() != ticket.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), ticket.begin());
  return ticket;
}

}  // namespace

bool is_same_ticket(const ticket_bytes& mine, std::string_view theirs) {
  if (theirs.size() != mine.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < mine.size(); ++i) difference |= mine[i] ^ static_cast<std::uint8_t>(theirs[i]);
  return difference == 0;
}

result<> session_state::may_open(const OpenSessionRequest& request) const {
  if (static_cast<std::size_t>(request.cursors_size()) > limits_.cursors_max)
    return error{errc::invalid_arguments, "more than " + std::to_string(limits_.cursors_max) + " cursors"};
  if (!is_alive()) {
    // One that has died with its node goes on under its name, if its client says where it was.
    const bool may_go_on = phase_ == phase::unborn && request.cursors_size() > 0;
    if (request.is_resume() && !may_go_on) return errc::not_found;
    return done;
  }
  bool is_mine = is_same_owner(request.caller(), caller_) && request.token_hash() == token_hash_;
  if (!is_mine) return request.is_resume() ? errc::not_found : errc::conflict;
  return done;
}

result<> session_state::open(const OpenSessionRequest& request, const ticket_bytes& ticket, steady_time now) {
  if (auto may = may_open(request); !may) return may;
  if (!is_alive()) {
    *this = session_state(limits_);
    phase_ = phase::opened;
    started_ = now;
  }
  caller_ = request.caller();
  token_hash_ = request.token_hash();
  user_agent_ = request.user_agent().substr(0, 256);
  token_expires_ = request.token_expires();
  may_post_ = request.may_post();
  starts_at_cursors_ = request.is_resume() || request.cursors_size() > 0;
  has_presence_sub_ = request.has_presence_sub();
  has_presence_batches_ = request.has_presence_batches();
  base_url_ = request.base_url();
  seen_ = request.cursors();
  ticket_ = ticket;
  auto ttl = std::chrono::milliseconds(request.ticket_ttl_ms());
  bool is_within = request.ticket_ttl_ms() > 0 && ttl < limits_.ticket_ttl;
  ticket_ends_ = now + (is_within ? ttl : limits_.ticket_ttl);
  return done;
}

/// Where to replay after. What the client has seen counts. Where it doesn't name a stream, an event of it may have been
/// sent and lost with the socket: only if none was sent is the position known; else there is a gap.
google::protobuf::RepeatedPtrField<StreamCursor> session_state::take_cursors() {
  auto sent = std::exchange(cursors_, {});
  auto all = std::exchange(seen_, {});
  if (all.empty()) return sent;
  auto key = [](const StreamCursor& cursor) { return std::pair(cursor.kind(), cursor.id()); };
  std::set<std::pair<std::uint32_t, std::uint64_t>> named;
  for (const auto& cursor : all) named.insert(key(cursor));
  for (auto& cursor : sent)
    if (cursor.is_untouched() && !named.contains(key(cursor))) *all.Add() = std::move(cursor);
  return all;
}

bool session_state::opens_with(std::string_view ticket, steady_time now) const {
  return ticket_ && is_same_ticket(*ticket_, ticket) && now < ticket_ends_;
}

bool session_state::may_attach(std::string_view ticket, steady_time now) const {
  return is_alive() && (opens_with(ticket, now) || is_reconnect(ticket));
}

result<AttachReply> session_state::attach(const AttachRequest& request, const ticket_bytes& reconnect, steady_time now,
                                          wall_time wall) {
  if (!may_attach(request.ticket(), now)) return errc::invalid_auth;
  const bool is_ticket = opens_with(request.ticket(), now);
  ticket_.reset();
  reconnect_ticket_ = reconnect;
  // It may have been sent elsewhere since the session was opened.
  if (!request.base_url().empty()) base_url_ = request.base_url();
  AttachReply reply;
  reply.set_reconnect_ticket(reconnect.data(), reconnect.size());
  reply.set_base_url(base_url_);
  *reply.mutable_caller() = caller_;
  reply.set_token_hash(token_hash_);
  reply.set_may_post(may_post_);
  reply.set_has_presence_sub(has_presence_sub_);
  reply.set_has_presence_batches(has_presence_batches_);
  if (phase_ == phase::attached && connection_ != request.connection()) reply.set_replaced_connection(connection_);
  // Without a position there is nothing to replay after: the client boots afresh, which it is told.
  auto cursors = take_cursors();
  reply.set_is_resumed(is_ticket && starts_at_cursors_ && !cursors.empty());
  if (reply.is_resumed()) {
    *reply.mutable_cursors() = std::move(cursors);
    *reply.mutable_watched_users() = watched_;
  } else {
    watched_.Clear();
  }
  phase_ = phase::attached;
  connection_ = request.connection();
  node_ = request.node();
  node_incarnation_ = request.node_incarnation();
  peer_ = request.peer();
  const auto wall_us = static_cast<std::uint64_t>(wall.time_since_epoch().count());
  attachment_ = std::max(attachment_ + 1, wall_us);
  if (started_s_ == 0 && wall != wall_time{})
    started_s_ = seconds_of(wall - std::chrono::duration_cast<std::chrono::microseconds>(now - started_));
  reply.set_seed(seed().SerializeAsString());
  return reply;
}

SessionSeed session_state::seed() const {
  SessionSeed seed;
  *seed.mutable_caller() = caller_;
  seed.set_token_hash(token_hash_);
  seed.set_user_agent(user_agent_.substr(0, 64));  // every gateway keeps it for every socket
  seed.set_token_expires(token_expires_);
  seed.set_base_url(base_url_);
  seed.set_may_post(may_post_);
  seed.set_has_presence_sub(has_presence_sub_);
  seed.set_has_presence_batches(has_presence_batches_);
  if (reconnect_ticket_) seed.set_reconnect_ticket(reconnect_ticket_->data(), reconnect_ticket_->size());
  seed.set_started(started_s_);
  seed.set_attachment(attachment_);
  return seed;
}

result<session_state::announcement> session_state::announce(const AnnounceRequest& request, steady_time now) {
  SessionSeed seed;
  if (!seed.ParseFromString(request.seed()) || seed.attachment() == 0)
    return error{errc::invalid_arguments, "the seed is none"};
  if (phase_ == phase::ended) return errc::conflict;
  announcement outcome;
  if (phase_ == phase::unborn) {
    *this = session_state(limits_);
    outcome.what = announced::revived;
    caller_ = seed.caller();
    token_hash_ = seed.token_hash();
    user_agent_ = seed.user_agent();
    token_expires_ = seed.token_expires();
    base_url_ = seed.base_url();
    may_post_ = seed.may_post();
    has_presence_sub_ = seed.has_presence_sub();
    has_presence_batches_ = seed.has_presence_batches();
    started_s_ = seed.started();
    started_ = now;
  } else {
    if (!is_same_owner(seed.caller(), caller_) || seed.token_hash() != token_hash_) return errc::conflict;
    if (seed.attachment() < attachment_) return errc::conflict;
    if (phase_ == phase::attached && connection_ == request.connection()) return outcome;
    // It has said goodbye, or its gateway was taken for dead, and it is known to come back.
    if (seed.attachment() == attachment_ && phase_ != phase::detached) return errc::conflict;
    if (phase_ == phase::attached) {
      outcome.what = announced::replaced;
      outcome.previous = connection_;
    }
  }
  if (seed.reconnect_ticket().size() == ticket_bytes{}.size()) {
    reconnect_ticket_.emplace();
    std::ranges::copy(seed.reconnect_ticket(), reconnect_ticket_->begin());
  }
  phase_ = phase::attached;
  attachment_ = seed.attachment();
  connection_ = request.connection();
  node_ = request.node();
  node_incarnation_ = request.node_incarnation();
  peer_ = request.peer();
  watched_ = request.watched_users();
  return outcome;
}

result<PartReply> session_state::part(const PartRequest& request, const ticket_bytes& ticket, steady_time now) {
  DetachNotice notice;
  notice.set_connection(request.connection());
  *notice.mutable_cursors() = request.cursors();
  if (!detach(notice, now)) return errc::not_found;
  ticket_ = ticket;
  ticket_ends_ = now + limits_.ticket_ttl;
  // It comes back to where its socket was, which it has read to the end.
  starts_at_cursors_ = true;
  seen_.Clear();
  PartReply reply;
  reply.set_ticket(ticket.data(), ticket.size());
  reply.set_base_url(base_url_);
  return reply;
}

bool session_state::detach(const DetachNotice& notice, steady_time now) {
  if (phase_ != phase::attached || notice.connection() != connection_) return false;
  phase_ = phase::detached;
  detached_ = now;
  connection_ = 0;
  // Too many to keep: none, so that a resume says that it can't instead of losing some.
  cursors_.Clear();
  if (static_cast<std::size_t>(notice.cursors_size()) <= limits_.cursors_max) cursors_ = notice.cursors();
  return true;
}

bool session_state::lose_gateway(std::uint32_t node, std::uint64_t incarnation, steady_time now) {
  if (phase_ != phase::attached || node_ != node || node_incarnation_ > incarnation) return false;
  DetachNotice unknown;  // where it was in its streams nobody can tell: the client can
  unknown.set_connection(connection_);
  return detach(unknown, now);
}

bool session_state::watch(const WatchPresenceRequest& request) {
  if (phase_ != phase::attached || request.connection() != connection_) return false;
  std::unordered_set<std::uint64_t> seen;
  watched_.Clear();
  for (auto user : request.users()) {
    if (static_cast<std::size_t>(watched_.size()) == limits_.watched_max) break;
    if (seen.insert(user).second) watched_.Add(user);
  }
  return true;
}

bool session_state::end() {
  if (!is_alive()) return false;
  phase_ = phase::ended;
  ticket_.reset();
  reconnect_ticket_.reset();
  cursors_.Clear();
  seen_.Clear();
  watched_.Clear();
  return true;
}

std::optional<steady_time> session_state::ends_at() const {
  switch (phase_) {
    case phase::opened:
      return ticket_ends_;
    case phase::detached: {
      auto ends = detached_ + limits_.resume_window;
      return ticket_ ? std::max(ends, ticket_ends_) : ends;
    }
    default:
      return std::nullopt;
  }
}

SessionHandover session_state::handover(steady_time now) const {
  SessionHandover all;
  all.set_phase(static_cast<SessionHandover::Phase>(phase_));
  *all.mutable_caller() = caller_;
  all.set_token_hash(token_hash_);
  all.set_token_expires(token_expires_);
  all.set_user_agent(user_agent_);
  all.set_has_presence_sub(has_presence_sub_);
  all.set_has_presence_batches(has_presence_batches_);
  all.set_starts_at_cursors(starts_at_cursors_);
  all.set_may_post(may_post_);
  if (ticket_) {
    all.set_ticket(ticket_->data(), ticket_->size());
    all.set_ticket_ends_in_ms(milliseconds_of(ticket_ends_ - now));
  }
  if (reconnect_ticket_) all.set_reconnect_ticket(reconnect_ticket_->data(), reconnect_ticket_->size());
  all.set_base_url(base_url_);
  all.set_started_ago_ms(milliseconds_of(now - started_));
  if (phase_ == phase::detached) all.set_detached_ago_ms(milliseconds_of(now - detached_));
  all.set_connection(connection_);
  all.set_node(node_);
  all.set_peer(peer_);
  all.set_started(started_s_);
  all.set_attachment(attachment_);
  all.set_node_incarnation(node_incarnation_);
  *all.mutable_cursors() = cursors_;
  *all.mutable_seen() = seen_;
  *all.mutable_watched_users() = watched_;
  return all;
}

bool session_state::take_over(const SessionHandover& handed, steady_time now) {
  const bool is_known = handed.phase() >= SessionHandover::UNBORN && handed.phase() <= SessionHandover::ENDED;
  const auto fits = [](auto count, std::size_t most) { return static_cast<std::size_t>(count) <= most; };
  if (!is_known || !fits(handed.cursors_size(), limits_.cursors_max) ||
      !fits(handed.seen_size(), limits_.cursors_max) || !fits(handed.watched_users_size(), limits_.watched_max))
    return false;
  phase_ = static_cast<phase>(handed.phase());
  caller_ = handed.caller();
  token_hash_ = handed.token_hash();
  token_expires_ = handed.token_expires();
  user_agent_ = handed.user_agent();
  has_presence_sub_ = handed.has_presence_sub();
  has_presence_batches_ = handed.has_presence_batches();
  starts_at_cursors_ = handed.starts_at_cursors();
  may_post_ = handed.may_post();
  ticket_ = ticket_from(handed.ticket());
  ticket_ends_ = now + milliseconds_from(handed.ticket_ends_in_ms());
  reconnect_ticket_ = ticket_from(handed.reconnect_ticket());
  base_url_ = handed.base_url();
  started_ = now - milliseconds_from(handed.started_ago_ms());
  detached_ = now - milliseconds_from(handed.detached_ago_ms());
  connection_ = handed.connection();
  node_ = handed.node();
  peer_ = handed.peer();
  started_s_ = handed.started();
  attachment_ = handed.attachment();
  node_incarnation_ = handed.node_incarnation();
  cursors_ = handed.cursors();
  seen_ = handed.seen();
  watched_ = handed.watched_users();
  return true;
}

SessionSnapshot session_state::snapshot(steady_time now, wall_time wall_now) const {
  auto wall_seconds = [&](steady_time at) {
    return seconds_of(wall_now - std::chrono::duration_cast<std::chrono::microseconds>(now - at));
  };
  SessionSnapshot snapshot;
  *snapshot.mutable_caller() = caller_;
  snapshot.set_is_connected(is_connected());
  snapshot.set_connection(connection_);
  snapshot.set_node(node_);
  snapshot.set_peer(peer_);
  snapshot.set_user_agent(user_agent_);
  if (phase_ != phase::unborn) snapshot.set_started(started_s_ ? started_s_ : wall_seconds(started_));
  if (phase_ == phase::detached) snapshot.set_detached(wall_seconds(detached_));
  *snapshot.mutable_cursors() = cursors_;
  *snapshot.mutable_watched_users() = watched_;
  if (ticket_) snapshot.set_ticket(ticket_->data(), ticket_->size());
  return snapshot;
}

}  // namespace throng
