// SPDX-License-Identifier: Apache-2.0
// API_CALL: one call under way: who asks for what, where its coroutine runs, until when, and what it answers. Lives
// from the request to its answer; touched on its executor only.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol.hpp"
#include "net/api/api_services.hpp"
#include "net/api/argument_kinds.hpp"
#include "net/api/caller.hpp"
#include "net/api/method.hpp"
#include "net/render/message.hpp"
#include "storage/json/json.hpp"

namespace throng {

/// What of the HTTP request matters to handlers.
struct api_client {
  std::string base_url;  // "http://127.0.0.1:8080", without a final slash
  std::string user_agent;
  std::string authorization;
};

/// Collects the outcomes of questions that were asked at once; they come in on any thread.
template <class Outcome>
class gathering {
 public:
  using callback = std::function<void(std::vector<Outcome>)>;
  gathering(std::size_t count, const Outcome& otherwise, callback answer)
      : outcomes_(count, otherwise), missing_(count), answer_(std::move(answer)) {}
  void put(std::size_t index, Outcome outcome) {
    outcomes_[index] = std::move(outcome);
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) answer_(std::move(outcomes_));
  }

 private:
  std::vector<Outcome> outcomes_;
  std::atomic<std::size_t> missing_;
  callback answer_;
};

class api_call {
 public:
  api_call(api_services& with, const api_method& what, arguments given_arguments, api_client from, executor_ptr runs_on,
           steady_time until)
      : services(with),
        method(what),
        given(std::move(given_arguments)),
        args(given),
        client(std::move(from)),
        where(std::move(runs_on)),
        deadline(until) {}
  api_call(const api_call&) = delete;
  api_call& operator=(const api_call&) = delete;

  api_services& services;
  const api_method& method;
  const arguments given;
  const typed_arguments args;
  const api_client client;
  const executor_ptr where;
  const steady_time deadline;
  caller_ptr who;  // null if the method needs no token and none was given

  // -- the answer
  std::string reply_text;
  json_writer reply{reply_text};      // inside an object already, behind "ok":true
  std::string error_text;             // instead of an errc's name, if the handler fails
  std::string needed_scopes;          // instead of the method's, if it fails with missing_scope
  std::vector<std::string> messages;  // response_metadata.messages
  std::vector<std::string> warnings;  // response_metadata.warnings, such as "partial: shard 80- is away"
  std::string warning;
  std::string next_cursor;  // written by end_page()
  bool is_paged = false;

  team_id team() const { return who->team; }
  user_id user() const { return who->user; }
  /// As entities know the caller.
  Caller caller() const;
  wall_time wall() const { return services.entities.wall(); }
  const api_options& options() const { return services.options; }

  /// `limit` as it is asked for, cut to what a page may hold.
  std::uint32_t limit(std::uint32_t otherwise, std::uint32_t most) const;
  /// Where the next page begins; empty on the last one.
  void end_page(std::string cursor) {
    next_cursor = std::move(cursor);
    is_paged = true;
  }
  message_view view() const { return {.team = team(), .bots = services.bots}; }

  /// Asks an entity. errc::not_found becomes what the entity's kind is called by clients.
  template <class Request>
  task<result<std::shared_ptr<const reply_of_t<Request>>>> ask(entity_key to, Request request) {
    auto outcome = co_await services.entities.ask(where, to, std::move(request), time_left());
    if (!outcome && outcome.code() == errc::not_found) co_return missing_entity(to.kind);
    co_return outcome;
  }

  /// Tells all of `requests` at once; answers in their order, each with its own outcome.
  template <class Request>
  task<std::vector<result<std::shared_ptr<const reply_of_t<Request>>>>> ask_all(
      std::vector<std::pair<entity_key, Request>> requests);

  /// Runs `query` on a reader thread of the shard that has `near`.
  template <class Value>
  task<result<Value>> read(ksid_t near, std::function<result<Value>(store_reader&)> query) {
    co_return co_await await_callback<result<Value>>(where, [&](std::function<void(result<Value>)> answer) {
      services.readers.read(near,
                            [query = std::move(query), answer = std::move(answer)](store_reader* reader, errc refused) {
                              answer(reader ? query(*reader) : result<Value>(refused));
                            });
    });
  }
  /// Runs all of `queries` at once, each on the shard of its keyspace id; what they found, in order, or the first
  /// failure.
  template <class Value>
  using placed_query = std::pair<ksid_t, std::function<result<Value>(store_reader&)>>;
  template <class Value>
  task<result<std::vector<Value>>> read_all(std::vector<placed_query<Value>> queries);

