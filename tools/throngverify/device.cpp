// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/device.hpp"

#include <algorithm>

#include "storage/json/json.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto open_patience = 20s;  // from the upgrade to hello: longer than a node's own
constexpr auto silence_ping = 5s;    // so long nothing came: is the node still there?
constexpr auto silence_least = 8s;   // so long or up to 7 s more nothing at all came: it isn't; the device goes away
constexpr auto send_patience = 10s;
constexpr auto vanished_for = 20s;  // so long the connection of a device that vanished stays open
constexpr std::size_t pending_max = 8;
constexpr auto come_back_soon = 50ms;
constexpr auto come_back_late = 1500ms;

}  // namespace

device::device(scene& of, std::size_t person, std::size_t number, std::optional<std::size_t> node)
    : scene_(of),
      person_(person),
      random_(random_for(of.plan.seed, "device", person * 16 + number)),
      node_(node ? *node : pick_below(random_, of.nodes.size())) {}

task<void> device::live() {
  std::size_t failures = 0;
  while (!scene_.is_curtain && !goes_home_) {
    leaves_.reset();
    const auto& door = scene_.nodes[node_];
    socket_ = scene_.record.socket_opened(scene_.people[person_].client, door.name, previous_);
    auto opened = co_await sign_in();
    std::string why;
    if (opened) {
      line_ = &opened->socket;
      why = co_await read_frames(*opened);
      line_ = nullptr;
    } else {
      why = opened.failure().detail;
    }
    const bool was_ready = std::exchange(is_ready_, false);
    for (const auto& [_, what] : pending_) scene_.record.unknown(what, "the websocket ended");
    pending_.clear();
    outgoing_.clear();
    if (leaves_) why = "the client left";
    scene_.record.socket_closed(socket_, why);
    if (was_ready) {
      previous_ = socket_;
      failures = 0;
    } else {
      ++scene_.counts.failed_sign_ins;
      ++scene_.counts.errors["sign-in: " + why];
      ++failures;
      if (!previous_) forget_session();  // never had one that worked
    }
    if (opened && leaves_ != leaving::vanished && leaves_ != leaving::reset) opened->socket.shut_down();
    while (is_sending_) co_await scene_.loop.sleep_for(10ms);  // it has the line in its hands
    if (leaves_ == leaving::reset) opened->socket.reset_on_close();
    if (leaves_ == leaving::vanished) {
      spawn([](event_loop& loop, async_socket) -> task<void> { co_await loop.sleep_for(vanished_for); }(
                                                   scene_.loop, std::move(opened->socket)));
    }
    opened = errc::service_unavailable;  // closes it
    if (starts_afresh_) forget_session();
    // Who left by itself goes where it wanted; who was left goes elsewhere, as does who finds nobody.
    if (leaves_ ? goes_elsewhere_ : failures > 0 || is_chance(random_, 0.7))
      node_ =
          (node_ + 1 + pick_below(random_, std::max<std::size_t>(1, scene_.nodes.size() - 1))) % scene_.nodes.size();
    const auto least = std::chrono::duration_cast<std::chrono::milliseconds>(leaves_ ? away_for_ : come_back_soon);
    const auto jitter = (failures > 0 ? come_back_late : 3 * come_back_soon).count();
    starts_afresh_ = goes_elsewhere_ = false;
    co_await scene_.loop.sleep_for(
        least + std::chrono::milliseconds(pick_below(random_, static_cast<std::size_t>(jitter) + 1)));
  }
}

