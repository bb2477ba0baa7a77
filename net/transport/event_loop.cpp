// SPDX-License-Identifier: Apache-2.0
#include "net/transport/detail/event_loop.hpp"

#include <algorithm>
#include <ctime>
#include <exception>
#include <pthread.h>
#include <string>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "config/log.hpp"
#include "net/transport/detail/connection_base.hpp"
#include "net/transport/detail/outbox_stream.hpp"
#include "net/transport/http_text.hpp"

namespace throng::detail {

namespace {
// A turn ends after that many handlers although more are ready, so that nothing waits long for its write.
constexpr int turn_handlers_max = 512;
}  // namespace

event_loop::event_loop(std::size_t index, const transport_options& options)
    : index_(index), options_(options), now_(std::chrono::steady_clock::now()), wheel_(now_) {}

event_loop::~event_loop() { join(); }

void event_loop::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("io/" + std::to_string(index_)).c_str());
}

void event_loop::join() {
  if (thread_.joinable()) thread_.join();
}

void event_loop::run() {
  thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  const auto work = boost::asio::make_work_guard(context_);
  while (!is_done_) turn();
  // Functions that were posted too late may hold responders; those find their connections gone and do nothing. They
  // are destroyed outside the lock, because destroying one may post again.
  for (;;) {
    std::vector<io_task> rest;
    {
      const std::lock_guard lock(inbox_mutex_);
      is_inbox_closed_ = true;
      rest.swap(inbox_);
    }
    if (rest.empty()) break;
  }
  later_.clear();
  thread_id_.store({}, std::memory_order_relaxed);
}

void event_loop::turn() {
  const auto run_one_guarded = [this](auto step) {
    try {
      return step();
    } catch (const std::exception& e) {
      counters_.handler_failures.add();
      log::error("io loop {} caught an exception: {}", index_, e.what());
      return std::size_t{1};
    }
  };
  is_now_fresh_ = false;
  // Something left to flush: look at what is ready, but don't wait.
  std::size_t ran = run_one_guarded([&] { return dirty_.empty() ? context_.run_one() : context_.poll_one(); });
  for (int i = 1; ran > 0 && i < turn_handlers_max; ++i) ran = run_one_guarded([&] { return context_.poll_one(); });
  run_timers();
  flush_dirty();
  if (stop_at_ && may_end()) is_done_ = true;
}

// -- posted functions -----------------------------------------------------------------------------------------------

bool event_loop::post(io_task run) {
  std::unique_lock lock(inbox_mutex_);
  if (is_inbox_closed_ || inbox_.size() >= options_.inbox_tasks_max) {
    inbox_refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  enqueue(std::move(lock), std::move(run));
  return true;
}

void event_loop::post_always(io_task run) {
  std::unique_lock lock(inbox_mutex_);
  if (!is_inbox_closed_) enqueue(std::move(lock), std::move(run));
}

void event_loop::enqueue(std::unique_lock<std::mutex> lock, io_task run) {
  inbox_.push_back(std::move(run));
  // One wake-up for all that come before the loop has looked.
  if (inbox_.size() == 1) boost::asio::post(context_, [this] { run_inbox(); });
  lock.unlock();
}

void event_loop::run_inbox() {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_running_.swap(inbox_);
  }
  for (auto& run : inbox_running_) run_guarded(run);
  inbox_running_.clear();
  if (inbox_running_.capacity() > 4096) std::vector<io_task>().swap(inbox_running_);
}

void event_loop::run_guarded(io_task& run) {
  try {
    run();
  } catch (const std::exception& e) {
    // A posted function belongs to one request or one connection: the others must not pay for it.
    counters_.handler_failures.add();
    log::error("io loop {}: a posted function failed: {}", index_, e.what());
  }
}

// -- time -----------------------------------------------------------------------------------------------------------

void event_loop::after(std::chrono::milliseconds delay, io_task run) {
  later_.push_back({std::chrono::steady_clock::now() + delay, later_order_++, std::move(run)});
  std::push_heap(later_.begin(), later_.end());
  arm_timer();
}

