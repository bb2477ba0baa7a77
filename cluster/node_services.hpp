// SPDX-License-Identifier: Apache-2.0
// NODE SERVICES: what the actors of one node share. Owned by the node (cluster/node.hpp), which outlives them.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>

#include "cluster/clock.hpp"
#include "cluster/entity.hpp"
#include "cluster/message_trace.hpp"
#include "cluster/pending_asks.hpp"
#include "cluster/region.hpp"
#include "cluster/restart_policy.hpp"
#include "cluster/slot_table.hpp"
#include "storage/commit_queue.hpp"
#include "storage/reader_pool.hpp"

namespace throng {

struct node_options {
  std::size_t threads = 0;                             // of the scheduler; 0: one a core
  std::uint32_t entity_mailbox_max = 10'000;           // envelopes; then errc::overloaded
  std::uint32_t slot_mailbox_max = 50'000;             // envelopes; then errc::overloaded
  std::chrono::milliseconds passivate_after{300'000};  // of silence
  std::size_t active_max = 200'000;                    // entities; past it the idle ones go after a second already
  restart_limits restarts;
  std::chrono::milliseconds quarantine{60'000};  // then the entity gets another chance
};

struct node_counters {
  std::atomic<std::uint64_t> tells{0}, asks{0}, refused{0}, expired{0}, publications{0};
  std::atomic<std::uint64_t> activations{0}, passivations{0}, crashes{0}, quarantined{0};
  std::array<std::atomic<std::int64_t>, 8> entities{};  // by entity_kind

  std::size_t live() const {
    std::int64_t sum = 0;
    for (const auto& each : entities) sum += each.load(std::memory_order_relaxed);
    return static_cast<std::size_t>(std::max<std::int64_t>(0, sum));
  }
};

struct node_services {
  node_index self;
  node_options options;
  time_source& clock;
  commit_queue& commits;
  reader_pool& readers;
  region* door = nullptr;
  std::array<entity_factory, 8> factories{};  // by entity_kind
  std::shared_ptr<pending_asks> asks = std::make_shared<pending_asks>();
  std::function<void(const publication_ptr&)> sink{};  // publications for this node
  std::atomic<bool> is_stopping{false};
  node_counters counters{};
  message_trace trace{};

  /// Any thread; the epoch under which this node owns `slot`.
  epoch_t epoch_of(slot_id slot) const { return table->owner_of(slot).epoch; }
  std::shared_ptr<const slot_table> table{};
};

}  // namespace throng
