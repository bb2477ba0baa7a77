// SPDX-License-Identifier: Apache-2.0
#include "net/api/api_call.hpp"

#include <algorithm>

#include "net/transport/io_loop.hpp"

namespace throng {

namespace {

class loop_executor final : public executor {
 public:
  explicit loop_executor(io_loop& loop) : loop_(loop) {}
  void post(std::function<void()> job) override { loop_.post_always(std::move(job)); }

 private:
  io_loop& loop_;
};

}  // namespace

executor_ptr make_loop_executor(io_loop& loop) { return std::make_shared<loop_executor>(loop); }

Caller api_call::caller() const {
  Caller caller;
  caller.set_team(who->team.value);
  caller.set_user(who->user.value);
  caller.set_bot(who->bot.value);
  caller.set_app(who->app.value);
  caller.set_is_admin(who->is_admin);
  return caller;
}

std::uint32_t api_call::limit(std::uint32_t otherwise, std::uint32_t most) const {
  const auto asked = args.integer("limit", 0, 0, most);
  return asked == 0 ? std::min(otherwise, most) : static_cast<std::uint32_t>(asked);
}

task<result<>> api_call::commit(write_op op) {
  commit_unit unit;
  unit.ops.push_back(std::move(op));
  co_return co_await await_callback<result<>>(where, [&](std::function<void(result<>)> answer) {
    services.commits.submit(std::move(unit), std::move(answer));
  });
}

duration api_call::time_left() const {
  const auto left = deadline - services.entities.now();
  return std::clamp<duration>(left, std::chrono::milliseconds(1), services.options.ask_timeout);
}

error api_call::missing_entity(entity_kind kind) {
  switch (kind) {
    case entity_kind::channel:
      return {errc::channel_not_found, {}};
    case entity_kind::user:
      return {errc::user_not_found, {}};
    case entity_kind::workspace:
      return {errc::team_not_found, {}};
    case entity_kind::session:
    case entity_kind::presence:
      break;
  }
  return {errc::not_found, {}};
}

void api_call::ask_all_raw(std::vector<std::pair<entity_key, message_ptr>> requests,
                           std::function<void(all_outcomes)> answer) {
  auto all = std::make_shared<gathering<result<message_ptr>>>(requests.size(), result<message_ptr>(errc::unavailable),
                                                              std::move(answer));
  const auto timeout = time_left();
  for (std::size_t i = 0; i < requests.size(); ++i)
    services.entities.ask_raw(requests[i].first, std::move(requests[i].second), timeout,
                              [all, i](result<message_ptr> outcome) { all->put(i, std::move(outcome)); });
}

namespace {

struct scattered {
  std::vector<sharded_storage::shard_answer> answers;
  std::vector<std::string> missing;
};

}  // namespace

task<api_call::shard_values> api_call::scatter(sharded_storage::shard_query query,
                                               errc (*failure_of)(const void* value)) {
  // A little less than the caller's patience, so that what did come is still told.
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(time_left() * 9 / 10);
  auto found = co_await await_callback<scattered>(where, [&](std::function<void(scattered)> answer) {
    services.shards->storage.scatter(std::move(query), patience,
                                     [answer = std::move(answer)](std::vector<sharded_storage::shard_answer> answers,
                                                                  std::vector<std::string> missing) {
                                       answer({std::move(answers), std::move(missing)});
                                     });
  });
  std::vector<std::shared_ptr<void>> values;
  for (auto& each : found.answers) {
    const auto failed = each.value ? failure_of(each.value.get()) : errc::service_unavailable;
    if (failed == errc{})
      values.push_back(std::move(each.value));
    else if (failed == errc::service_unavailable)
      found.missing.push_back(each.shard);
    else
      co_return failed;
  }
  std::sort(found.missing.begin(), found.missing.end());
  for (const auto& shard : found.missing) warnings.push_back("partial: shard " + shard + " is away");
  if (values.empty()) co_return error{errc::service_unavailable, "no shard answered"};
  co_return values;
}

}  // namespace throng
