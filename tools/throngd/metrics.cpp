// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/metrics.hpp"

namespace throng {

namespace {

void add_gateway(std::vector<metric>& all, const gateway_figures& figures) {
  auto counter = [&](std::string name, std::string help, std::uint64_t value) {
    all.push_back({std::move(name), std::move(help), true, {}, static_cast<double>(value)});
  };
  auto gauge = [&](std::string name, std::string help, std::uint64_t value) {
    all.push_back({std::move(name), std::move(help), false, {}, static_cast<double>(value)});
  };
  gauge("rtm_connections", "Websockets of the RTM protocol", figures.connections);
  gauge("rtm_sessions", "Sessions that are attached to a websocket", figures.sessions);
  counter("rtm_commands_total", "Frames that clients sent", figures.commands);
  counter("rtm_refused_frames_total", "Frames refused: too many, or not understood", figures.refused_frames);
  counter("rtm_posts_total", "Messages posted over websockets", figures.posts);
  counter("rtm_resyncs_total", "Connections that were told to catch up after they read too slowly", figures.resyncs);
  counter("rtm_failed_boots_total", "Websockets that never got their hello", figures.failed_boots);
  const auto& fan_out = figures.fan_out;
  counter("fan_out_events_total", "Events that were encoded for this node's connections", fan_out.published);
  counter("fan_out_encoded_bytes_total", "Bytes of these events, encoded once each", fan_out.encoded_bytes);
  counter("fan_out_deliveries_total", "Events times connections", fan_out.loops.deliveries);
  counter("fan_out_buffers_total", "Buffers appended to connections' outboxes", fan_out.loops.buffers);
  counter("fan_out_joined_events_total", "Events that travelled in a joined buffer", fan_out.loops.joined_events);
  counter("fan_out_duplicates_total", "Events left out because the connection had them", fan_out.loops.duplicates);
  counter("fan_out_replays_total", "Questions to streams about what was missed", fan_out.loops.replays);
  counter("fan_out_gaps_total", "Gaps that clients were told of", fan_out.loops.gaps);
  gauge("fan_out_inbox_bytes", "Bytes that wait for the io loops", fan_out.inbox_bytes);
  gauge("fan_out_streams", "Streams this node is subscribed to", fan_out.streams);
  constexpr const char* classes[] = {"message", "presence", "typing"};
  for (std::size_t i = 0; i < fan_out.dropped.size(); ++i)
    all.push_back({"fan_out_dropped_total",
                   "Events left out at an inbox's bound",
                   true,
                   {{"class", classes[i]}},
                   static_cast<double>(fan_out.dropped[i])});
}

void add_api(std::vector<metric>& all, const api_server& api) {
  for (const auto& [name, figures] : api.figures()) {
    const auto calls = figures->calls.load(std::memory_order_relaxed);
    if (calls == 0) continue;
    const std::string method = name.empty() ? "unknown" : std::string(name);
    auto add = [&](const char* metric_name, const char* help, double value) {
      all.push_back({metric_name, help, true, {{"method", method}}, value});
    };
    add("api_calls_total", "Web API calls", static_cast<double>(calls));
    add("api_errors_total", "Calls answered with ok:false", static_cast<double>(figures->errors.load()));
    add("api_failures_total", "Of these, those that are the server's fault",
        static_cast<double>(figures->failures.load()));
    add("api_ratelimited_total", "Calls answered with 429", static_cast<double>(figures->ratelimited.load()));
    add("api_seconds_total", "Time until the answer", static_cast<double>(figures->latency_us_sum.load()) / 1e6);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < figures->latency.size(); ++i) {
      below += figures->latency[i].load(std::memory_order_relaxed);
      const std::string bound =
          i < method_figures::bounds_ms.size() ? std::to_string(method_figures::bounds_ms[i]) : "+Inf";
      all.push_back({"api_calls_within_ms_total",
                     "Calls answered within so many milliseconds",
                     true,
                     {{"method", method}, {"le", bound}},
                     static_cast<double>(below)});
    }
  }
}

}  // namespace

std::vector<metric> gateway_and_api_metrics(const gateway_figures& gateway, const api_server& api) {
  std::vector<metric> all;
  add_gateway(all, gateway);
  add_api(all, api);
  return all;
}

}  // namespace throng
