// SPDX-License-Identifier: Apache-2.0
// ENTITY: the seam between a kind's code (actors/) and the machinery that places, runs and heals it. An entity is a
// thin shell around a pure core: it turns messages into calls. Everything it does to the world goes through its
// entity_context, so the code of a kind needs neither CAF nor threads, and a test can hand it a context of its own.
//
//   class channel final : public entity {
//     task<> load() override;                                          // from the store, before the first message
//     task<result<PostReply>> post(const PostRequest& request, const envelope& from);
//     static const protocol<channel>& handlers();                      // { on(&channel::post), … }
//   };
//
// Handlers of one entity never run at the same time, but where one waits (co_await) others run in between.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/clock.hpp"
#include "cluster/envelope.hpp"
#include "cluster/task.hpp"
#include "storage/model/records.hpp"
#include "storage/store.hpp"

namespace throng {

using duration = std::chrono::steady_clock::duration;

/// What an entity may do. All of it from within the entity only, unless it says otherwise.
class entity_context {
 public:
  virtual ~entity_context() = default;

  virtual entity_key key() const = 0;
  virtual epoch_t epoch() const = 0;
  virtual steady_time now() const = 0;
  virtual wall_time wall() const = 0;
  /// Continuations of this entity; dropped once it has ended.
  virtual executor_ptr mailbox() = 0;

  /// Sends without waiting; lost if the receiver's mailbox is full or its node dies.
  virtual void tell(entity_key to, message_ptr message) = 0;
  /// `done` is called exactly once, on any thread, at the latest after `timeout` (errc::deadline_exceeded). The other
  /// entity may have done the work all the same: make requests idempotent.
  virtual void ask_raw(entity_key to, message_ptr request, duration timeout, answer_callback done) = 0;
  /// Commits under this entity's fence; in order with its other commits. `done` is called once, on any thread. After a
  /// failed commit the later ones of this incarnation fail too, and it ends once its handlers have answered: the next
  /// message finds a fresh one, loaded from the store. So a position that was given out and not stored leaves no hole.
  virtual void commit_raw(std::vector<write_op> ops, std::function<void(result<>)> done) = 0;
  /// Runs `work` on a reader thread; `refused` is set when it can't be.
  virtual void read_raw(std::function<void(store_reader* reader, errc refused)> work) = 0;
  /// To every node that subscribed to this entity's stream, in the order of the calls.
  virtual void publish(publication_ptr event) = 0;

  /// wake() is called once, that much later (resolution 100 ms), unless this incarnation has ended by then: one that
  /// mustn't miss it stays active meanwhile. A new call replaces the earlier one.
  virtual void wake_after(duration delay) = 0;
  /// Keeps the entity in memory though nobody talks to it, or lets it go again (the default).
  virtual void stay_active(bool stay) = 0;
  /// From now on node_lost() is called, or not any more (the default).
  virtual void hear_of_lost_nodes(bool wants) = 0;
  /// When this node took the key's slot over from another; the beginning of time if it never did.
  virtual steady_time taken_over() const = 0;

  // -- the same as awaitables
  // ------------------------------------------------------------------------------------------

  template <class Request>
  task<result<std::shared_ptr<const reply_of_t<Request>>>> ask(entity_key to, Request request, duration timeout);
  task<result<>> commit(std::vector<write_op> ops);
  /// `Value` is what `query(store_reader&)` returns inside its result. What it throws comes out of the co_await.
  template <class Value>
  task<result<Value>> read(std::function<result<Value>(store_reader&)> query);
};

class entity {
 public:
  explicit entity(entity_context& self) : self_(self) {}
  entity(const entity&) = delete;
  entity& operator=(const entity&) = delete;
  virtual ~entity() = default;

  /// Reads what it needs from the store, where all that former incarnations may still write is: the SLOT has waited for
  /// their commits, and a node that died with some of them was fenced off first. Messages wait (bounded) until it
  /// returns; an error answers them and ends this incarnation.
  virtual task<result<>> load() = 0;
  /// REQUIRES: load() has succeeded.
  virtual void receive(std::shared_ptr<const envelope> message) = 0;
  virtual void wake() {}
  /// A member is gone for good: it died, left, or was expelled. What it had told may be forgotten. Said once by this
  /// node, so an entity that was not in memory then doesn't hear it.
  virtual void node_lost(node_index, std::uint64_t incarnation) { (void)incarnation; }
  /// What the shell prints.
  virtual message_ptr snapshot() const = 0;

  /// What the next incarnation should go on with when this one is moved to another node: what it can't find in the
  /// store, and what would take it long to find there; null: nothing. Nothing is under way then, and this incarnation
  /// won't be called again. Times are told as how long ago or ahead they are: nodes' steady clocks have nothing to do
  /// with each other. wake_after() and stay_active() move by themselves. What is larger than
  /// entity_handover::entity_bytes_max doesn't move.
  virtual message_ptr handover() const { return nullptr; }
  /// Instead of load(), if something was handed over. It comes from another node and perhaps another version, and may
  /// not come at all; what doesn't fit what the store says is to be ignored.
  virtual task<result<>> load_from(message_ptr handed) {
    auto loaded = co_await load();
    if (loaded) take_over(*handed);
    co_return loaded;
  }
  /// What load_from() does behind load(): once, before the first message or wake().
  virtual void take_over(const google::protobuf::Message& handed) { (void)handed; }

 protected:
  entity_context& self() const { return self_; }

 private:
  entity_context& self_;
};

/// Makes the entity of a key. Throws nothing; the kind is one it was registered for.
using entity_factory = std::function<std::unique_ptr<entity>(entity_context& self)>;

// -- implementation of the templates
// -----------------------------------------------------------------------------------

template <class Request>
task<result<std::shared_ptr<const reply_of_t<Request>>>> entity_context::ask(entity_key to, Request request,
                                                                             duration timeout) {
  using reply_type = reply_of_t<Request>;
  auto message = share(std::move(request));
  auto outcome = co_await await_callback<result<message_ptr>>(
      mailbox(), [&](answer_callback done) { ask_raw(to, std::move(message), timeout, std::move(done)); });
  if (!outcome) co_return outcome.failure();
  auto reply = std::dynamic_pointer_cast<const reply_type>(*outcome);
  if (!reply) co_return error{errc::unknown_message, "the answer has another type"};
  co_return reply;
}

inline task<result<>> entity_context::commit(std::vector<write_op> ops) {
  co_return co_await await_callback<result<>>(
      mailbox(), [&](std::function<void(result<>)> done) { commit_raw(std::move(ops), std::move(done)); });
}

template <class Value>
task<result<Value>> entity_context::read(std::function<result<Value>(store_reader&)> query) {
  struct outcome {
    result<Value> value = errc::internal_error;
    std::exception_ptr thrown = nullptr;
  };
  auto answer = co_await await_callback<outcome>(mailbox(), [&](std::function<void(outcome)> done) {
    read_raw([query = std::move(query), done = std::move(done)](store_reader* reader, errc refused) {
      outcome found;
      try {
        found.value = reader ? query(*reader) : result<Value>(refused);
      } catch (...) {
        found.thrown = std::current_exception();
      }
      done(std::move(found));
    });
  });
  if (answer.thrown) std::rethrow_exception(answer.thrown);
  co_return std::move(answer.value);
}

}  // namespace throng
