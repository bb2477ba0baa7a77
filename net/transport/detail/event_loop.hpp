// SPDX-License-Identifier: Apache-2.0
// EVENT LOOP: the io loop behind io_loop.hpp. One thread, one io_context, and around it what happens once per turn:
// posted functions run, due deadlines fire, and every connection with something to send writes it in one go. That last
// step is where fan-out gets cheap: all frames of a turn leave in one system call per connection.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>  // Asio 1.74 uses std::exchange without it
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/transport/detail/loop_counters.hpp"
#include "net/transport/gzip.hpp"
#include "net/transport/io_loop.hpp"
#include "net/transport/timer_wheel.hpp"
#include "net/transport_options.hpp"

namespace throng::detail {

class connection_base;
class outbox_stream;

class event_loop final : public io_loop, public std::enable_shared_from_this<event_loop> {
 public:
  event_loop(std::size_t index, const transport_options& options);
  ~event_loop() override;

  void start();
  /// Asks all connections to end (websockets with 1001, requests with their answer) and the thread with the last of
  /// them, or after `grace`. Any thread; join() waits for it.
  void stop(std::chrono::milliseconds grace);
  void join();

  bool post(io_task run) override;
  void post_always(io_task run) override;
  void after(std::chrono::milliseconds delay, io_task run) override;
  std::size_t index() const override { return index_; }
  bool is_current() const override { return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed); }

  // -- the rest is for the transport, on this loop's thread ----------------------------------------------------------

  boost::asio::io_context& context() { return context_; }
  const transport_options& options() const { return options_; }
  loop_counters& counters() { return counters_; }
  const loop_counters& counters() const { return counters_; }
  /// The time of this turn: the clock is read once, when it is first asked for.
  steady_time now() {
    if (!is_now_fresh_) {
      now_ = std::chrono::steady_clock::now();
      is_now_fresh_ = true;
    }
    return now_;
  }

  void arm(timer_wheel::entry& entry, steady_time due);
  void disarm(timer_wheel::entry& entry) { wheel_.disarm(entry); }

  /// `stream` has something to write: its flush() is called at the end of the turn.
  void mark_dirty(outbox_stream& stream);
  void unmark_dirty(outbox_stream& stream);

  /// Keeps `connection` on the list of those that stop() must end.
  void link(connection_base& connection);
  void unlink(connection_base& connection);

  /// Scratch space that is free between two handlers: never keep anything in it.
  std::array<char, 64 * 1024>& scratch() { return scratch_; }

  gzip_compressor& gzip() { return gzip_; }
  /// The value of a Date header, made once a second.
  std::string_view date();

  std::uint64_t inbox_refused() const { return inbox_refused_.load(std::memory_order_relaxed); }

  bool is_stopping() const { return stop_at_.has_value(); }
  bool is_draining() const { return is_draining_.load(std::memory_order_relaxed); }
  /// HTTP answers say "Connection: close" from now on. Any thread.
  void drain() { is_draining_.store(true, std::memory_order_relaxed); }

  /// Connections that this loop has, or has been sent: for the choice of a loop. Any thread may look.
  std::atomic<std::uint32_t> load{0};

 private:
  struct timed_task {
    steady_time due;
    std::uint64_t order;
    mutable io_task run;
    bool operator<(const timed_task& other) const {  // a max-heap: the soonest is the largest
      return due != other.due ? due > other.due : order > other.order;
    }
  };

  void run();
  void turn();
  void run_inbox();
  void run_timers();
  void arm_timer();
  void flush_dirty();
  void run_guarded(io_task& run);
  void enqueue(std::unique_lock<std::mutex> lock, io_task run);
  void end_connections();
  bool may_end();

  const std::size_t index_;
  const transport_options options_;
  boost::asio::io_context context_{1};
  boost::asio::steady_timer timer_{context_};
  std::optional<steady_time> timer_due_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  steady_time now_;
  bool is_now_fresh_ = false;
  loop_counters counters_;

  std::mutex inbox_mutex_;
  std::vector<io_task> inbox_;    // guarded by inbox_mutex_
  bool is_inbox_closed_ = false;  // guarded by inbox_mutex_
  std::atomic<std::uint64_t> inbox_refused_{0};
  std::vector<io_task> inbox_running_;

  timer_wheel wheel_;
  std::vector<timed_task> later_;  // heap
  std::uint64_t later_order_ = 0;
  std::vector<outbox_stream*> dirty_;
  std::vector<outbox_stream*> flushing_;
  connection_base* connections_ = nullptr;  // intrusive list
  std::array<char, 64 * 1024> scratch_;

  gzip_compressor gzip_;
  std::string date_;
  std::int64_t date_second_ = 0;

  std::atomic<bool> is_draining_{false};
  std::optional<steady_time> stop_at_;
  bool is_done_ = false;
};

}  // namespace throng::detail
