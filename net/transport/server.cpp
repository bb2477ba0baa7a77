// SPDX-License-Identifier: Apache-2.0
#include "net/transport/server.hpp"

#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

#include "net/transport/detail/event_loop.hpp"
#include "net/transport/detail/listener.hpp"
#include "storage/model/assert.hpp"

namespace throng {

class server::impl {
 public:
  explicit impl(const transport_options& options) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::size_t count =
        options.io_threads > 0 ? options.io_threads : std::max(1u, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < count; ++i) loops.push_back(std::make_shared<detail::event_loop>(i, options));
    for (const auto& loop : loops) loop->start();
  }

  void stop_accepting() {
    const std::lock_guard lock(mutex);
    for (const auto& listener : listeners) listener->close();
    listeners.clear();
    for (const auto& loop : loops) loop->drain();
  }

  void stop(std::chrono::milliseconds grace) {
    stop_accepting();
    {
      const std::lock_guard lock(mutex);
      if (is_stopped) return;
      is_stopped = true;
    }
    for (const auto& loop : loops) THRONG_ASSERT(!loop->is_current());
    for (const auto& loop : loops) loop->stop(grace);
    for (const auto& loop : loops) loop->join();
  }

  detail::listener::loops loops;
  std::mutex mutex;
  std::vector<std::shared_ptr<detail::listener>> listeners;  // guarded by mutex
  bool is_stopped = false;                                   // guarded by mutex
};

server::server(const transport_options& options) : impl_(std::make_unique<impl>(options)) {}
server::~server() { stop(); }

result<host_port> server::listen(listener_options options) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->is_stopped) return error{errc::stopping, "the server has stopped"};
  auto& on = *impl_->loops[impl_->listeners.size() % impl_->loops.size()];
  auto bound = detail::listener::bind(on, impl_->loops, std::move(options));
  if (!bound) return bound.failure();
  impl_->listeners.push_back(*bound);
  (*bound)->start();
  return (*bound)->bound();
}

std::size_t server::loop_count() const { return impl_->loops.size(); }
io_loop& server::loop(std::size_t index) { return *impl_->loops.at(index); }

transport_figures server::figures() const {
  transport_figures sum;
  for (const auto& loop : impl_->loops) {
    loop->counters().add_to(sum);
    sum.inbox_refused += loop->inbox_refused();
  }
  return sum;
}

transport_figures server::figures_of(std::size_t index) const {
  transport_figures of_loop;
  impl_->loops.at(index)->counters().add_to(of_loop);
  return of_loop;
}

void server::stop_accepting() { impl_->stop_accepting(); }
void server::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace throng
