// SPDX-License-Identifier: Apache-2.0
#include "actors/stream/numbered_stream.hpp"

#include <algorithm>

#include "actors/stream/replay_since.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

constexpr std::size_t event_bytes_base = 512;  // an event's objects besides its texts, rounded up

}  // namespace

numbered_stream::numbered_stream(entity_context& self, const numbered_stream_options& options)
    : self_(self), options_(options), ring_(options.ring) {}

task<result<>> numbered_stream::load() {
  std::function<result<store_reader::stream_end>(store_reader&)> query = [key = self_.key()](store_reader& reader) {
    return reader.end_of(key);
  };
  auto end = co_await self_.read(std::move(query));
  if (!end) co_return end.failure();
  given_out_ = end->seq;
  ring_ = event_ring(options_.ring, end->seq);
  co_return done;
}

task<result<>> numbered_stream::commit(std::vector<write_op> ops, std::vector<Event> events) {
  if (failure_) co_return *failure_;
  if (ops.empty() && events.empty()) co_return co_await settled();
  auto number = ++begun_;
  auto wall = self_.wall();
  std::vector<numbered> announced;
  for (auto& event : events) {
    if (event.at() == 0) event.set_at(wall.time_since_epoch().count());
    event_record row{self_.key(), ++given_out_, wall, event.SerializeAsString()};
    auto bytes = event_bytes_base + row.data.size();
    announced.push_back({row.seq, bytes, std::make_shared<const Event>(std::move(event))});
    ops.push_back(insert_event{std::move(row)});
  }
  auto outcome = co_await await_callback<result<>>(
      self_.mailbox(), [&](std::function<void(result<>)> done) { self_.commit_raw(std::move(ops), std::move(done)); });
  if (!outcome) {
    if (!failure_) failure_ = outcome.failure();
    tell_settled(outcome);
    co_return outcome;
  }
  THRONG_ASSERT(number == committed_ + 1);  // commits of one entity are answered in their order
  for (auto& each : announced) {
    ring_.append(each.seq, each.event, each.bytes, self_.now());
    publish(each.seq, delivery_class::message, std::move(each.event));
  }
  committed_ = number;
  tell_settled(done);
  co_return done;
}

task<result<>> numbered_stream::commit(std::vector<write_op> ops) {
  std::vector<Event> none;
  co_return co_await commit(std::move(ops), std::move(none));
}

task<result<>> numbered_stream::settled() {
  if (failure_) co_return *failure_;
  if (begun_ == committed_) co_return done;
  co_return co_await await_callback<result<>>(
      self_.mailbox(), [&](std::function<void(result<>)> done) { settling_.emplace_back(begun_, std::move(done)); });
}

void numbered_stream::tell_settled(const result<>& outcome) {
  auto is_waiting = [&](const auto& each) { return outcome.ok() && each.first > committed_; };
  auto end = std::ranges::find_if(settling_, is_waiting);
  for (auto each = settling_.begin(); each != end; ++each) each->second(outcome);
  settling_.erase(settling_.begin(), end);
}

void numbered_stream::publish_unnumbered(Event event, delivery_class priority) {
  if (event.at() == 0) event.set_at(self_.wall().time_since_epoch().count());
  publish(0, priority, std::make_shared<const Event>(std::move(event)));
}

void numbered_stream::publish(seq_t seq, delivery_class priority, std::shared_ptr<const Event> event) {
  publication out{self_.key(), self_.epoch(), seq, priority, 0, std::move(event)};
  self_.publish(std::make_shared<const publication>(std::move(out)));
}

task<result<ReplayReply>> numbered_stream::replay(const ReplayRequest& request) {
  if (request.since() != 0) {
    const auto by_position = [this](const ReplayRequest& each) { return replay(each); };
    co_return co_await replay_since(request, end(), by_position);
  }
  auto after = request.after_seq();
  auto count_max = options_.replay_events_max;
  if (request.count_max() != 0) count_max = std::min<std::size_t>(count_max, request.count_max());
  if (after > end() || end() - after > count_max) co_return errc::too_old;

  ReplayReply reply;
  reply.set_epoch(self_.epoch());
  reply.set_end_seq(end());
  if (ring_.replay(after, reply)) co_return reply;
  // What is committed while we read is left out: it is published after this answer's end.
  auto end_seq = reply.end_seq();
  std::function<result<std::vector<event_record>>(store_reader&)> query = [key = self_.key(), after,
                                                                           end_seq](store_reader& reader) {
    constexpr std::size_t later_max = 10'000;
    return reader.events_after(key, after, end_seq - after + later_max);
  };
  auto rows = co_await self_.read(std::move(query));
  if (!rows) co_return rows.failure();
  for (auto& row : *rows) {
    if (row.seq > end_seq) break;
    if (row.seq != ++after) co_return errc::too_old;  // trimmed
    auto& next = *reply.add_events();
    next.set_seq(row.seq);
    if (!next.mutable_event()->ParseFromString(row.data))
      co_return error{errc::internal_error,
                      "event " + std::to_string(row.seq) + " of " + to_text(self_.key()) + " is unreadable"};
  }
  if (after != end_seq) co_return errc::too_old;
  co_return reply;
}

}  // namespace throng