  /// Runs `query` once on every shard, at the same time. A shard that doesn't answer in time is left out, and the
  /// answer is marked as partial in `warnings`; errc::service_unavailable if none did.
  template <class Value>
  task<result<std::vector<Value>>> read_everywhere(std::function<result<Value>(store_reader&)> query);
  /// Which shard has the row; 0 for all if the store isn't sharded. Good for grouping, not for keeping.
  std::size_t shard_of(ksid_t place) const {
    return services.shards ? services.shards->directory.current()->index_of(place) : 0;
  }

  /// Rows that no entity owns (tokens, apps).
  task<result<>> commit(write_op op);

 private:
  duration time_left() const;
  static error missing_entity(entity_kind kind);
  /// `done` gets one outcome for each key, once all are there.
  using all_outcomes = std::vector<result<message_ptr>>;
  void ask_all_raw(std::vector<std::pair<entity_key, message_ptr>> requests, std::function<void(all_outcomes)> answer);
  /// The shards' answers of a scatter, and its warnings.
  using shard_values = result<std::vector<std::shared_ptr<void>>>;
  task<shard_values> scatter(sharded_storage::shard_query query, errc (*failure_of)(const void* value));
};

template <class Request>
task<std::vector<result<std::shared_ptr<const reply_of_t<Request>>>>> api_call::ask_all(
    std::vector<std::pair<entity_key, Request>> requests) {
  using reply_type = reply_of_t<Request>;
  std::vector<result<std::shared_ptr<const reply_type>>> replies;
  replies.reserve(requests.size());
  for (std::size_t begin = 0; begin < requests.size(); begin += services.options.asks_at_once) {
    const auto end = std::min(requests.size(), begin + services.options.asks_at_once);
    std::vector<std::pair<entity_key, message_ptr>> some;
    for (auto i = begin; i < end; ++i) some.emplace_back(requests[i].first, share(std::move(requests[i].second)));
    auto outcomes = co_await await_callback<all_outcomes>(
        where, [&](std::function<void(all_outcomes)> answer) { ask_all_raw(std::move(some), std::move(answer)); });
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (!outcomes[i]) {
        const auto& failure = outcomes[i].failure();
        replies.emplace_back(failure.code == errc::not_found ? missing_entity(requests[begin + i].first.kind)
                                                             : failure);
      } else if (auto typed = std::dynamic_pointer_cast<const reply_type>(*outcomes[i])) {
        replies.emplace_back(std::move(typed));
      } else {
        replies.emplace_back(error{errc::unknown_message, "the answer has another type"});
      }
    }
  }
  co_return replies;
}

template <class Value>
task<result<std::vector<Value>>> api_call::read_all(std::vector<placed_query<Value>> queries) {
  using outcomes = std::vector<result<Value>>;
  if (queries.empty()) co_return std::vector<Value>{};
  auto found = co_await await_callback<outcomes>(where, [&](std::function<void(outcomes)> answer) {
    auto all =
        std::make_shared<gathering<result<Value>>>(queries.size(), result<Value>(errc::unavailable), std::move(answer));
    for (std::size_t i = 0; i < queries.size(); ++i)
      services.readers.read(queries[i].first,
                            [all, i, query = std::move(queries[i].second)](store_reader* reader, errc refused) {
                              all->put(i, reader ? query(*reader) : result<Value>(refused));
                            });
  });
  std::vector<Value> values;
  for (auto& each : found) {
    if (!each) co_return each.failure();
    values.push_back(std::move(*each));
  }
  co_return values;
}

template <class Value>
task<result<std::vector<Value>>> api_call::read_everywhere(std::function<result<Value>(store_reader&)> query) {
  std::vector<Value> values;
  if (!services.shards) {
    auto found = co_await read<Value>(0, std::move(query));
    if (!found) co_return found.failure();
    values.push_back(std::move(*found));
    co_return values;
  }
  sharded_storage::shard_query each = [query = std::move(query)](store_reader& reader) -> std::shared_ptr<void> {
    return std::make_shared<result<Value>>(query(reader));
  };
  auto found = co_await scatter(std::move(each), [](const void* value) {
    const auto& outcome = *static_cast<const result<Value>*>(value);
    return outcome ? errc{} : outcome.code();
  });
  if (!found) co_return found.failure();
  for (auto& value : *found) values.push_back(std::move(**static_cast<result<Value>*>(value.get())));
  co_return values;
}

/// The executor that runs on one io thread. (net/transport/io_loop.hpp)
class io_loop;
executor_ptr make_loop_executor(io_loop& loop);

}  // namespace throng