task<result<open_websocket>> device::sign_in() {
  const auto& person = scene_.people[person_];
  const bool is_fresh = session_.empty();
  form_fields fields{{"presence_sub", "true"}, {"batch_presence_aware", "true"}};
  if (!is_fresh) {
    fields.emplace_back("session", session_);
    fields.emplace_back("cursors", cursors());
  }
  // Old clients boot by rtm.start; both answer the same to who comes back.
  const std::string method = is_chance(random_, 0.1) ? "rtm.start" : "rtm.connect";
  api_line line(scene_.loop, scene_.nodes[node_].client);
  const auto answer = co_await line.call(method, person.token, std::move(fields));
  if (!answer.is_ok()) co_return error{errc::service_unavailable, method + ": " + answer.error};
  const auto document = parse_json(answer.body, {.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000});
  const auto url = parse_http_url(document->root().find("url").as_string().value_or(""));
  if (!url) co_return error{errc::service_unavailable, method + " answered no url"};
  was_resumed_ = document->root().find("resumed").as_bool().value_or(false);
  session_ = document->root().find("session").as_string().value_or("");
  ++scene_.counts.sign_ins;
  auto& how = is_fresh || !was_resumed_ ? scene_.counts.fresh_starts : scene_.counts.resumes;
  ++how;
  const auto deadline = event_loop::clock::now() + open_patience;
  http_url where = *url;
  co_return co_await open_rtm(scene_.loop, std::move(where), deadline);
}

