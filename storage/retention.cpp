// SPDX-License-Identifier: Apache-2.0
#include "storage/retention.hpp"

#include <algorithm>
#include <utility>

namespace throng {

using std::chrono::milliseconds;

struct retention::job {
  job_options how;
  trim_pace pace;
  steady_time next{};
  std::atomic<std::uint64_t> rows{0}, trims{0}, failures{0};
  std::atomic<wall_time::rep> last_through{0};
};

struct retention::trim {
  enum class state_t : std::uint8_t { under_way, done, failed };
  std::atomic<state_t> state{state_t::under_way};  // the last thing that the writer thread sets
  trim_report report;
  job* of = nullptr;  // not the writer thread's: the job may be gone
};

std::string_view to_string(trim_kind kind) {
  switch (kind) {
    case trim_kind::events:
      return "events";
    case trim_kind::messages:
      return "messages";
    case trim_kind::tokens:
      return "tokens";
  }
  return "unknown";
}

retention::retention(commit_queue& queue, const options& how, std::uint64_t seed)
    : queue_(queue), options_(how), random_(seed) {
  for (const auto& each : options_.jobs) jobs_.emplace_back(new job{each, trim_pace(options_.pace)});
}

retention::~retention() = default;

steady_time retention::tick(steady_time now, wall_time wall) {
  if (!has_started_) {
    has_started_ = true;
    for (auto& each : jobs_) each->next = now + jittered(std::min(each->how.pause, options_.first_pause_max), 0, 1);
  }
  if (under_way_) settle(now, wall);
  if (under_way_) return now + options_.look_again;
  auto* due = next_due();
  if (due == nullptr) return steady_time::max();
  if (const auto at = std::max(due->next, rests_until_); now < at) {
    is_waiting_ = false;
    return at;
  }
  // A store that is busy all day is trimmed too, though seldom.
  if (queue_.read_figures().waiting_units > options_.waiting_units_max) {
    if (!std::exchange(is_waiting_, true)) waits_since_ = now;
    if (now - waits_since_ < options_.patience) return now + options_.look_again;
  }
  is_waiting_ = false;
  submit(*due, now, wall);
  return now + options_.look_again;
}

retention::job* retention::next_due() {
  auto first = std::ranges::min_element(jobs_, {}, [](const auto& each) { return each->next; });
  return first == jobs_.end() ? nullptr : first->get();
}

void retention::submit(job& of, steady_time now, wall_time wall) {
  of.next = now;  // after others that are due: they take turns
  under_way_ = std::make_shared<trim>();
  under_way_->of = &of;
  commit_unit unit;  // unfenced: whoever trims it, what is too old is too old
  unit.ops.push_back(trim_rows{of.how.what, wall - of.how.kept, of.pace.rows(),
                               std::shared_ptr<trim_report>(under_way_, &under_way_->report)});
  queue_.submit(std::move(unit), [work = under_way_](result<> outcome) {
    work->state.store(outcome ? trim::state_t::done : trim::state_t::failed);
  });
}

void retention::settle(steady_time now, wall_time wall) {
  const auto state = under_way_->state.load();
  if (state == trim::state_t::under_way) return;
  const auto work = std::exchange(under_way_, nullptr);
  auto& of = *work->of;
  ++of.trims;
  of.rows += work->report.rows.load();  // also of a failed one: some shards may have trimmed
  const auto pause = jittered(of.how.pause, 0.75, 1.25);
  if (state == trim::state_t::failed) {
    ++of.failures;
    of.next = now + std::min(pause, options_.first_pause_max);
    return;
  }
  const auto is_through = work->report.is_through.load();
  of.pace.was_done(std::chrono::microseconds(work->report.busy_micros.load()), is_through);
  rests_until_ = now + of.pace.rest();
  of.next = is_through ? now + pause : now;
  if (is_through) of.last_through.store(wall.time_since_epoch().count());
}

milliseconds retention::jittered(milliseconds pause, double least, double most) {
  std::uniform_real_distribution<double> share(least, most);
  return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(pause.count()) * share(random_)));
}

std::vector<retention::figures> retention::read_figures() const {
  std::vector<figures> all;
  for (const auto& each : jobs_)
    all.push_back({each->how.what, each->rows.load(), each->trims.load(), each->failures.load(),
                   wall_time(wall_time::duration(each->last_through.load()))});
  return all;
}

}  // namespace throng
