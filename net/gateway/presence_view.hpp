// SPDX-License-Identifier: Apache-2.0
// PRESENCE VIEW: what one io loop's clients were last told of the people of one bucket, so that they hear only what is
// different. A bucket that has come to another node tells all that it learns as if it were news, and at last calls the
// roll; who vanished with the old node is found by the roll alone. Pure. Bounded by the people of a bucket.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "storage/model/ids.hpp"

namespace throng {

class presence_view {
 public:
  struct changes {
    std::vector<user_id> active;
    std::vector<user_id> away;
  };

  /// The bucket says so of `users`. Returns those of whom something else, or nothing, was told.
  std::vector<user_id> note(std::span<const user_id> users, bool is_active);
  /// The same, as one client's question was answered. Returns those of whom others were told something else.
  std::vector<user_id> learn(std::span<const user_id> users, bool is_active);
  /// All who are active; what is different for those of whom something was told.
  changes call_roll(std::span<const user_id> active);

 private:
  std::unordered_map<std::uint64_t, bool> told_;  // is active, by user
};

}  // namespace throng
