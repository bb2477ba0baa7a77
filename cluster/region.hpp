// SPDX-License-Identifier: Apache-2.0
// REGION: one per node, the door to all entities. tell() and ask() go by key: the slot table says which node owns the
// key's slot; if it is this one, the message goes to the SLOT's mailbox. Thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "cluster/entity.hpp"
#include "cluster/envelope.hpp"
#include "cluster/task.hpp"

namespace throng {

class region {
 public:
  virtual ~region() = default;

  /// False if the SLOT's mailbox is full: the message is lost.
  virtual bool tell(entity_key to, message_ptr message) = 0;
  /// `done` is called exactly once, on any thread, possibly before this returns; at the latest after `timeout`
  /// (errc::deadline_exceeded). errc::overloaded if a mailbox is full: nothing was done. errc::unavailable if the node
  /// where it was has died: it may have been done; what may be repeated (node::parts) is sent again instead.
  virtual void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) = 0;

  /// This node wants what `stream` publishes from now on: `done` comes after the subscription is in place. Subscribing
  /// twice is fine; one unsubscribe() ends it.
  virtual void subscribe(entity_key stream, std::function<void(result<>)> done) = 0;
  virtual void unsubscribe(entity_key stream) = 0;
  /// Where publications for this node go: called on a scheduler thread, in order within a stream; must not block.
  /// Set once, before the first subscription.
  virtual void on_publication(std::function<void(const publication_ptr&)> sink) = 0;

  /// A stream's SLOT has moved, and this node is subscribed there now: what was published in between may be missing, so
  /// whoever reads it asks for a Replay. Set once, before the first subscription.
  virtual void on_renewal(std::function<void(entity_key stream)> renewed) = 0;

  /// Slots (sorted) have other owners, or owners who have taken this node for gone meanwhile, and may not know what
  /// their entities knew. Any thread; must not block. Set once, before the node is among others.
  virtual void on_moved(std::function<void(const std::vector<slot_id>&)> moved) { (void)moved; }

  virtual steady_time now() const = 0;
  virtual wall_time wall() const = 0;

  /// co_await of an ask from outside the entities; continues on `where`.
  template <class Request>
  task<result<std::shared_ptr<const reply_of_t<Request>>>> ask(executor_ptr where, entity_key to, Request request,
                                                               duration timeout) {
    using reply_type = reply_of_t<Request>;
    auto message = share(std::move(request));
    auto outcome = co_await await_callback<result<message_ptr>>(
        std::move(where), [&](answer_callback done) { ask_raw(to, std::move(message), timeout, std::move(done)); });
    if (!outcome) co_return outcome.failure();
    auto reply = std::dynamic_pointer_cast<const reply_type>(*outcome);
    if (!reply) co_return error{errc::unknown_message, "the answer has another type"};
    co_return reply;
  }
};

}  // namespace throng
