// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/node_asks.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "cluster/surely.hpp"

namespace throng {

namespace {

error too_large(const char* what, std::size_t bytes, std::size_t bytes_max) {
  return {errc::request_too_large,
          std::string(what) + " of " + std::to_string(bytes) + " bytes is longer than " + std::to_string(bytes_max)};
}

error gone(node_index node) {
  return {errc::unavailable, "there is no link to node " + std::to_string(node.value) + " now"};
}

}  // namespace

// -- asking
// -------------------------------------------------------------------------------------------------------------

void node_asks::ask_node(node_index to, std::string request, std::chrono::milliseconds timeout, answer done) {
  if (request.size() > request_bytes_max) return done(too_large("a request", request.size(), request_bytes_max));
  std::uint64_t correlation = 0;
  std::optional<error> refused;
  {
    std::lock_guard lock(mutex_);
    if (is_stopped_)
      refused = error{errc::stopping, {}};
    else if (waiting_.size() >= waiting_max)
      refused = error{errc::overloaded, "too many questions to nodes wait for an answer"};
    else if (down_.contains(to))
      refused = gone(to);
    else
      waiting_.emplace(correlation = next_++, waiting{to, clock_.now() + timeout, std::move(done), {}});
  }
  if (refused) return done(std::move(*refused));
  if (to == self_)
    return serve(to, std::move(request), timeout,
                 [self = shared_from_this(), correlation](result<std::string> outcome) {
                   node_answer_parcel all{correlation, true, std::move(outcome)};
                   self->receive(self->self_, all);
                 });
  if (post(to, node_ask_parcel{correlation, timeout, std::move(request)})) return;
  finish_if([=](const auto& each) { return each.first == correlation; }, gone(to));
}

bool node_asks::post(node_index to, const parcel& what) {
  std::shared_lock lock(posting_);
  return between_ && between_->post(to, encode(what));
}

void node_asks::receive(node_index from, node_answer_parcel& part) {
  answer done;
  result<std::string> outcome = std::string();
  {
    std::lock_guard lock(mutex_);
    const auto found = waiting_.find(part.correlation);
    if (found == waiting_.end() || found->second.to != from) return;  // it came too late
    auto& text = found->second.text;
    if (!part.part)
      outcome = part.part.failure();
    else if (text.size() + part.part->size() > answer_bytes_max)
      outcome = too_large("an answer", text.size() + part.part->size(), answer_bytes_max);
    else
      outcome = std::move(text += *part.part);
    if (outcome && !part.is_last) {
      text = std::move(*outcome);
      return;
    }
    done = std::move(found->second.done);
    waiting_.erase(found);
  }
  done(std::move(outcome));
}

template <class Which>
void node_asks::finish_if(Which which, const error& why) {
  std::vector<answer> due;
  {
    std::lock_guard lock(mutex_);
    for (auto each = waiting_.begin(); each != waiting_.end();) {
      if (!which(*each)) {
        ++each;
        continue;
      }
      due.push_back(std::move(each->second.done));
      each = waiting_.erase(each);
    }
  }
  for (auto& done : due) done(why);
}

void node_asks::link_changed(const node_identity& peer, bool is_up) {
  {
    std::lock_guard lock(mutex_);
    if (is_up)
      down_.erase(peer.node);
    else
      down_.insert(peer.node);
  }
  if (!is_up)
    finish_if([&](const auto& each) { return each.second.to == peer.node; },
              {errc::unavailable, "the link to " + peer.name + " went down"});
}

void node_asks::peer_lost(const node_identity& peer) {
  {
    std::lock_guard lock(mutex_);
    down_.erase(peer.node);  // the next incarnation's link is another
  }
  finish_if([&](const auto& each) { return each.second.to == peer.node; }, {errc::unavailable, peer.name + " is gone"});
}

void node_asks::tick(steady_time now) {
  finish_if([=](const auto& each) { return each.second.deadline <= now; }, {errc::deadline_exceeded, {}});
}

void node_asks::stop() {
  {
    std::lock_guard lock(mutex_);
    is_stopped_ = true;
  }
  {
    std::unique_lock lock(posting_);
    between_ = nullptr;
  }
  serve_nodes({});
  finish_if([](const auto&) { return true; }, {errc::stopping, {}});
}

// -- answering
// ----------------------------------------------------------------------------------------------------------

void node_asks::serve_nodes(handler serve) {
  std::unique_lock lock(serving_);
  serve_ = std::move(serve);
}

void node_asks::serve(node_index from, std::string request, std::chrono::milliseconds timeout, answer reply) {
  std::shared_lock lock(serving_);
  if (!serve_) return reply(error{errc::unavailable, "that node answers no questions now"});
  serve_(from, std::move(request), timeout,
         surely<result<std::string>>(std::move(reply), error{errc::unavailable, "the question was dropped there"}));
}

void node_asks::receive(node_index from, node_ask_parcel& ask) {
  {
    std::unique_lock lock(mutex_);
    auto& count = answering_[from];
    if (is_stopped_) return;
    if (count >= served_of_a_peer_max) {
      lock.unlock();
      return send_answer(from, ask.correlation, error{errc::overloaded, "too many questions wait there already"});
    }
    ++count;
  }
  serve(from, std::move(ask.request), ask.timeout,
        [self = shared_from_this(), from, correlation = ask.correlation](result<std::string> outcome) {
          {
            std::lock_guard lock(self->mutex_);
            --self->answering_[from];
          }
          self->send_answer(from, correlation, std::move(outcome));
        });
}

/// What can't be posted is lost: its asker's deadline says so.
void node_asks::send_answer(node_index to, std::uint64_t correlation, result<std::string> outcome) {
  if (outcome && outcome->size() > answer_bytes_max)
    outcome = too_large("an answer", outcome->size(), answer_bytes_max);
  if (!outcome) {
    (void)post(to, node_answer_parcel{correlation, true, std::move(outcome)});
    return;
  }
  const std::string_view text = *outcome;
  std::size_t at = 0;
  do {
    const bool is_last = at + part_bytes_max >= text.size();
    if (!post(to, node_answer_parcel{correlation, is_last, std::string(text.substr(at, part_bytes_max))})) return;
    at += part_bytes_max;
  } while (at < text.size());
}

}  // namespace throng
