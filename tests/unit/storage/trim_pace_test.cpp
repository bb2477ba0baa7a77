// SPDX-License-Identifier: Apache-2.0
#include "storage/trim_pace.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST_CASE("trim pace: a trim settles near its time, whatever a row costs") {
  for (const double cost_micros : {1.0, 7.0, 40.0, 300.0, 1'400.0}) {
    CAPTURE(cost_micros);
    trim_pace pace({});
    microseconds busy{};
    for (int i = 0; i < 20; ++i) {
      busy = microseconds(static_cast<long>(cost_micros * static_cast<double>(pace.rows())));
      if (i > 12) CHECK(busy <= milliseconds(20));
      pace.was_done(busy, false);
    }
    CHECK((busy >= milliseconds(12) || pace.rows() == 5'000));
  }
}

TEST_CASE("trim pace: one that took too long is followed by a smaller one at once, never by none") {
  trim_pace pace({});
  pace.was_done(milliseconds(150), false);
  CHECK(pace.rows() == 10);
  CHECK(pace.rest() == milliseconds(1'350));
  pace.was_done(std::chrono::seconds(10), false);
  CHECK(pace.rows() == 10);
}

TEST_CASE("trim pace: a batch that wasn't full makes the next no larger") {
  trim_pace pace({});
  pace.was_done(microseconds(3), true);
  CHECK(pace.rows() == 100);
  pace.was_done(microseconds(0), false);
  CHECK(pace.rows() == 200);
  CHECK(pace.rest() == milliseconds(10));
}

TEST_CASE("trim pace: a backlog that stays gets a larger share of the time, and loses it when it is gone") {
  trim_pace pace({});
  auto rest_after = [&](int trims) {
    for (int i = 0; i < trims; ++i) pace.was_done(milliseconds(15), false);
    return pace.rest();
  };
  CHECK(rest_after(99) == milliseconds(135));
  CHECK(rest_after(1) == milliseconds(60));
  CHECK(rest_after(900) == milliseconds(15));
  pace.was_done(milliseconds(15), true);
  CHECK(pace.rest() == milliseconds(135));
}

}  // namespace
}  // namespace throng
