// SPDX-License-Identifier: Apache-2.0
#include "cluster/failure_detector.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::microseconds;

// 10^4 samples of this have a sum of squares that fits.
constexpr microseconds sample_max = std::chrono::seconds(30);

/// -log10 of the chance that a normal variable is more than `y` deviations above its mean, by the logistic
/// approximation (Bowling and others, 2009; off by less than 0.0002 in the chance), which is easily inverted and has no
/// tail that becomes 0: log10(1 + e^x).
double surprise(double y) {
  auto x = y * (1.5976 + 0.070566 * y * y);
  return (x > 700 ? x : std::log1p(std::exp(x))) / std::numbers::ln10;
}

/// The `y` with that surprise, by bisection: surprise() rises, and is above any threshold that makes sense at 100.
double deviations_for(double threshold) {
  double low = -100, high = 100;
  for (int i = 0; i < 100; ++i) {
    auto middle = (low + high) / 2;
    (surprise(middle) < threshold ? low : high) = middle;
  }
  return high;
}

}  // namespace

failure_detector::failure_detector(const failure_detector_options& options)
    : options_(options), deviations_to_threshold_(deviations_for(options.threshold)) {
  THRONG_ASSERT(options.samples_max >= 2 && options.samples_max <= 10'000 && options.interval.count() > 0);
  // Two intervals around the expected one, as long as nothing better is known.
  learn(options_.interval * 3 / 4);
  learn(options_.interval * 5 / 4);
}

void failure_detector::heartbeat(steady_time now) {
  if (last_ && now <= *last_) return;
  bool was_suspect = is_suspect(now);
  auto since = last_ ? std::chrono::duration_cast<microseconds>(now - *last_) : microseconds(0);
  last_ = now;
  if (!was_suspect && since >= options_.interval / 4) learn(since);
}

void failure_detector::forgive(microseconds paused) {
  if (last_) *last_ += paused;
}

void failure_detector::learn(microseconds interval) {
  auto sample = static_cast<std::uint32_t>(std::min(interval, sample_max).count());
  if (samples_.size() < options_.samples_max) {
    samples_.push_back(sample);
  } else {
    std::uint64_t forgotten = std::exchange(samples_[oldest_], sample);
    oldest_ = (oldest_ + 1) % samples_.size();
    sum_ -= forgotten;
    sum_of_squares_ -= forgotten * forgotten;
  }
  sum_ += sample;
  sum_of_squares_ += std::uint64_t{sample} * sample;
}

microseconds failure_detector::mean() const { return microseconds(sum_ / samples_.size()); }

microseconds failure_detector::deviation() const {
  auto count = static_cast<double>(samples_.size());
  auto mean = static_cast<double>(sum_) / count;
  auto variance = std::max(0.0, static_cast<double>(sum_of_squares_) / count - mean * mean);
  return std::max<microseconds>(microseconds(std::llround(std::sqrt(variance))), options_.deviation_min);
}

double failure_detector::phi(steady_time now) const {
  if (!last_) return 0;
  auto late = now - *last_ - mean() - options_.pause;
  return surprise(std::chrono::duration<double>(late) / std::chrono::duration<double>(deviation()));
}

std::optional<steady_time> failure_detector::suspect_at() const {
  if (!last_) return std::nullopt;
  auto late = std::chrono::duration<double, std::micro>(deviation()) * deviations_to_threshold_;
  return *last_ + mean() + options_.pause + microseconds(std::llround(std::ceil(late.count())));
}

}  // namespace throng
