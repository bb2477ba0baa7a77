// SPDX-License-Identifier: Apache-2.0
#include "actors/channel/channel_change.hpp"

#include "storage/model/assert.hpp"

namespace throng {

namespace {

// The objects of an event besides its texts; measured with SpaceUsedLong() on a plain post, rounded up.
constexpr std::size_t event_bytes_base = 512;

}  // namespace

const Message& channel_change::post(std::shared_ptr<Event> event) {
  auto& message = *event->mutable_message();
  auto ts = positions_.next_ts(now_).micros;
  message.set_channel(channel_.value);
  message.set_ts(ts);
  message.set_seq(positions_.next_seq());
  event->set_at(ts);
  auto row = to_row(message);
  auto root_bytes = message.has_root() ? message.root().ByteSizeLong() : 0;
  events_.push_back({message.seq(), event_bytes_base + row.data.size() + root_bytes, std::move(event)});
  ops_.push_back(insert_message{std::move(row)});
  return message;
}

const Message& channel_change::system_post(user_id user, std::string_view subtype, std::string text, MessageData data) {
  auto event = std::make_shared<Event>();
  auto& message = *event->mutable_message();
  message.set_user(user.value);
  *message.mutable_data() = std::move(data);
  message.mutable_data()->set_subtype(subtype.data(), subtype.size());
  message.mutable_data()->set_text(std::move(text));
  return post(std::move(event));
}

void channel_change::announce(std::shared_ptr<Event> event) {
  THRONG_ASSERT(!event->has_message());
  if (event->at() == 0) event->set_at(now_.time_since_epoch().count());
  event_record row{key_of(channel_), positions_.next_seq(), now_, event->SerializeAsString()};
  events_.push_back({row.seq, event_bytes_base + row.data.size(), std::move(event)});
  ops_.push_back(insert_event{std::move(row)});
}

message_record to_row(const Message& message) {
  message_record row;
  row.channel = {message.channel()};
  row.ts = {message.ts()};
  row.seq = message.seq();
  row.user = {message.user()};
  row.thread_ts = {message.thread_ts()};
  row.in_channel = is_shown_in_channel(message);
  row.is_deleted = message.is_deleted();
  row.client_msg_id = message.client_msg_id();
  row.data = message.data().SerializeAsString();
  return row;
}

result<Message> to_message(message_record row) {
  Message message;
  message.set_channel(row.channel.value);
  message.set_ts(row.ts.micros);
  message.set_seq(row.seq);
  message.set_user(row.user.value);
  message.set_thread_ts(row.thread_ts.micros);
  message.set_is_deleted(row.is_deleted);
  message.set_client_msg_id(std::move(row.client_msg_id));
  if (!message.mutable_data()->ParseFromString(row.data))
    return error{errc::internal_error, "message " + to_text(row.ts) + " of " + to_text(row.channel) + " is unreadable"};
  return message;
}

message_record to_tombstone(const Message& message) {
  auto row = to_row(message);
  row.is_deleted = true;
  row.data.clear();
  return row;
}

}  // namespace throng
