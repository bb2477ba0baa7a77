// SPDX-License-Identifier: Apache-2.0
// SLOT MAIL: what comes to a SLOT from outside: messages to its entities, and who wants their streams.
#pragma once

#include <memory>
#include <variant>

#include "cluster/envelope.hpp"

namespace throng {

struct slot_subscription {
  entity_key stream;
  node_index node;
  bool wanted = true;
  std::uint64_t correlation = 0;        // what `node` calls it; 0: nobody waits for it
  std::shared_ptr<reply_handle> reply;  // null in that case
};

using slot_mail = std::variant<std::shared_ptr<const envelope>, slot_subscription>;

}  // namespace throng
