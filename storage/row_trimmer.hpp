// SPDX-License-Identifier: Apache-2.0
// ROW TRIMMER: one small trim of what is too old or of no use (trim_rows), timed; how each kind of row is found and
// deleted is a store's. Used by the store's writer, on its thread.
#pragma once

#include <chrono>
#include <cstddef>

#include "storage/model/records.hpp"

namespace throng {

class row_trimmer {
 public:
  virtual ~row_trimmer() = default;

  struct progress {
    std::size_t rows = 0;
    bool is_through = true;
    std::chrono::microseconds busy{};
  };
  progress trim(const trim_rows& op) {
    const auto since = std::chrono::steady_clock::now();
    auto came_to = op.count_max == 0 ? progress{0, false} : trim_some(op);
    came_to.busy = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - since);
    return came_to;
  }

 private:
  progress trim_some(const trim_rows& op) {
    switch (op.what) {
      case trim_kind::events:
        return trim_events(op.before, op.count_max);
      case trim_kind::messages:
        return trim_messages(op.before, op.count_max);
      case trim_kind::tokens:
        return trim_tokens(op.before, op.count_max);
    }
    return {};
  }
  virtual progress trim_events(wall_time before, std::size_t count_max) = 0;
  virtual progress trim_messages(wall_time before, std::size_t count_max) = 0;
  virtual progress trim_tokens(wall_time before, std::size_t count_max) = 0;
};

}  // namespace throng
