// SPDX-License-Identifier: Apache-2.0
#include "cluster/clock.hpp"

namespace throng {

time_source& system_time() {
  struct machine final : time_source {
    steady_time now() const override { return std::chrono::steady_clock::now(); }
    wall_time wall() const override {
      return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    }
  };
  static machine clock;
  return clock;
}

}  // namespace throng
