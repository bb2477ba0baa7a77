// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/person.hpp"

#include <algorithm>
#include <cmath>

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto post_patience = 45s;  // as long a client shows a post as on its way
constexpr std::size_t own_posts_max = 20;
constexpr std::size_t watched_max = 8;

/// What she does, in parts of a thousand. The rest posts.
constexpr struct {
  unsigned edits = 60, removes = 30, joins = 40, invites = 40, types = 60, presence = 10, watches = 10, looks = 20,
           leaves = 25, socket_posts = 100;
} habits;

call call_of(happening what, const scene_person& who, channel_id channel, recorder& record) {
  return {what, who.client, channel, record.new_op()};
}

}  // namespace

person::person(scene& of, std::size_t number)
    : scene_(of),
      number_(number),
      random_(random_for(of.plan.seed, "person", number)),
      node_(pick_below(random_, of.nodes.size())),
      line_(of.loop, of.nodes[node_].client) {
  // Half of the people have two devices.
  const std::size_t count = 1 + number % 2;
  for (std::size_t i = 0; i < count; ++i) devices_.push_back(std::make_unique<device>(of, number, i));
}

task<void> person::live() {
  for (const auto& each : devices_) spawn(each->live());
  // Exponential pauses: people act independently of each other.
  const double mean_s = static_cast<double>(scene_.people.size()) / scene_.calls_per_second;
  auto next = event_loop::clock::now();
  while (!scene_.is_over) {
    const double chance = static_cast<double>((random_() >> 11) + 1) * 0x1p-53;
    next += std::chrono::duration_cast<event_loop::clock::duration>(
        std::chrono::duration<double>(-mean_s * std::log(chance)));
    const auto now = event_loop::clock::now();
    // Who was held up doesn't make up for it: the load stays what it is.
    if (next < now - 1s) next = now;
    if (next > now) co_await scene_.loop.sleep_until(std::min(next, now + 1s));
    if (next <= event_loop::clock::now() && !scene_.is_over) co_await act();
  }
  is_done_ = true;
}

task<void> person::act() {
  auto dice = static_cast<unsigned>(random_() % 1000);
  const auto is = [&dice](unsigned share) {
    if (dice < share) return true;
    dice -= share;
    return false;
  };
  if (is(habits.edits)) co_return co_await edit();
  if (is(habits.removes)) co_return co_await remove();
  if (is(habits.joins)) co_return co_await join_or_leave();
  if (is(habits.invites)) co_return co_await invite_or_kick();
  if (is(habits.presence)) co_return co_await change_presence();
  if (is(habits.looks)) co_return co_await look_back();
  if (is(habits.types)) co_return type();
  if (is(habits.watches)) co_return devices_[pick_below(random_, devices_.size())]->watch(choose_some());
  if (is(habits.leaves)) co_return leave_with_a_device();
  if (is(habits.socket_posts)) {
    if (const auto at = choose_channel()) devices_[pick_below(random_, devices_.size())]->post(scene_.channels[*at].id);
    co_return;
  }
  co_await post();
}

// -- calls
// -------------------------------------------------------------------------------------------------------------

void person::move_on() {
  node_ = (node_ + 1) % scene_.nodes.size();
  line_.turn_to(scene_.nodes[node_].client);
}

/// She was kicked out, it seems.
void person::note_refusal(channel_id channel, const std::string& error) {
  if (error == "not_in_channel" || error == "channel_not_found")
    std::erase_if(channels(), [&](std::size_t at) { return scene_.channels[at].id == channel; });
}

task<api_answer> person::ask(std::string method, form_fields fields) {
  ++scene_.counts.calls;
  auto answer = co_await line_.call(std::move(method), who().token, std::move(fields));
  if (answer.is_ok()) {
    ++scene_.counts.acknowledged;
  } else {
    const bool is_open = answer.how == api_answer::outcome::none || is_outcome_unknown(answer.error);
    ++(is_open ? scene_.counts.unknown : scene_.counts.refused);
    ++scene_.counts.errors[answer.error];
    if (is_open) move_on();
  }
  co_return answer;
}

task<api_answer> person::try_once(call what, std::string method, form_fields fields) {
  what.node = scene_.nodes[node_].name;
  scene_.record.invoked(what);
  auto answer = co_await ask(std::move(method), std::move(fields));
  if (answer.is_ok()) {
    const auto ts = parse_ts(text_at(answer.body, "ts")).value_or(message_ts{});
    scene_.record.acknowledged(what, ts);
  } else if (answer.how == api_answer::outcome::none) {
    scene_.record.unknown(what, answer.error);
  } else {
    scene_.record.refused(what, answer.error);
  }
  co_return answer;
}

std::optional<std::size_t> person::choose_channel() {
  if (channels().empty()) return std::nullopt;
  if (is_chance(random_, 0.25)) {  // hot ones are hot because people write there
    for (const auto at : channels())
      if (scene_.channels[at].is_hot && is_chance(random_, 0.6)) return at;
  }
  return channels()[pick_below(random_, channels().size())];
}

task<void> person::post() {
  const auto at = choose_channel();
  if (at) co_await post_to(scene_.channels[*at].id);
}

