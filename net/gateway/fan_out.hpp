// SPDX-License-Identifier: Apache-2.0
// FAN-OUT: takes what the node's streams publish to the connections that read them. One per node.
//
//   scheduler threads                                    io loop 0..n
//   region ──► publish(): encode and frame ONCE ──► LOOP_INBOX ──► LOOP_FAN_OUT ──► outboxes of its connections
//                    └ STREAM_DIRECTORY: which loops?     one wake-up a turn, a stream's events joined
//
// publish() runs on any thread and never blocks; on_loop() is for that loop's thread only. The loops and the region
// must outlive it; it keeps itself alive while answers are under way.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "cluster/region.hpp"
#include "net/gateway/bot_cache.hpp"
#include "net/gateway/delivery_log.hpp"
#include "net/gateway/loop_fan_out.hpp"
#include "net/gateway/loop_inbox.hpp"
#include "net/gateway/stream_directory.hpp"
#include "net/transport/io_loop.hpp"

namespace throng {

struct fan_out_options {
  std::size_t inbox_bytes_max = 16 * 1024 * 1024;  // per loop; beyond it streams are asked again for what was dropped
  std::size_t replay_events_max = 1'000;           // more than that missed is a gap
  std::chrono::milliseconds replay_timeout{5'000};
  unsigned replay_tries_max = 5;
  std::chrono::milliseconds replay_retry_delay{200};  // doubled each time
  std::chrono::milliseconds sweep_interval{5'000};
  std::chrono::milliseconds clocks_apart_max{5'000};  // of nodes; what is asked for by time begins so much earlier
  catch_up_limits catch_up{};
  stream_directory::options streams{};
  std::size_t deliveries_max = 32'768;  // kept for the shell; 48 bytes each
};

struct fan_out_figures {
  loop_fan_out_figures loops;  // summed
  std::uint64_t published = 0;
  std::uint64_t encoded_bytes = 0;
  std::array<std::uint64_t, 3> dropped{};  // by delivery_class, at the inboxes' bound
  std::size_t inbox_bytes = 0;             // now
  std::size_t streams = 0;                 // now, of the node
};

class fan_out : public std::enable_shared_from_this<fan_out> {
 public:
  static std::shared_ptr<fan_out> make(node_index node, region& entities, const std::vector<io_loop*>& loops,
                                       const fan_out_options& options);
  ~fan_out();

  /// Starts the housekeeping, and takes the region's publications from now on.
  void start();
  void publish(const publication_ptr& published);

  loop_fan_out& on_loop(std::size_t index);
  io_loop& loop(std::size_t index);
  std::size_t loop_count() const { return loops_.size(); }
  stream_directory& streams() { return directory_; }
  const bot_directory& bots() const { return bots_; }
  delivery_log& deliveries() { return deliveries_; }

  /// As of each loop's last turn. Any thread.
  fan_out_figures figures() const;

 private:
  class loop_state;
  fan_out(node_index node, region& entities, const std::vector<io_loop*>& loops, const fan_out_options& options);

  void wake(std::size_t index);
  void run_turn(std::size_t index);
  void sweep_later();
  void look_up_bot(team_id team, bot_id bot, std::function<void(std::optional<bot_card>)> done);
  void note_written(loop_state& state);
  shared_frame encode(const publication& published, const stream_directory::route& to) const;

  region& region_;
  const fan_out_options options_;
  bot_cache bots_;
  delivery_log deliveries_;
  stream_directory directory_;
  std::vector<std::unique_ptr<loop_state>> loops_;
  std::atomic<std::uint64_t> published_{0};
  mutable std::atomic<std::uint64_t> encoded_bytes_{0};
};

}  // namespace throng
