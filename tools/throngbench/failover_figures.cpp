// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/failover_figures.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace throng {

using verify::happening;
using verify::phase;

namespace {

double ms_between(std::int64_t from_ns, std::int64_t to_ns) { return static_cast<double>(to_ns - from_ns) / 1e6; }

/// From one fault to the next.
class aftermath {
 public:
  aftermath(const fault_mark& mark, std::int64_t at_ns, const std::set<std::uint32_t>& listeners)
      : mark_(mark), at_ns_(at_ns), listeners_(listeners) {}

  void see(const verify::history_event& event) {
    if (event.what == happening::post) {
      if (event.phase == phase::invoked) begun_after_.insert(event.op);
      if (event.phase == phase::acknowledged && begun_after_.contains(event.op))
        acknowledged_.try_emplace(event.channel, event.at_ns);
    } else if (event.what == happening::received && begun_after_.contains(event.op) &&
               listeners_.contains(event.socket.value)) {
      heard_.try_emplace({event.channel, event.socket.value}, event.at_ns);
    } else if (event.what == happening::socket_closed) {
      dropped_ += listeners_.erase(event.socket.value);
    }
  }

  void add_to(failover_samples& all, const std::set<channel_id>& channels) const {
    all.dropped += dropped_;
    for (const auto channel : channels) {
      const bool is_victims = std::ranges::find(mark_.owned, channel) != mark_.owned.end();
      const auto found = acknowledged_.find(channel);
      if (found == acknowledged_.end()) {
        all.never += is_victims;
        continue;
      }
      (is_victims ? all.ack_ms : all.other_ack_ms).push_back(ms_between(at_ns_, found->second));
      for (const auto socket : listeners_) {
        const auto heard = heard_.find({channel, socket});
        if (heard == heard_.end())
          all.never += is_victims;
        else
          (is_victims ? all.delivery_ms : all.other_delivery_ms).push_back(ms_between(at_ns_, heard->second));
      }
    }
  }

 private:
  const fault_mark& mark_;
  const std::int64_t at_ns_;
  std::set<std::uint32_t> listeners_;
  std::size_t dropped_ = 0;
  std::set<verify::op_id> begun_after_;
  std::map<channel_id, std::int64_t> acknowledged_;
  std::map<std::pair<channel_id, std::uint32_t>, std::int64_t> heard_;
};

}  // namespace

failover_samples failover_samples_of(const verify::history& seen, const std::vector<fault_mark>& marks) {
  failover_samples all;
  std::set<channel_id> channels;                    // that were posted to
  std::map<std::uint32_t, std::string_view> nodes;  // by socket that had its hello
  std::map<std::uint32_t, std::string_view> opening;
  std::optional<aftermath> now;
  for (std::size_t i = 0; i < seen.events.size(); ++i) {
    const auto& event = seen.events[i];
    if (event.what == happening::post) channels.insert(event.channel);
    if (event.what == happening::socket_opened) opening[event.socket.value] = seen.name(event.detail);
    if (event.what == happening::socket_hello) nodes[event.socket.value] = opening[event.socket.value];
    if (event.what == happening::socket_closed) nodes.erase(event.socket.value);
    if (event.what == happening::fault_begun) {
      if (now) now->add_to(all, channels);
      now.reset();
      const auto mark = std::ranges::find(marks, event.other, [](const auto& each) { return each.fault.value; });
      if (mark == marks.end()) continue;
      std::set<std::uint32_t> listeners;
      for (const auto& [socket, node] : nodes)
        if (node != mark->victim) listeners.insert(socket);
      now.emplace(*mark, event.at_ns, listeners);
    } else if (event.what == happening::settled) {
      break;
    } else if (now) {
      now->see(event);
    }
  }
  if (now) now->add_to(all, channels);
  return all;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

}  // namespace throng
