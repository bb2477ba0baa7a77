// SPDX-License-Identifier: Apache-2.0
// chat.*: posts. What is answered ok:true is committed: the CHANNEL answers after the store has.
#include "net/api/methods/message_content.hpp"

namespace throng {

namespace {

/// `message` is stored, and its client is about to hear so.
void note_answered(api_call& call, const Message& message) {
  if (!call.services.deliveries) return;
  call.services.deliveries->add({key_of(channel_id{message.channel()}),
                                 message.seq(),
                                 {message.ts()},
                                 call.services.entities.wall(),
                                 delivery_note::step_t::answered,
                                 0,
                                 1});
}

void write_posted(api_call& call, const Message& message) {
  call.reply.member("channel", to_text(channel_id{message.channel()}));
  call.reply.member("ts", to_text(message_ts{message.ts()}));
}

constexpr std::size_t client_msg_id_bytes_max = 128;  // clients send UUIDs

task<result<>> post_message(api_call& call) {
  if (call.args.text("client_msg_id").size() > client_msg_id_bytes_max)
    co_return error{errc::invalid_arguments, "is too long [json-pointer:/client_msg_id]"};
  auto content = co_await message_content(call);
  if (!content) co_return content.failure();
  auto named = call.args.string("channel");
  auto channel = co_await resolve_channel(call, std::move(named));
  if (!channel) co_return channel.failure();
  PostRequest request;
  *request.mutable_caller() = call.caller();
  *request.mutable_data() = std::move(*content);
  request.mutable_data()->set_is_broadcast(call.args.boolean("reply_broadcast"));
  request.set_thread_ts(call.args.ts("thread_ts").micros);
  request.set_client_msg_id(call.args.string("client_msg_id"));
  auto posted = co_await call.ask(key_of(*channel), std::move(request));
  if (!posted) co_return posted.failure();
  note_answered(call, (*posted)->message());
  write_posted(call, (*posted)->message());
  call.reply.key("message");
  render_message(call.reply, (*posted)->message(), call.view());
  co_return done;
}

task<result<>> me_message(api_call& call) {
  auto content = co_await message_content(call);
  if (!content) co_return content.failure();
  auto named = call.args.string("channel");
  auto channel = co_await resolve_channel(call, std::move(named));
  if (!channel) co_return channel.failure();
  PostRequest request;
  *request.mutable_caller() = call.caller();
  *request.mutable_data() = std::move(*content);
  request.mutable_data()->set_subtype("me_message");
  auto posted = co_await call.ask(key_of(*channel), std::move(request));
  if (!posted) co_return posted.failure();
  note_answered(call, (*posted)->message());
  write_posted(call, (*posted)->message());
  co_return done;
}

task<result<>> update(api_call& call) {
  const bool has_text = call.args.is_given("text") || call.args.is_given("markdown_text");
  const bool has_blocks = call.args.has("blocks"), has_attachments = call.args.has("attachments");
  if (!has_text && !has_blocks && !has_attachments) co_return errc::no_text;
  auto content = co_await message_content(call, true);
  if (!content) co_return content.failure();
  UpdateRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("ts").micros);
  *request.mutable_data() = std::move(*content);
  request.set_has_text(has_text);
  request.set_has_blocks(has_blocks);
  request.set_has_attachments(has_attachments);
  request.set_has_metadata(call.args.has("metadata"));
  auto updated = co_await call.ask(key_of(call.args.channel("channel")), std::move(request));
  if (!updated) co_return updated.failure();
  const auto& message = (*updated)->message();
  write_posted(call, message);
  call.reply.member("text", message.data().text()).key("message");
  render_message(call.reply, message, call.view());
  co_return done;
}

task<result<>> remove(api_call& call) {
  DeleteRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("ts").micros);
  const auto channel = call.args.channel("channel");
  auto removed = co_await call.ask(key_of(channel), std::move(request));
  if (!removed) co_return removed.failure();
  call.reply.member("channel", to_text(channel)).member("ts", call.args.text("ts"));
  co_return done;
}

task<result<>> post_ephemeral(api_call& call) {
  auto content = co_await message_content(call);
  if (!content) co_return content.failure();
  auto named = call.args.string("channel");
  auto channel = co_await resolve_channel(call, std::move(named));
  if (!channel) co_return channel.failure();
  EphemeralRequest request;
  *request.mutable_caller() = call.caller();
  request.set_user(call.args.user("user").value);
  *request.mutable_data() = std::move(*content);
  request.set_thread_ts(call.args.ts("thread_ts").micros);
  auto shown = co_await call.ask(key_of(*channel), std::move(request));
  if (!shown) co_return shown.failure();
  call.reply.member("message_ts", to_text(message_ts{(*shown)->message().ts()}));
  co_return done;
}

task<result<>> permalink(api_call& call) {
  const auto channel = call.args.channel("channel");
  GetMessageRequest request;
  *request.mutable_caller() = call.caller();
  request.set_ts(call.args.ts("message_ts").micros);
  auto found = co_await call.ask(key_of(channel), std::move(request));
  if (!found) co_return found.failure();
  const auto& message = (*found)->message();
  auto link = call.client.base_url + "/archives/" + to_text(channel) + "/p" + std::to_string(message.ts());
  if (message.thread_ts() && message.thread_ts() != message.ts())
    link += "?thread_ts=" + to_text(message_ts{message.thread_ts()}) + "&cid=" + to_text(channel);
  call.reply.member("channel", to_text(channel)).member("permalink", link);
  co_return done;
}

std::vector<argument_spec> with_content(std::vector<argument_spec> own) {
  for (const auto& each : content_arguments()) own.push_back(each);
  return own;
}

}  // namespace

std::span<const api_method> chat_methods() {
  using enum argument_kind;
  constexpr auto required = presence_rule::required;
  constexpr auto optional = presence_rule::optional;
  constexpr auto none = errc::invalid_arguments;
  constexpr std::string_view write = "chat:write";
  static const argument_spec one_channel{"channel", channel, required};
  static const argument_spec named_channel{"channel", text, required, errc::channel_not_found};
  static const argument_spec thread{"thread_ts", ts, optional, none, errc::thread_not_found};
  static const argument_spec message{"ts", ts, required, none, errc::message_not_found};
  static const std::vector<api_method> methods{
      {"chat.postMessage", rate_tier::post, people, write,
       with_content({named_channel, thread, {"reply_broadcast", boolean}, {"client_msg_id"}}), post_message},
      {"chat.update", rate_tier::tier3, people, write, with_content({one_channel, message}), update},
      {"chat.delete", rate_tier::tier3, people, write, {one_channel, message, {"as_user", boolean}}, remove},
      {"chat.postEphemeral", rate_tier::tier4, people, write,
       with_content({named_channel, thread, {"user", user, required}}), post_ephemeral},
      {"chat.meMessage",
       rate_tier::tier3,
       people,
       write,
       {named_channel, {"text", text, required, errc::no_text}},
       me_message},
      {"chat.getPermalink",
       rate_tier::none,
       people,
       {},
       {one_channel, {"message_ts", ts, required, none, errc::message_not_found}},
       permalink},
  };
  return methods;
}

}  // namespace throng
