// SPDX-License-Identifier: Apache-2.0
// A run made by hand: two people in one channel, and somebody who isn't. By default everything is as it should be; a
// test then does one thing that it shouldn't. Each step is one millisecond after the one before.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tools/throngverify/checker.hpp"

namespace throng::verify {

class handmade {
 public:
  static constexpr std::int64_t first_ts = 1'700'000'000'000'000;

  handmade() : log({.seed = 7, .replay = "again", .now = [this] { return now_ += std::chrono::milliseconds(1); }}) {
    ann = log.add_client(ann_id, "ann");
    ben = log.add_client(ben_id, "ben");
    eve = log.add_client(eve_id, "eve");
    log.channel_made(town, true);
    log.member_added(town, ann_id);
    log.member_added(town, ben_id);
    at_ann = open(ann);
    at_ben = open(ben);
  }

  void wait(std::chrono::milliseconds time) { now_ += time; }

  // -- pieces
  socket_index open(client_index client, socket_index previous = {}, bool is_resumed = false) {
    const auto socket = log.socket_opened(client, "n1", previous);
    log.socket_hello(socket, "S1", is_resumed);
    return socket;
  }
  void close(socket_index socket) { log.socket_closed(socket, "cut"); }
  call make_call(happening what, client_index client, message_ts ts = {}, user_id user = {}) {
    return {.what = what, .client = client, .channel = town, .op = log.new_op(), .ts = ts, .user = user};
  }
  call invoke(happening what, client_index client, message_ts ts = {}, user_id user = {}) {
    const auto call = make_call(what, client, ts, user);
    log.invoked(call);
    return call;
  }
  message_ts next_ts() { return {first_ts + ++ts_count_}; }
  std::uint64_t next_seq() { return ++seq; }
  received_event frame(socket_index socket, op_id op, message_ts ts, std::uint64_t at) {
    return {.socket = socket,
            .type = "message",
            .stream = town_name,
            .epoch = epoch,
            .seq = at,
            .channel = town,
            .ts = ts,
            .op = op};
  }
  void tell(socket_index socket, op_id op, message_ts ts, std::uint64_t at) { log.received(frame(socket, op, ts, at)); }
  void tell_member(socket_index socket, std::string_view type, user_id user, std::uint64_t at) {
    auto event = frame(socket, {}, {static_cast<std::int64_t>(first_ts / 2 + static_cast<std::int64_t>(at))}, at);
    event.type = type;
    event.user = user;
    log.received(event);
  }
  void tell_change(socket_index socket, op_id op, message_ts ts, std::uint64_t at) {
    auto event = frame(socket, op, ts, at);
    event.subtype = "message_changed";
    event.is_edited = true;
    log.received(event);
  }
  void store(message_ts ts, op_id op) { stored.push_back({ts, op, false}); }

  struct posted {
    op_id op;
    message_ts ts;
    std::uint64_t seq;
  };
  /// A post that does what it should.
  posted post(client_index client, const std::vector<socket_index>& told) {
    const auto call = invoke(happening::post, client);
    const posted done{call.op, next_ts(), next_seq()};
    store(done.ts, done.op);
    for (const auto socket : told) tell(socket, done.op, done.ts, done.seq);
    log.acknowledged(call, done.ts);
    return done;
  }
  posted post() { return post(ann, {at_ann, at_ben}); }
  op_id edit(const posted& what, client_index by) {
    const auto call = invoke(happening::edit, by, what.ts);
    const auto at = next_seq();
    for (auto& each : stored)
      if (each.ts == what.ts) each = {what.ts, call.op, true};
    for (const auto socket : {at_ann, at_ben}) tell_change(socket, call.op, what.ts, at);
    log.acknowledged(call);
    return call.op;
  }

  // -- the end
  struct message {
    message_ts ts;
    op_id op;
    bool is_edited;
  };
  void read(const std::vector<message>& messages, bool is_whole = true) {
    const auto read = log.read_begun(ben, town, "n2");
    for (const auto& each : messages) log.read_entry(read, each.ts, each.op, "", each.is_edited);
    log.read_ended(read, is_whole);
  }
  history finish() {
    log.settled();
    read(stored);
    auto newest_first = stored;
    std::reverse(newest_first.begin(), newest_first.end());
    read(newest_first);
    return log.take();
  }
  check_report judge() { return check(finish()); }

  static constexpr user_id ann_id{101}, ben_id{102}, eve_id{103};
  static constexpr channel_id town{400};
  const std::string town_name = to_text(town);

 private:
  std::chrono::steady_clock::time_point now_{};
  std::int64_t ts_count_ = 0;

 public:
  recorder log;
  client_index ann, ben, eve;
  socket_index at_ann, at_ben;
  std::uint64_t seq = 0;
  std::uint64_t epoch = 1;
  std::vector<message> stored;
};

/// The names of the rules that were violated, for a comparison that says much when it fails.
inline std::string violated(const check_report& report) {
  std::string names;
  for (const auto& each : report.rules)
    if (each.violation_count != 0) names += (names.empty() ? "" : " ") + std::string(to_string(each.which));
  return names;
}

/// The first violation's sentence.
inline std::string first_of(const check_report& report, rule which) {
  const auto& list = report[which].violations;
  return list.empty() ? std::string() : list.front().what;
}

}  // namespace throng::verify
