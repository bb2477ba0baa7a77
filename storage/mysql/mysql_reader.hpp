// SPDX-License-Identifier: Apache-2.0
// Reads of one shard, on a connection of their own to the primary: what was committed before is seen, by whoever asks.
#pragma once

#include <chrono>
#include <memory>

#include "storage/mysql/primary_link.hpp"
#include "storage/store.hpp"

namespace throng::mysql {

/// `patience`: how long a read waits through a failover. Once the shard has been away for longer than that, reads fail
/// at once, but for one now and then that looks.
std::unique_ptr<store_reader> make_reader(primary_link link, std::shared_ptr<shard_health> health,
                                          std::chrono::milliseconds patience);

}  // namespace throng::mysql
