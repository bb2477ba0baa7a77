// SPDX-License-Identifier: Apache-2.0
// STREAM_DIRECTORY: which streams this node is subscribed to, for which of its io loops, and how far each stream is.
// One per node; thread-safe. Asked for every publication, so it is split into parts with a mutex each.
//
// A stream stays subscribed for a while after its last reader has left (`linger`): a client that comes back within
// that time needs no Replay if nothing has happened. Bound: `lingering_max`; at the bound it is unsubscribed at once.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "net/gateway/arrival.hpp"
#include "net/gateway/key_index.hpp"
#include "storage/model/result.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// What a subscriber learns about its stream.
struct stream_start {
  bool is_ready = false;    // else on_ready() follows
  stream_position at;       // of the last event that this node saw
  stream_position first;    // before the first event that it saw; unknown if it saw none
  std::uint64_t stamp = 0;  // when this subscription began, which names it: "nothing seen since" is a position too
};

class stream_directory {
 public:
  struct options {
    std::chrono::seconds linger{300};
    std::size_t lingering_max = 100'000;
  };
  /// How the node subscribes: region.subscribe and region.unsubscribe.
  struct door {
    std::function<void(entity_key, std::function<void(result<>)>)> subscribe;
    std::function<void(entity_key)> unsubscribe;
    std::function<wall_time()> wall{};
  };
  /// Called on any thread, without a lock held: `stream` is subscribed now, tell these loops.
  using ready_callback = std::function<void(entity_key stream, std::uint64_t loops)>;

  static constexpr std::size_t loops_max = 64;

  stream_directory(const options& with, door to, ready_callback on_ready);

  /// `loop` (below loops_max) wants `stream`. Again is fine.
  stream_start add(entity_key stream, team_id team, std::size_t loop);
  /// What is known about a channel's privacy, for the events' channel_type.
  void set_private(entity_key stream, bool is_private);
  void remove(entity_key stream, std::size_t loop, steady_time now);

  struct route {
    std::uint64_t loops = 0;  // bit by loop
    team_id team;
    std::optional<bool> is_private;
  };
  /// Notes that `published` has come; where it goes.
  route pass(const publication& published);
  route look(entity_key stream);

  /// Unsubscribes what has lingered, and tries again what could not be subscribed. To be called now and then.
  void sweep(steady_time now);

  std::size_t stream_count() const { return count_; }

 private:
  struct entry {
    entity_key key;
    stream_position last;
    stream_position first;
    std::uint64_t loops = 0;
    std::uint64_t stamp = 0;
    team_id team;
    steady_time idle_since{};
    bool is_ready = false;
    bool has_failed = false;   // sweep() tries again
    std::uint8_t privacy = 0;  // 0 unknown, 1 public, 2 private
  };
  struct part {
    std::mutex mutex;
    key_index index;
    std::deque<entry> entries;  // a vector's spare places would cost 30 bytes a stream
    entry* find(entity_key key);
    void erase(entity_key key);
  };

  part& part_of(entity_key key);
  static route route_of(const entry& found);
  void subscribe(entity_key stream);  // REQUIRES: door_mutex_ held
  void on_subscribed(entity_key stream, std::uint64_t stamp, bool ok);

  const options options_;
  const door door_;
  const ready_callback on_ready_;
  std::mutex
      door_mutex_;  // subscribe and unsubscribe of one stream must not overtake each other; before parts' mutexes
  std::array<part, 64> parts_;
  std::atomic<std::size_t> count_{0};
  std::atomic<std::size_t> lingering_{0};
  std::uint64_t last_stamp_ = 0;  // microseconds of the wall clock; under door_mutex_
};

}  // namespace throng
