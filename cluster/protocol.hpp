// SPDX-License-Identifier: Apache-2.0
// protocol<Entity>: which member function handles which message; one table a kind, not one an actor.
//
//   const protocol<channel>& channel::handlers() {
//     static const protocol<channel> table{on(&channel::post), on(&channel::subscribe)};
//     return table;
//   }
//   void channel::receive(std::shared_ptr<const envelope> m) { handlers().dispatch(*this, std::move(m)); }
//
// A handler is `task<result<Reply>> (const Request&, const envelope&)`, or the same without the task if it never waits,
// with Reply = reply_of_t<Request>; or `void (const Message&, const envelope&)` for what is only told.
#pragma once

#include <initializer_list>
#include <typeindex>
#include <unordered_map>

#include "cluster/entity.hpp"

namespace throng {

namespace detail {

template <class Reply>
void answer(const envelope& from, result<Reply> outcome) {
  if (!from.reply) return;
  if (outcome)
    from.reply->answer(share(std::move(*outcome)));
  else
    from.reply->answer(outcome.failure());
}

template <class Reply>
task<void> run_handler(std::shared_ptr<const envelope> from, task<result<Reply>> work) {
  answer<Reply>(*from, co_await work);
}

}  // namespace detail

template <class Entity>
struct handler {
  std::type_index type;
  std::function<void(Entity&, std::shared_ptr<const envelope>)> run;
};

template <class Entity, class Request, class Reply>
handler<Entity> on(task<result<Reply>> (Entity::*function)(const Request&, const envelope&)) {
  static_assert(std::is_same_v<Reply, reply_of_t<Request>>, "this request has another reply");
  return {typeid(Request), [function](Entity& self, std::shared_ptr<const envelope> from) {
            const auto& request = static_cast<const Request&>(*from->message);
            const auto& message = *from;
            spawn(detail::run_handler<Reply>(std::move(from), (self.*function)(request, message)));
          }};
}

template <class Entity, class Request, class Reply>
handler<Entity> on(result<Reply> (Entity::*function)(const Request&, const envelope&)) {
  static_assert(std::is_same_v<Reply, reply_of_t<Request>>, "this request has another reply");
  return {typeid(Request), [function](Entity& self, std::shared_ptr<const envelope> from) {
            detail::answer<Reply>(*from, (self.*function)(static_cast<const Request&>(*from->message), *from));
          }};
}

template <class Entity, class Message>
handler<Entity> on(void (Entity::*function)(const Message&, const envelope&)) {
  return {typeid(Message), [function](Entity& self, std::shared_ptr<const envelope> from) {
            (self.*function)(static_cast<const Message&>(*from->message), *from);
          }};
}

template <class Entity>
class protocol {
 public:
  protocol(std::initializer_list<handler<Entity>> handlers) {
    for (const auto& each : handlers) table_.emplace(each.type, each.run);
  }
  /// A message that the entity doesn't know is answered with errc::unknown_message.
  void dispatch(Entity& self, std::shared_ptr<const envelope> message) const;

 private:
  std::unordered_map<std::type_index, std::function<void(Entity&, std::shared_ptr<const envelope>)>> table_;
};

/// typeid of the message itself, and the refusal of one that has no handler; in a .cpp, so that Protobuf stays there.
std::type_index dynamic_type(const google::protobuf::Message& message);
void refuse_unknown(const envelope& message);

template <class Entity>
void protocol<Entity>::dispatch(Entity& self, std::shared_ptr<const envelope> message) const {
  auto found = table_.find(dynamic_type(*message->message));
  if (found == table_.end())
    refuse_unknown(*message);
  else
    found->second(self, std::move(message));
}

}  // namespace throng
