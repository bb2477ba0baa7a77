// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/history.hpp"

#include <charconv>
#include <utility>

namespace throng::verify {

namespace {

constexpr std::string_view op_prefix = "op-";

/// Something failed between the request and the commit's answer; what the rest of the errors say is that the request
/// was looked at and refused.
constexpr std::array<std::string_view, 12> open_errors{
    "internal_error", "fatal_error", "service_unavailable", "request_timeout", "unavailable", "overloaded",
    "stale_epoch",    "conflict",    "quarantined",         "storage_full",    "stopping",    "deadline_exceeded"};

}  // namespace

std::string to_text(op_id op) { return std::string(op_prefix) + std::to_string(op.value) + '.'; }

std::optional<op_id> find_op(std::string_view text) {
  for (auto at = text.find(op_prefix); at != text.npos; at = text.find(op_prefix, at + 1)) {
    const auto* begin = text.data() + at + op_prefix.size();
    const auto* end = text.data() + text.size();
    op_id op;
    const auto [behind, failure] = std::from_chars(begin, end, op.value);
    if (failure == std::errc() && behind != end && *behind == '.' && op) return op;
  }
  return std::nullopt;
}

bool is_outcome_unknown(std::string_view error) {
  for (const auto each : open_errors)
    if (each == error) return true;
  return false;
}

void event_log::push_back(const history_event& event) {
  if (size_ == blocks_.size() * block_events)
    blocks_.push_back(std::make_unique<std::array<history_event, block_events>>());
  (*blocks_[size_ / block_events])[size_ % block_events] = event;
  ++size_;
}

recorder::recorder(recorder_options options) : options_(std::move(options)), begin_(options_.now()) {
  written_.seed = options_.seed;
  written_.replay = options_.replay;
}

name_index recorder::intern(std::string_view text) {
  if (text.empty()) return {};
  const auto [place, is_new] = names_.try_emplace(std::string(text));
  if (is_new) {
    place->second = {static_cast<std::uint32_t>(written_.names.size())};
    written_.names.emplace_back(text);
  }
  return place->second;
}

void recorder::append(history_event event) {
  if (written_.events.size() >= options_.events_max) {
    written_.is_complete = false;
    return;
  }
  // Stamped under the lock: the log's order is the time's.
  event.at_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(options_.now() - begin_).count();
  written_.events.push_back(event);
}

client_index recorder::add_client(user_id user, std::string_view name) {
  const std::lock_guard lock(mutex_);
  written_.clients.push_back({user, std::string(name)});
  return {static_cast<std::uint32_t>(written_.clients.size() - 1)};
}

void recorder::channel_made(channel_id channel, bool is_private) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::channel_made, .flag = is_private, .channel = channel});
}

void recorder::member_added(channel_id channel, user_id user) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::member_added, .channel = channel, .user = user});
}

// -- calls

void recorder::add_call(const call& of, verify::phase phase, message_ts ts, std::string_view error) {
  const std::lock_guard lock(mutex_);
  append({.what = of.what,
          .phase = phase,
          .flag = of.has_client_msg_id,
          .client = of.client,
          .op = of.op,
          .ts = of.what == happening::post ? ts : of.ts,
          .channel = of.channel,
          .user = of.user ? of.user : written_.user_of(of.client),
          .socket = of.over,
          .stream = of.over ? socket_of(of.over).node : intern(of.node),
          .detail = intern(error)});
}

void recorder::invoked(const call& of) { add_call(of, phase::invoked, {}, {}); }
void recorder::acknowledged(const call& of, message_ts ts) { add_call(of, phase::acknowledged, ts, {}); }
void recorder::refused(const call& of, std::string_view error) { add_call(of, phase::refused, {}, error); }
void recorder::unknown(const call& of, std::string_view why) { add_call(of, phase::unknown, {}, why); }

// -- sockets

const recorder::socket_owner& recorder::socket_of(socket_index socket) const {
  return sockets_[socket.value < sockets_.size() ? socket.value : 0];
}

history_event recorder::of_socket(happening what, socket_index socket) const {
  return {.what = what, .client = socket_of(socket).client, .socket = socket};
}

socket_index recorder::socket_opened(client_index client, std::string_view node, socket_index previous) {
  const std::lock_guard lock(mutex_);
  sockets_.push_back({client, intern(node)});
  const socket_index socket{static_cast<std::uint32_t>(sockets_.size() - 1)};
  auto event = of_socket(happening::socket_opened, socket);
  event.flag = static_cast<bool>(previous);
  event.detail = sockets_.back().node;
  event.other = previous.value;
  append(event);
  return socket;
}

void recorder::socket_hello(socket_index socket, std::string_view session, bool is_resumed) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::socket_hello, socket);
  event.flag = is_resumed;
  event.detail = intern(session);
  append(event);
}

void recorder::socket_closed(socket_index socket, std::string_view why) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::socket_closed, socket);
  event.detail = intern(why);
  append(event);
}

void recorder::received(const received_event& from) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::received, from.socket);
  event.flag = from.is_edited;
  event.op = from.op;
  event.ts = from.ts;
  event.channel = from.channel;
  event.user = from.user;
  event.epoch = from.epoch;
  event.seq = from.seq;
  event.stream = intern(from.stream);
  event.detail = intern(from.type);
  event.other = intern(from.subtype).value;
  append(event);
}

void recorder::gap_told(socket_index socket, std::string_view stream, std::uint64_t epoch, std::uint64_t seq) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::gap, socket);
  event.epoch = epoch;
  event.seq = seq;
  event.stream = intern(stream);
  append(event);
}

// -- the end

read_index recorder::read_begun(client_index client, channel_id channel, std::string_view node) {
  const std::lock_guard lock(mutex_);
  append(
      {.what = happening::read_begun, .client = client, .channel = channel, .detail = intern(node), .other = ++reads_});
  return {reads_};
}

void recorder::read_entry(read_index read, message_ts ts, op_id op, std::string_view subtype, bool is_edited) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::read_entry,
          .flag = is_edited,
          .op = op,
          .ts = ts,
          .detail = intern(subtype),
          .other = read.value});
}

void recorder::read_ended(read_index read, bool is_whole) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::read_ended, .flag = is_whole, .other = read.value});
}

// -- presence

void recorder::presence_watched(socket_index socket, user_id user) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::presence_watched, socket);
  event.user = user;
  append(event);
}

void recorder::presence_seen(socket_index socket, user_id user, bool is_active) {
  const std::lock_guard lock(mutex_);
  auto event = of_socket(happening::presence_seen, socket);
  event.user = user;
  event.flag = is_active;
  append(event);
}

void recorder::presence_truth(user_id user, bool is_active) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::presence_truth, .flag = is_active, .user = user});
}

// -- the run

fault_index recorder::fault_begun(std::string_view kind, std::string_view target) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::fault_begun, .stream = intern(kind), .detail = intern(target), .other = ++faults_});
  return {faults_};
}

void recorder::fault_ended(fault_index fault) {
  const std::lock_guard lock(mutex_);
  append({.what = happening::fault_ended, .other = fault.value});
}

void recorder::settled() {
  const std::lock_guard lock(mutex_);
  append({.what = happening::settled});
}

std::size_t recorder::event_count() const {
  const std::lock_guard lock(mutex_);
  return written_.events.size();
}

history recorder::take() {
  const std::lock_guard lock(mutex_);
  return std::move(written_);
}

}  // namespace throng::verify
