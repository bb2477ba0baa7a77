// SPDX-License-Identifier: Apache-2.0
// FENCE HOLDER: who holds the epoch of a slot (store::raise_fences()). Slot tables say it by a node's number, but a
// table can come back from yesterday and a number can be given twice, when the topology has forgotten all; the store
// has never forgotten, so it has the last word.
#pragma once

#include "storage/model/records.hpp"
#include "storage/model/result.hpp"

namespace throng {

/// Nobody else's: 64 random bits, never 0. Any thread.
fence_holder new_fence_holder();

/// What a store answers when `wanted` can't be held: the slot has the epoch `known`, which is larger, or another's.
error stale_fence(const fence& wanted, epoch_t known);

}  // namespace throng
