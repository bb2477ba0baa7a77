// SPDX-License-Identifier: Apache-2.0
// DELIVERY LOG: which posts this gateway has passed on and answered lately, and when; for the shell's `why`.
#pragma once

#include <cstdint>

#include "cluster/recent_log.hpp"
#include "storage/model/keyspace.hpp"
#include "storage/model/time.hpp"

namespace throng {

struct delivery_note {
  enum class step_t : std::uint8_t {
    encoded,   // it has come from its stream; `count` is how many io loops get it
    written,   // into the outboxes of one loop; `count` is how many live readers the stream has there (who still
               // catches up gets it later)
    answered,  // who posted it knows that it is stored
  };
  entity_key stream;
  seq_t seq = 0;
  message_ts ts;
  wall_time at{};
  step_t step{};
  std::uint16_t loop = 0;
  std::uint32_t count = 0;
};

using delivery_log = recent_log<delivery_note>;

}  // namespace throng
