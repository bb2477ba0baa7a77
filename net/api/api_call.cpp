// SPDX-License-Identifier: Apache-2.0
#include "net/api/api_call.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

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

/// Collects the outcomes of questions that were asked at once; they come in on any thread.
struct gathering {
  std::vector<result<message_ptr>> outcomes;
  std::atomic<std::size_t> missing;
  std::function<void(std::vector<result<message_ptr>>)> answer;

  void put(std::size_t index, result<message_ptr> outcome) {
    outcomes[index] = std::move(outcome);
    if (missing.fetch_sub(1, std::memory_order_acq_rel) == 1) answer(std::move(outcomes));
  }
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
  auto all = std::make_shared<gathering>();
  all->outcomes.assign(requests.size(), result<message_ptr>(errc::unavailable));
  all->missing = requests.size();
  all->answer = std::move(answer);
  const auto timeout = time_left();
  for (std::size_t i = 0; i < requests.size(); ++i)
    services.entities.ask_raw(requests[i].first, std::move(requests[i].second), timeout,
                              [all, i](result<message_ptr> outcome) { all->put(i, std::move(outcome)); });
}

}  // namespace throng
