// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/town.hpp"

#include <atomic>
#include <mutex>
#include <thread>

namespace throng {

namespace {

std::string numbered(std::string_view what, std::size_t number) { return std::string(what) + std::to_string(number); }

struct person {
  std::string id, token;
};

result<person> invite(api_client& api, const std::string& admin, const std::string& team, const std::string& name,
                      const std::string& channels) {
  auto id = api.call_for(
      "user_id", "admin.users.invite", admin,
      {{"team_id", team}, {"email", name + "@bench.example"}, {"real_name", name}, {"channel_ids", channels}});
  if (!id) return id.failure();
  auto token =
      api.call_for("token", "throng.tokens.issue", admin, {{"team_id", team}, {"user_id", *id}, {"type", "user"}});
  if (!token) return token.failure();
  return person{std::move(*id), std::move(*token)};
}

}  // namespace

result<> in_parallel(const http_url& server, std::size_t count, std::size_t thread_count,
                     const std::function<result<>(api_client&, std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  result<> outcome = done;
  auto run = [&] {
    api_client api(server);
    for (auto i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      auto one = work(api, i);
      if (one) continue;
      next = count;
      std::lock_guard lock(mutex);
      if (outcome) outcome = one.failure();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(thread_count, count); ++i) threads.emplace_back(run);
  for (auto& each : threads) each.join();
  return outcome;
}

result<town> make_town(const http_url& server, const std::string& admin, const town_plan& plan) {
  api_client api(server);
  town made;
  made.plan = plan;
  auto team = api.call_for("team", "admin.teams.create", admin, {{"team_domain", "bench"}, {"team_name", "Bench"}});
  if (!team) return team.failure();
  for (std::size_t i = 0; i < plan.publishers; ++i) {
    auto publisher = invite(api, admin, *team, numbered("publisher-", i), "");
    if (!publisher) return publisher.failure();
    made.publisher_tokens.push_back(std::move(publisher->token));
  }
  for (std::size_t i = 0; i < plan.channels; ++i) {
    auto channel = api.call_for("channel.id", "conversations.create", made.publisher_tokens[i % plan.publishers],
                                {{"name", numbered("bench-", i)}});
    if (!channel) return channel.failure();
    made.channels.push_back(std::move(*channel));
  }
  made.tokens.resize(plan.people);
  auto outcome = in_parallel(server, plan.people, town_makers, [&](api_client& own, std::size_t i) -> result<> {
    std::string list;
    for (std::size_t c = 0; c < plan.channels; ++c)
      if (plan.place_of(i, c)) list += (list.empty() ? "" : ",") + made.channels[c];
    auto one = invite(own, admin, *team, numbered("person-", i), list);
    if (!one) return one.failure();
    made.tokens[i] = std::move(one->token);
    return done;
  });
  if (!outcome) return outcome.failure();
  return made;
}

}  // namespace throng