/// Until it ends; why.
task<std::string> device::read_frames(open_websocket& opened) {
  frame_reader frames;
  std::string received = std::move(opened.received), why;
  const auto patience = silence_least + std::chrono::milliseconds(pick_below(random_, 7'000));
  auto heard = event_loop::clock::now();
  const auto opened_at = heard;
  bool is_asked = false;
  while (true) {
    const bool is_whole = frames.read(received, [&](ws_opcode opcode, std::string_view payload) {
      if (opcode == ws_opcode::text) {
        take(payload);
      } else if (opcode == ws_opcode::ping) {
        send_frame(ws_opcode::pong, payload);
      } else if (opcode == ws_opcode::close && why.empty()) {
        why = "closed with ";
        if (payload.size() >= 2)
          why += std::to_string(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
      }
    });
    received.clear();
    if (!is_whole) co_return "what came are no websocket frames";
    if (!why.empty()) co_return why;
    if (scene_.is_curtain) co_return "the run is over";
    auto more = co_await opened.socket.receive(received, heard + (is_asked ? patience : silence_ping));
    if (!more) co_return more.failure().detail;
    const auto now = event_loop::clock::now();
    // Who says that it leaves waits for the answer, but not for long.
    if (leaves_ && (!*more || leaves_ != leaving::closed)) co_return "the client left";
    if (!is_ready_ && now - opened_at > open_patience) co_return "no hello in time";
    if (*more) {
      heard = now;
      is_asked = false;
    } else if (is_asked) {
      co_return "it fell silent";
    } else {
      is_asked = true;
      if (!leaves_) send_frame(ws_opcode::text, R"({"id":0,"type":"ping"})");
    }
  }
}

// One sender at a time; what comes meanwhile is sent behind it.
task<void> device::send_later(std::string frames) {
  is_sending_ = true;
  while (!frames.empty() && line_) {
    auto sent = co_await line_->send(frames, event_loop::clock::now() + send_patience);
    if (!sent && line_) line_->shut_down();
    frames = sent ? std::exchange(outgoing_, {}) : std::string();
  }
  is_sending_ = false;
}

void device::send_frame(ws_opcode opcode, std::string_view payload) {
  if (!line_) return;
  append_client_frame(outgoing_, opcode, payload, static_cast<std::uint32_t>(random_()));
  if (!is_sending_) spawn(send_later(std::exchange(outgoing_, {})));
}

// -- what it is told
// ---------------------------------------------------------------------------------------------------

void device::take(std::string_view frame) {
  const auto read = parse_rtm_event(frame);
  if (!read) return line_->shut_down();
  const auto& event = *read;
  if (event.type == "hello") {
    // A new session that starts at nothing has seen nothing.
    const bool is_resumed = event.is_resumed && was_resumed_;
    if (!is_resumed) seen_.clear();
    is_ready_ = true;
    scene_.record.socket_hello(socket_, event.session, is_resumed);
    watch({});
    return;
  }
  if (event.reply_to && event.type != "pong") return take_reply(event);
  if (event.type == "gap") return take_gap(event);
  if (event.type == "presence_change") {
    for (const auto user : event.users) scene_.record.presence_seen(socket_, user, event.is_active);
    return;
  }
  if (event.type == "error") {
    ++scene_.counts.errors["websocket: " + event.error];
    return;
  }
  const bool is_about_itself =
      event.type == "pong" || event.type == "reconnect_url" || event.type == "goodbye" || event.type == "resync_needed";
  if (is_about_itself) return;
  ++scene_.counts.deliveries;
  if (!event.stream.empty()) seen_[event.stream] = {event.epoch, event.seq};
  if (event.type == "message" && event.channel) newest_[event.channel] = std::max(newest_[event.channel], event.ts);
  scene_.record.received({.socket = socket_,
                          .type = event.type,
                          .subtype = event.subtype,
                          .stream = event.stream,
                          .epoch = event.epoch,
                          .seq = event.seq,
                          .channel = event.channel,
                          .ts = event.ts,
                          .op = event.op,
                          .user = event.user,
                          .is_edited = event.is_edited});
}

void device::take_reply(const rtm_event& event) {
  const auto found = pending_.find(*event.reply_to);
  if (found == pending_.end()) return;
  const auto what = found->second;
  pending_.erase(found);
  if (event.is_ok) {
    ++scene_.counts.acknowledged;
    ++scene_.counts.posts;
    scene_.record.acknowledged(what, event.ts);
  } else {
    ++scene_.counts.refused;
    ++scene_.counts.errors[event.error];
    scene_.record.refused(what, event.error);
  }
}

void device::take_gap(const rtm_event& event) {
  ++scene_.counts.gaps;
  scene_.record.gap_told(socket_, event.stream, event.epoch, event.seq);
  if (event.epoch == 0)
    seen_.erase(event.stream);
  else
    seen_[event.stream] = {event.epoch, event.seq};
}

bool device::has_seen(channel_id channel, message_ts post) const {
  const auto found = newest_.find(channel);
  return found != newest_.end() && found->second.micros >= post.micros;
}

std::string device::cursors() const {
  std::string json;
  json_writer out(json);
  out.begin_object();
  for (const auto& [stream, at] : seen_) out.key(stream).begin_array().value(at.epoch).value(at.seq).end_array();
  out.end_object();
  return json;
}

// -- what its person does
// ----------------------------------------------------------------------------------------------

void device::post(channel_id channel) {
  if (!is_ready_ || goes_home_ || leaves_ || pending_.size() >= pending_max) return;
  call what{happening::post, scene_.people[person_].client, channel, scene_.record.new_op()};
  what.over = socket_;
  const auto id = next_id_++;
  pending_.emplace(id, what);
  ++scene_.counts.calls;
  scene_.record.invoked(what);
  send_frame(ws_opcode::text, "{\"id\":" + std::to_string(id) + ",\"type\":\"message\",\"channel\":\"" +
                                  to_text(channel) + "\",\"text\":\"" + to_text(what.op) + " over the websocket\"}");
}

void device::type(channel_id channel) {
  if (is_ready_) send_frame(ws_opcode::text, "{\"type\":\"typing\",\"channel\":\"" + to_text(channel) + "\"}");
}

void device::watch(const std::vector<user_id>& users) {
  // What is asked for replaces what was: nobody is dropped.
  for (const auto user : users)
    if (std::ranges::find(watched_, user) == watched_.end()) watched_.push_back(user);
  if (!is_ready_ || watched_.empty()) return;
  std::string json;
  json_writer out(json);
  out.begin_object().member("type", "presence_sub").key("ids").begin_array();
  for (const auto user : watched_) {
    out.value(to_text(user));
    scene_.record.presence_watched(socket_, user);
  }
  out.end_array().end_object();
  send_frame(ws_opcode::text, json);
}

void device::leave(leaving how, event_loop::clock::duration away_for, bool elsewhere, bool afresh) {
  if (!is_ready_ || leaves_ || goes_home_ || !line_) return;
  leaves_ = how;
  away_for_ = away_for;
  goes_elsewhere_ = elsewhere;
  starts_afresh_ = afresh;
  if (how == leaving::closed)
    send_frame(ws_opcode::close, std::string_view("\x03\xe8", 2));  // its reader leaves at the server's answer
  else
    line_->interrupt_reader();
}

void device::go_home() {
  leave(leaving::closed, {}, false, false);
  goes_home_ = true;
}

void device::forget_session() {
  session_.clear();
  seen_.clear();
  previous_ = {};
}

}  // namespace throng::verify
