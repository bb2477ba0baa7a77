// SPDX-License-Identifier: Apache-2.0
#include "storage/retention.hpp"

#include <atomic>
#include <utility>

namespace throng {

using std::chrono::milliseconds;

struct retention::trim {
  enum class state_t : std::uint8_t { under_way, done, failed };
  std::atomic<state_t> state{state_t::under_way};  // the last thing that the writer thread sets
  std::atomic<std::size_t> events{0};
};

retention::retention(commit_queue& queue, const options& how, std::uint64_t seed)
    : queue_(queue), options_(how), random_(seed) {}

void retention::tick(steady_time now, wall_time wall) {
  if (!has_started_) {
    has_started_ = true;
    next_ = now + jittered(0, 1);
  }
  if (under_way_) settle(now);
  if (!under_way_ && now >= next_) submit(wall - options_.events_kept);
}

void retention::submit(wall_time before) {
  under_way_ = std::make_shared<trim>();
  commit_unit unit;  // unfenced: whoever trims it, what is too old is too old
  unit.ops.push_back(
      trim_events{before, options_.batch, std::shared_ptr<std::atomic<std::size_t>>(under_way_, &under_way_->events)});
  queue_.submit(std::move(unit), [work = under_way_](result<> outcome) {
    work->state.store(outcome ? trim::state_t::done : trim::state_t::failed);
  });
}

void retention::settle(steady_time now) {
  const auto state = under_way_->state.load();
  if (state == trim::state_t::under_way) return;
  const auto work = std::exchange(under_way_, nullptr);
  if (state == trim::state_t::failed) {
    ++figures_.failures;
    next_ = now + jittered(0.75, 1.25);
    return;
  }
  const auto events = work->events.load();
  figures_.trimmed += events;
  next_ = events < options_.batch ? now + jittered(0.75, 1.25) : now;
}

milliseconds retention::jittered(double least, double most) {
  std::uniform_real_distribution<double> share(least, most);
  return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(options_.pause.count()) * share(random_)));
}

retention::figures retention::read_figures() const { return figures_; }

}  // namespace throng