task<std::optional<message_ts>> person::post_to(channel_id channel) {
  auto what = call_of(happening::post, who(), channel, scene_.record);
  what.has_client_msg_id = true;
  const auto deadline = event_loop::clock::now() + post_patience;
  for (std::size_t tries = 0;; ++tries) {
    form_fields fields{{"channel", to_text(what.channel)},
                       {"text", to_text(what.op) + " said person " + std::to_string(number_)},
                       {"client_msg_id", to_text(what.op)}};
    const auto answer = co_await try_once(what, "chat.postMessage", std::move(fields));
    if (answer.is_ok()) {
      ++scene_.counts.posts;
      const auto ts = parse_ts(text_at(answer.body, "ts")).value_or(message_ts{});
      posts_.push_back({what.channel, ts});
      if (posts_.size() > own_posts_max) posts_.pop_front();
      co_return ts;
    }
    const bool is_open = answer.how == api_answer::outcome::none || is_outcome_unknown(answer.error);
    note_refusal(channel, answer.error);
    if (!is_open && answer.error != "ratelimited") co_return std::nullopt;
    if (event_loop::clock::now() > deadline) break;
    const auto most = std::min<std::size_t>(2'000, 50u << std::min<std::size_t>(tries, 6));
    co_await scene_.loop.sleep_for(std::chrono::milliseconds(20 + pick_below(random_, most)));
  }
  ++scene_.counts.posts_given_up;
  co_return std::nullopt;
}

task<void> person::edit() {
  if (posts_.empty()) co_return;
  const auto chosen = posts_[pick_below(random_, posts_.size())];
  auto what = call_of(happening::edit, who(), chosen.channel, scene_.record);
  what.ts = chosen.ts;
  form_fields fields{{"channel", to_text(what.channel)},
                     {"ts", to_text(what.ts)},
                     {"text", to_text(what.op) + " thought better of it"}};
  co_await try_once(what, "chat.update", std::move(fields));
}

task<void> person::remove() {
  if (posts_.empty()) co_return;
  const auto chosen = posts_.begin() + static_cast<std::ptrdiff_t>(pick_below(random_, posts_.size()));
  auto what = call_of(happening::remove, who(), chosen->channel, scene_.record);
  what.ts = chosen->ts;
  posts_.erase(chosen);
  form_fields fields{{"channel", to_text(what.channel)}, {"ts", to_text(what.ts)}};
  co_await try_once(what, "chat.delete", std::move(fields));
}

task<void> person::join_or_leave() {
  const auto at = pick_below(random_, scene_.channels.size());
  const auto& channel = scene_.channels[at];
  if (channel.is_hot) co_return;
  const bool is_in = std::ranges::find(channels(), at) != channels().end();
  if (!is_in && channel.is_private) co_return;
  const auto what = call_of(is_in ? happening::leave : happening::join, who(), channel.id, scene_.record);
  form_fields fields{{"channel", to_text(channel.id)}};
  const auto answer = co_await try_once(what, is_in ? "conversations.leave" : "conversations.join", std::move(fields));
  if (!answer.is_ok()) co_return;
  if (is_in)
    std::erase(channels(), at);
  else if (std::ranges::find(channels(), at) == channels().end())
    channels().push_back(at);
}

task<void> person::invite_or_kick() {
  const auto at = choose_channel();
  if (!at || scene_.channels[*at].is_hot) co_return;
  const auto other = pick_below(random_, scene_.people.size());
  if (other == number_) co_return;
  const bool is_kick = is_chance(random_, 0.5);
  auto what = call_of(is_kick ? happening::kick : happening::invite, who(), scene_.channels[*at].id, scene_.record);
  what.user = scene_.people[other].id;
  form_fields fields{{"channel", to_text(what.channel)}, {is_kick ? "user" : "users", to_text(what.user)}};
  const auto answer =
      co_await try_once(what, is_kick ? "conversations.kick" : "conversations.invite", std::move(fields));
  note_refusal(what.channel, answer.error);
  if (!answer.is_ok()) co_return;
  auto& others = scene_.people[other].channels;  // she hears of it, one way or another
  std::erase(others, *at);
  if (!is_kick) others.push_back(*at);
}

task<void> person::change_presence() {
  const bool is_away = is_chance(random_, 0.5);
  is_away_.reset();
  form_fields fields{{"presence", is_away ? "away" : "auto"}};
  const auto answer = co_await ask("users.setPresence", std::move(fields));
  if (answer.is_ok()) is_away_ = is_away;
}

/// As a client that opens a channel.
task<void> person::look_back() {
  const auto at = choose_channel();
  if (!at) co_return;
  form_fields fields{{"channel", to_text(scene_.channels[*at].id)}, {"limit", "30"}};
  co_await ask("conversations.history", std::move(fields));
}

// -- her devices
// -------------------------------------------------------------------------------------------------------

void person::type() {
  if (const auto at = choose_channel()) devices_[pick_below(random_, devices_.size())]->type(scene_.channels[*at].id);
}

std::vector<user_id> person::choose_some() {
  std::vector<user_id> whom;
  while (whom.size() < std::min(watched_max, scene_.people.size() - 1)) {
    const auto& each = scene_.people[pick_below(random_, scene_.people.size())].id;
    if (each != who().id && std::ranges::find(whom, each) == whom.end()) whom.push_back(each);
  }
  return whom;
}

void person::watch_anew() {
  for (const auto& each : devices_) each->watch(choose_some());
}

void person::leave_with_a_device() {
  const auto how = static_cast<leaving>(pick_below(random_, leavings));
  // Most come back at once, some stay away for a while.
  const auto most = is_chance(random_, 0.7) ? 500 : 8'000;
  const auto away_for = std::chrono::milliseconds(pick_below(random_, most));
  devices_[pick_below(random_, devices_.size())]->leave(how, away_for, is_chance(random_, 0.5),
                                                        is_chance(random_, 0.1));
}

}  // namespace throng::verify
