// SPDX-License-Identifier: Apache-2.0
// People's lists of channels, which their USERs keep, follow the members' rows: each is told after the commit and
// before the answer. Whose USER wasn't reached, or came or went while it was told, is told again until the list is
// right; and a channel that comes back tells again those who came or went lately, as its newest posts show, for the one
// before may have died between the commit and the list.
#include <algorithm>

#include "actors/channel/channel.hpp"

namespace throng {

namespace {

/// The USER says that it won't ever list the channel as things are, not that it can't be reached.
bool is_final_refusal(errc code) { return code == errc::restricted_action || code == errc::user_not_found; }

/// Many asks with one answer. Held by its workers alone, so that it goes away with them.
struct crowd {
  std::vector<user_id> users;
  message_ptr request;
  std::vector<result<>> outcomes;
  std::size_t next = 0;
  std::size_t workers = 0;
  std::function<void(std::vector<result<>>)> done;
};

task<> ask_one_after_another(entity_context& self, std::shared_ptr<crowd> all, duration timeout) {
  while (all->next < all->users.size()) {
    auto index = all->next++;
    if (all->users[index] == slackbot) continue;  // it has no USER
    auto to = key_of(all->users[index]);
    auto answer = co_await await_callback<result<message_ptr>>(self.mailbox(), [&](answer_callback answered) {
      self.ask_raw(to, all->request, timeout, std::move(answered));
    });
    if (!answer) all->outcomes[index] = answer.failure();
  }
  if (--all->workers == 0) all->done(std::move(all->outcomes));
}

result<> first_failure(const std::vector<result<>>& outcomes) {
  auto failed = std::ranges::find_if_not(outcomes, &result<>::ok);
  if (failed != outcomes.end()) return *failed;
  return done;
}

}  // namespace

task<std::vector<result<>>> channel::ask_users(std::vector<user_id> users, message_ptr request) {
  if (users.empty()) co_return std::vector<result<>>();
  auto workers = std::min(users.size(), options_.asks_at_once);
  co_return co_await await_callback<std::vector<result<>>>(
      self().mailbox(), [&](std::function<void(std::vector<result<>>)> answered) {
        auto all = std::make_shared<crowd>();
        all->outcomes.assign(users.size(), done);
        all->users = std::move(users);
        all->request = std::move(request);
        all->workers = workers;
        all->done = std::move(answered);
        for (std::size_t each = 0; each < workers; ++each)
          spawn(ask_one_after_another(self(), all, options_.ask_timeout));
      });
}

message_ptr channel::listing(seq_t seq, bool is_quiet) const {
  AddChannelRequest request;
  *request.mutable_channel() = state_.described();
  request.set_seq(seq);
  request.set_is_quiet(is_quiet);
  return share(std::move(request));
}

task<std::vector<result<>>> channel::tell_lists(std::vector<user_id> users, seq_t seq, bool is_quiet) {
  auto outcomes = co_await ask_users(users, listing(seq, is_quiet));
  for (std::size_t each = 0; each < users.size(); ++each) was_told(users[each], true, seq, outcomes[each]);
  co_return outcomes;
}

task<result<>> channel::list_for(std::vector<user_id> users, seq_t seq, bool is_quiet) {
  auto outcomes = co_await tell_lists(std::move(users), seq, is_quiet);
  co_return first_failure(outcomes);
}

task<result<std::vector<result<>>>> channel::list_each(std::vector<user_id> users, seq_t seq) {
  auto outcomes = co_await tell_lists(users, seq, false);
  std::vector<user_id> refused;
  for (std::size_t each = 0; each < users.size(); ++each)
    if (!outcomes[each] && is_final_refusal(outcomes[each].code())) refused.push_back(users[each]);
  auto undone = co_await undo_members(std::move(refused));
  if (!undone) co_return undone.failure();
  co_return outcomes;
}

task<result<>> channel::list_or_undo(std::vector<user_id> users, seq_t seq) {
  auto outcomes = co_await list_each(std::move(users), seq);
  if (!outcomes) co_return outcomes.failure();
  co_return first_failure(*outcomes);
}

task<result<>> channel::unlist_for(user_id user, user_id by, seq_t seq) {
  RemoveChannelRequest request;
  request.set_channel(id().value);
  request.set_is_private(state_.data().is_private());
  request.set_actor(by.value);
  auto answer = co_await self().ask(key_of(user), std::move(request), options_.ask_timeout);
  const auto outcome = answer ? result<>(done) : result<>(answer.failure());
  was_told(user, false, seq, outcome);
  co_return outcome;
}

// -- telling again
// -----------------------------------------------------------------------------------------------------

void channel::was_told(user_id user, bool as_member, seq_t seq, const result<>& outcome) {
  const bool is_right = state_.members().contains(user) == as_member;
  if (outcome && is_right) {
    untold_.erase(user);
    self().stay_active(!untold_.empty());
  } else if (outcome || !is_final_refusal(outcome.code())) {
    owe_list(user, seq);
    tell_again_later();
  }
}

void channel::owe_list(user_id user, seq_t seq) {
  if (state_.is_direct() || user == slackbot) return;  // a direct channel's are told with each post
  auto& since = untold_[user];
  since = std::max(since, seq);
}

/// As system_post() has left it: behind its event, and that behind where she begins, or ends, to read.
void channel::owe_latest(const std::vector<message_record>& newest_first) {
  const auto since = message_ts{(self().wall() - options_.retell_window).time_since_epoch().count()};
  for (const auto& row : newest_first) {
    if (row.ts < since) break;
    if (!row.client_msg_id.empty() || row.seq < 2) continue;  // somebody's own post
    auto message = to_message(row);
    if (!message) continue;
    const auto& subtype = message->data().subtype();
    if (subtype == "channel_join" || subtype == "channel_leave") owe_list(row.user, row.seq - 2);
  }
  tell_again_later();
}

void channel::tell_again_later() {
  self().stay_active(!untold_.empty());
  if (untold_.empty() || is_retelling_) return;
  // Whatever fails meanwhile doesn't put it off. Channels that lost sight of the same USER don't come back to it
  // together.
  if (retell_at_ <= self().now())
    retell_at_ = self().now() + retell_delay_ + std::chrono::milliseconds(id().value % 500);
  schedule();
}

/// Who is told again, some at a time: one whose USER is slow doesn't hold up the others. Held by its workers alone.
struct channel::retelling {
  std::vector<user_id> users;
  std::size_t next = 0;
  std::size_t workers = 0;
};

void channel::tell_again() {
  is_retelling_ = true;
  auto all = std::make_shared<retelling>();
  for (const auto& [user, seq] : untold_) all->users.push_back(user);
  all->workers = std::min(all->users.size(), options_.asks_at_once);
  for (std::size_t each = 0, count = all->workers; each < count; ++each) spawn(tell_some_again(all));
}

task<> channel::tell_some_again(std::shared_ptr<retelling> all) {
  while (all->next < all->users.size()) {
    const auto user = all->users[all->next++];
    if (auto committed = co_await settled(); !committed) co_return;  // this incarnation ends
    const auto owed = untold_.find(user);
    if (owed != untold_.end()) co_await tell_again(user, owed->second);
  }
  if (--all->workers > 0) co_return;
  is_retelling_ = false;
  retell_delay_ = untold_.empty() ? options_.retell_delay : std::min(2 * retell_delay_, options_.retell_delay_max);
  tell_again_later();
}

task<> channel::tell_again(user_id user, seq_t seq) {
  if (state_.members().contains(user)) {
    std::vector<user_id> people(1, user);
    (void)co_await list_or_undo(std::move(people), seq == 0 ? ring_.end() : seq);
    co_return;
  }
  auto remover = co_await remover_of(user, seq);
  if (!remover || state_.members().contains(user)) co_return;  // later; or she has come back, and was told so
  (void)co_await unlist_for(user, *remover, seq);
}

/// Who took her out, as the event behind `seq` says; herself if she left, or it isn't known any more.
task<result<user_id>> channel::remover_of(user_id user, seq_t seq) {
  if (seq == 0) co_return user;
  auto behind = co_await query<ReplayReply>(&read_events, seq, seq + 1, std::size_t{1});
  if (!behind && behind.code() == errc::too_old) co_return user;
  if (!behind) co_return behind.failure();
  const auto& member = behind->events(0).event().member();
  const bool is_removal = member.user() == user.value && !member.is_joined() && member.remover() != 0;
  co_return is_removal ? user_id{member.remover()} : user;
}

}  // namespace throng
