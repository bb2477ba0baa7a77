// SPDX-License-Identifier: Apache-2.0
#include "storage/fence_holder.hpp"

#include <string>

#include "storage/model/random_number.hpp"

namespace throng {

fence_holder new_fence_holder() {
  fence_holder drawn;
  while (drawn.value == 0) drawn.value = random_number();
  return drawn;
}

error stale_fence(const fence& wanted, epoch_t known) {
  const auto slot = "slot " + std::to_string(wanted.slot.value);
  if (wanted.epoch == known)
    return {errc::stale_epoch, slot + " has epoch " + std::to_string(known) + " already, and another holder"};
  return {errc::stale_epoch,
          slot + " has epoch " + std::to_string(known) + " already, not " + std::to_string(wanted.epoch)};
}

}  // namespace throng
