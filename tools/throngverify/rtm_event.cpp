// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/rtm_event.hpp"

#include "storage/json/json.hpp"

namespace throng::verify {

namespace {

std::string text_of(json_value value) { return std::string(value.as_string().value_or("")); }
std::uint64_t number_of(json_value value) { return static_cast<std::uint64_t>(value.as_int().value_or(0)); }
message_ts ts_of(json_value value) { return parse_ts(value.as_string().value_or("")).value_or(message_ts{}); }
op_id op_of(json_value message) { return find_op(message.find("text").as_string().value_or("")).value_or(op_id{}); }

/// Some events name a channel, some hold one.
channel_id channel_of(json_value event) {
  const auto channel = event.find("channel");
  const auto text = channel.is_object() ? channel.find("id") : channel;
  return parse_id<channel_id>(text.as_string().value_or("")).value_or(channel_id{});
}

void read_message(rtm_event& into, json_value event) {
  if (into.subtype == "message_changed" || into.subtype == "message_replied") {
    const auto message = event.find("message");
    into.ts = ts_of(message.find("ts"));
    into.op = op_of(message);
    into.is_edited = message.find("edited").is_object();
  } else if (into.subtype == "message_deleted") {
    into.ts = ts_of(event.find("deleted_ts"));
  } else {
    into.ts = ts_of(event.find("ts"));
    into.op = op_of(event);
    into.is_edited = event.find("edited").is_object();
  }
}

void read_presence(rtm_event& into, json_value event) {
  into.is_active = event.find("presence").as_string() == "active";
  const auto add = [&](json_value id) {
    if (auto user = parse_id<user_id>(id.as_string().value_or(""))) into.users.push_back(*user);
  };
  add(event.find("user"));
  event.find("users").for_each_element(add);
}

}  // namespace

std::optional<rtm_event> parse_rtm_event(std::string_view frame) {
  const auto document = parse_json(frame);
  if (!document || !document->root().is_object()) return std::nullopt;
  const auto event = document->root();
  rtm_event read;
  read.type = text_of(event.find("type"));
  read.subtype = text_of(event.find("subtype"));
  read.stream = text_of(event.find("stream"));
  read.epoch = number_of(event.find("epoch"));
  read.seq = number_of(event.find("seq"));
  read.channel = channel_of(event);
  read.user = parse_id<user_id>(event.find("user").as_string().value_or("")).value_or(user_id{});
  read.reply_to = event.find("reply_to").as_int();
  if (read.reply_to || read.type == "error") {
    read.is_ok = event.find("ok").as_bool().value_or(false);
    read.ts = ts_of(event.find("ts"));
    read.error = text_of(event.find("error").find("msg"));
  } else if (read.type == "message") {
    read_message(read, event);
  } else if (read.type == "presence_change") {
    read_presence(read, event);
  } else if (read.type == "hello") {
    read.session = text_of(event.find("session"));
    read.is_resumed = event.find("is_resumed").as_bool().value_or(false);
  } else {
    read.ts = ts_of(event.find("event_ts"));
  }
  return read;
}

}  // namespace throng::verify
