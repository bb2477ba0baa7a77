// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/epilogue.hpp"

#include <algorithm>
#include <set>

#include "tools/throngverify/cluster_view.hpp"
#include "tools/throngverify/final_reads.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto call_patience = 75s;  // for the calls under way: longer than any of them tries
constexpr auto rest_patience = 60s;
constexpr auto return_patience = 40s;    // for all devices to have their websockets again
constexpr auto delivery_patience = 20s;  // for the last posts to reach everybody
constexpr auto presence_patience = 45s;  // longer than a connection may stay open that its device has left
constexpr auto single_patience = 20s;
constexpr auto reads_patience = 120s;  // for all that is read and posted last

/// Until it holds; false at the end of the patience.
template <class Predicate>
task<bool> hold(event_loop& loop, event_loop::clock::duration patience, Predicate holds) {
  const auto deadline = event_loop::clock::now() + patience;
  while (!holds()) {
    if (event_loop::clock::now() > deadline) co_return false;
    co_await loop.sleep_for(50ms);
  }
  co_return true;
}

class epilogue {
 public:
  epilogue(scene& of, company& people) : scene_(of), people_(people) {}

  task<findings> play() {
    scene_.is_over = true;
    scene_.say("the talk is over; the calls under way end");
    co_await end_calls();
    scene_.say("the cluster comes to rest");
    auto rested = co_await wait_for_rest(scene_, rest_patience);
    if (!rested) found_.push_back("liveness: the cluster didn't come to rest: " + rested.failure().detail);
    scene_.say("all devices come back");
    co_await gather_devices();
    scene_.say("a third of the people leave, and all others see it");
    co_await settle_presence();
    const auto latest = event_loop::clock::now() + reads_patience;
    scene_.say("somebody has the last word in each channel");
    co_await post_last(latest);
    scene_.record.settled();
    for (const auto& each : people_) scene_.record.presence_truth(each->who().id, is_there(*each));
    scene_.say("all is read at every node");
    co_await read_everything(scene_, found_, latest);
    scene_.is_curtain = true;
    co_return std::move(found_);
  }

 private:
  bool is_there(const person& who) const { return !goes_home(who) && !who.is_away_by_hand().value_or(false); }
  /// A third of the people are away when all is compared.
  bool goes_home(const person& who) const { return who.who().client.value % 3 == 0; }

  task<void> end_calls() {
    const auto done = [this] { return std::ranges::all_of(people_, [](const auto& each) { return each->is_done(); }); };
    if (co_await hold(scene_.loop, call_patience, done)) co_return;
    for (const auto& each : people_)
      if (!each->is_done()) found_.push_back("liveness: a call of " + to_text(each->who().id) + " came to no end");
  }

  task<void> gather_devices() {
    const auto ready = [this] {
      return std::ranges::all_of(people_, [](const auto& each) {
        return std::ranges::all_of(each->devices(), [](const auto& one) { return one->is_ready(); });
      });
    };
    if (co_await hold(scene_.loop, return_patience, ready)) co_return;
    for (const auto& each : people_)
      for (const auto& one : each->devices())
        if (!one->is_ready())
          found_.push_back("liveness: a device of " + to_text(each->who().id) + " can't sign in, lately at " +
                           scene_.nodes[one->node()].name);
  }

  task<void> settle_presence() {
    for (const auto& each : people_) {
      if (goes_home(*each)) {
        for (const auto& one : each->devices()) one->go_home();
      } else {
        each->watch_anew();
      }
      if (each->is_away_by_hand()) continue;
      const auto token = each->who().token;
      form_fields fields{{"presence", "auto"}};
      const auto answer = co_await call_patiently(scene_, "users.setPresence", token, std::move(fields),
                                                  event_loop::clock::now() + single_patience);
      if (!answer.is_ok()) found_.push_back("liveness: users.setPresence: " + answer.error);
      each->note_away_by_hand(false);
    }
    const auto deadline = event_loop::clock::now() + presence_patience;
    while (true) {
      std::string trouble;
      for (std::size_t i = 0; i < people_.size() && trouble.empty(); ++i)
        trouble = co_await wrong_presence(*people_[i], i % scene_.nodes.size());
      if (trouble.empty()) break;
      if (event_loop::clock::now() > deadline) {
        found_.push_back("presence: " + trouble);
        break;
      }
      co_await scene_.loop.sleep_for(500ms);
    }
  }

  /// What a node says of somebody, if it is wrong.
  task<std::string> wrong_presence(const person& whom, std::size_t node) {
    const auto token = people_.front()->who().token;
    api_line line(scene_.loop, scene_.nodes[node].client);
    form_fields fields{{"user", to_text(whom.who().id)}};
    const auto answer = co_await line.call("users.getPresence", token, std::move(fields));
    const std::string truth = is_there(whom) ? "active" : "away";
    const auto said = answer.is_ok() ? text_at(answer.body, "presence") : answer.error;
    if (said == truth) co_return "";
    co_return scene_.nodes[node].name + " says of " + to_text(whom.who().id) + ": " + said + " instead of " + truth;
  }

  /// One more post a channel, which all that are there are to hear.
  task<void> post_last(event_loop::time latest) {
    std::vector<message_ts> last(scene_.channels.size());
    std::vector<std::vector<std::string>> members;
    for (std::size_t at = 0; at < scene_.channels.size(); ++at) {
      const auto found = co_await members_at(scene_, at, at % scene_.nodes.size(), scene_.people, latest);
      members.push_back(found ? *found : std::vector<std::string>());
      const auto author = std::ranges::find_if(people_, [&](const auto& each) {
        return std::ranges::find(members[at], to_text(each->who().id)) != members[at].end();
      });
      if (author == people_.end() || event_loop::clock::now() > latest) continue;
      auto posted = co_await (*author)->post_to(scene_.channels[at].id);
      if (posted)
        last[at] = *posted;
      else
        found_.push_back("liveness: nobody can post to " + to_text(scene_.channels[at].id));
    }
    const auto heard = [&] {
      for (std::size_t at = 0; at < scene_.channels.size(); ++at)
        for (const auto& each : people_) {
          const bool is_member = std::ranges::find(members[at], to_text(each->who().id)) != members[at].end();
          if (!is_member || last[at].micros == 0) continue;
          for (const auto& one : each->devices())
            if (one->is_ready() && !one->has_seen(scene_.channels[at].id, last[at])) return false;
        }
      return true;
    };
    // Who didn't hear it is found by the checker.
    (void)co_await hold(scene_.loop, delivery_patience, heard);
  }

  scene& scene_;
  company& people_;
  findings found_;
};

}  // namespace

task<findings> play_the_epilogue(scene& of, company& people) {
  epilogue last(of, people);
  co_return co_await last.play();
}

}  // namespace throng::verify