void event_loop::arm(timer_wheel::entry& entry, steady_time due) {
  wheel_.arm(entry, due);
  arm_timer();
}

void event_loop::run_timers() {
  while (!later_.empty() && later_.front().due <= now()) {
    std::pop_heap(later_.begin(), later_.end());
    io_task run = std::move(later_.back().run);
    later_.pop_back();
    run_guarded(run);
  }
  wheel_.advance(now());
  arm_timer();
}

// One kernel timer for all: it is moved only when something becomes due earlier than it.
void event_loop::arm_timer() {
  std::optional<steady_time> due = stop_at_;
  const auto consider = [&due](steady_time at) { due = due ? std::min(*due, at) : at; };
  if (!later_.empty()) consider(later_.front().due);
  if (!wheel_.empty()) consider(wheel_.next_tick());
  if (!due || (timer_due_ && *timer_due_ <= *due)) return;
  timer_due_ = due;
  timer_.expires_at(*due);
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) timer_due_.reset();  // run_timers() follows at the end of this turn
  });
}

std::string_view event_loop::date() {
  const auto second = static_cast<std::int64_t>(std::time(nullptr));
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second);
  }
  return date_;
}

// -- writing --------------------------------------------------------------------------------------------------------

void event_loop::mark_dirty(outbox_stream& stream) {
  if (stream.dirty_index_ != outbox_stream::not_dirty) return;
  stream.dirty_index_ = static_cast<std::uint32_t>(dirty_.size());
  dirty_.push_back(&stream);
}

void event_loop::unmark_dirty(outbox_stream& stream) {
  const auto at = stream.dirty_index_;
  if (at == outbox_stream::not_dirty) return;
  stream.dirty_index_ = outbox_stream::not_dirty;
  if (at < dirty_.size() && dirty_[at] == &stream) dirty_[at] = nullptr;
  if (at < flushing_.size() && flushing_[at] == &stream) flushing_[at] = nullptr;
}

void event_loop::flush_dirty() {
  flushing_.swap(dirty_);
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    outbox_stream* stream = flushing_[i];
    if (i + 1 < flushing_.size()) __builtin_prefetch(flushing_[i + 1]);  // a thousand of them don't stay in the cache
    if (stream == nullptr) continue;
    stream->dirty_index_ = outbox_stream::not_dirty;
    flushing_[i] = nullptr;
    stream->flush();
  }
  flushing_.clear();
}

// -- stopping -------------------------------------------------------------------------------------------------------

void event_loop::link(connection_base& connection) {
  connection.previous_ = nullptr;
  connection.next_ = connections_;
  if (connections_ != nullptr) connections_->previous_ = &connection;
  connections_ = &connection;
}

void event_loop::unlink(connection_base& connection) {
  (connection.previous_ != nullptr ? connection.previous_->next_ : connections_) = connection.next_;
  if (connection.next_ != nullptr) connection.next_->previous_ = connection.previous_;
  connection.previous_ = connection.next_ = nullptr;
}

void event_loop::stop(std::chrono::milliseconds grace) {
  post_always([this, grace] {
    drain();
    stop_at_ = std::chrono::steady_clock::now() + grace;
    end_connections();
    arm_timer();
  });
}

void event_loop::end_connections() {
  std::vector<std::weak_ptr<connection_base>> all;  // ending one may end another
  for (auto* c = connections_; c != nullptr; c = c->next_) all.push_back(c->weak_from_this());
  for (const auto& weak : all) {
    if (const auto connection = weak.lock()) connection->begin_stop();
  }
}

bool event_loop::may_end() {
  if (connections_ != nullptr && now() < *stop_at_) return false;
  while (connections_ != nullptr) {
    const auto connection = connections_->shared_from_this();
    connection->abort();
  }
  // Cancelled operations still have to run their handlers, which hold the connections.
  context_.poll();
  return true;
}

}  // namespace throng::detail
