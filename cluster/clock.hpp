// SPDX-License-Identifier: Apache-2.0
// TIME SOURCE: the only place that reads a clock. The sim ring hands in a virtual one.
#pragma once

#include "storage/model/time.hpp"

namespace throng {

class time_source {
 public:
  virtual ~time_source() = default;
  virtual steady_time now() const = 0;  // any thread
  virtual wall_time wall() const = 0;   // any thread
};

/// The machine's clocks.
time_source& system_time();

}  // namespace throng
