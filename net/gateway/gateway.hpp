// SPDX-License-Identifier: Apache-2.0
// GATEWAY: what stands between websockets and entities, put together. One per node.
// It must outlive the server's connections; the region must outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/gateway/drain_plan.hpp"
#include "net/gateway/fan_out.hpp"
#include "net/gateway/rtm_options.hpp"
#include "net/transport/http.hpp"

namespace throng {

struct rtm_services;
struct departure;

struct gateway_options {
  fan_out_options fan_out{};
  rtm_options rtm{};
  std::size_t drain_rate = 500;  // clients told to go elsewhere, per second, while there is time
};

struct gateway_figures {
  fan_out_figures fan_out;
  std::uint64_t connections = 0;  // now
  std::uint64_t sessions = 0;     // now
  std::uint64_t commands = 0;
  std::uint64_t refused_frames = 0;
  std::uint64_t posts = 0;
  std::uint64_t resyncs = 0;
  std::uint64_t failed_boots = 0;
};

/// A stream with local readers, for the shell.
struct gateway_stream {
  entity_key stream;
  std::size_t connections = 0;
  bool is_catching_up = false;  // some of them
};

class gateway {
 public:
  /// `loops`: all of the server's, in their order.
  gateway(node_index node, region& entities, const std::vector<io_loop*>& loops, const gateway_options& options,
          std::uint64_t incarnation = 0);
  ~gateway();
  gateway(const gateway&) = delete;
  gateway& operator=(const gateway&) = delete;

  /// Whether the path is the gateway's: "/rtm/…".
  static bool serves(std::string_view path);
  /// An http_handler for what serves() accepts: upgrades a good RTM address, answers anything else with an error.
  void handle(http_request request, http_responder responder);

  /// Tells all clients to go elsewhere, one after the other within `most`, and closes them; new ones are refused from
  /// now on. Once more: the same for those who are still there. Any thread; returns at once.
  void drain(drain_order where, std::chrono::milliseconds most);
  /// It takes clients again; those who weren't told to go yet stay. Any thread.
  void stay();
  /// Where a client that asks at `base_url` ("ws://…") gets its websocket: elsewhere while this gateway drains. Any
  /// thread.
  std::string place_for(std::string base_url) const;

  gateway_figures figures() const;
  /// `done` is called once, on an io thread.
  void streams(std::function<void(std::vector<gateway_stream>)> done) const;
  const bot_directory& bots() const;
  delivery_log& deliveries();

 private:
  std::shared_ptr<rtm_services> rtm_;
  const gateway_options options_;
  std::atomic<bool> is_draining_{false};
  mutable std::mutex departure_mutex_;
  std::shared_ptr<departure> departure_;  // of the clients, while it drains
};

}  // namespace throng
