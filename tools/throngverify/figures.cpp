// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/figures.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace throng::verify {

namespace {

constexpr std::array<std::string_view, 23> happening_names{"channel_made",  "member_added",
                                                           "post",          "edit",
                                                           "delete",        "join",
                                                           "leave",         "invite",
                                                           "kick",          "socket_opened",
                                                           "socket_hello",  "socket_closed",
                                                           "received",      "gap",
                                                           "read_begun",    "read_entry",
                                                           "read_ended",    "presence_watched",
                                                           "presence_seen", "presence_truth",
                                                           "fault_begun",   "fault_ended",
                                                           "settled"};
constexpr std::array<std::string_view, 5> phase_names{"", "invoked", "acknowledged", "refused", "unknown"};

struct fault_time {
  std::string kind;
  std::string target;  // "n2", "n1 and consul, reset"
  std::int64_t from_ns = 0, to_ns = 0;

  bool hits(std::string_view node) const {
    if (node.empty()) return false;
    const auto is_edge = [this](std::size_t i) { return i >= target.size() || target[i] == ' ' || target[i] == ','; };
    for (auto at = target.find(node); at != std::string::npos; at = target.find(node, at + 1))
      if ((at == 0 || is_edge(at - 1)) && is_edge(at + node.size())) return true;
    return false;
  }
};

/// The posts of one channel: when some were under way, and when one was acknowledged.
class stall_meter {
 public:
  stall_meter(channel_id channel, std::vector<fault_time>& faults, std::map<std::string, stall_figures>& by_fault)
      : channel_(channel), faults_(faults), by_fault_(by_fault) {}

  void invoked(std::int64_t at_ns) {
    if (under_way_++ == 0) since_ns_ = at_ns;
  }
  void acknowledged(std::int64_t at_ns) {
    note(at_ns);
    since_ns_ = at_ns;
    if (under_way_ > 0) --under_way_;
  }
  void ended(std::int64_t at_ns) {
    if (under_way_ > 0 && --under_way_ == 0) note(at_ns);
  }

 private:
  void note(std::int64_t at_ns) {
    const auto length = at_ns - since_ns_;
    bool had_fault = false;
    for (const auto& each : faults_) {
      if (each.from_ns > at_ns || each.to_ns < since_ns_) continue;
      had_fault = true;
      keep(by_fault_[each.kind], length);
    }
    if (!had_fault) keep(by_fault_["none"], length);
  }
  void keep(stall_figures& in, std::int64_t length) const {
    if (length <= in.longest_ns) return;
    in.longest_ns = length;
    in.channel = channel_;
    in.began_ns = since_ns_;
  }

  channel_id channel_;
  std::vector<fault_time>& faults_;
  std::map<std::string, stall_figures>& by_fault_;
  std::uint64_t under_way_ = 0;
  std::int64_t since_ns_ = 0;
};

std::vector<fault_time> faults_of(const history& of, std::map<std::string, stall_figures>& by_fault) {
  constexpr std::int64_t aftermath_ns = std::chrono::nanoseconds(fault_aftermath).count();
  std::map<std::uint32_t, fault_time> all;
  const auto end_ns = of.events.size() == 0 ? 0 : of.events[of.events.size() - 1].at_ns;
  for (std::size_t at = 0; at < of.events.size(); ++at) {
    const auto& e = of.events[at];
    if (e.what == happening::fault_begun)
      all[e.other] = {std::string(of.name(e.stream)), std::string(of.name(e.detail)), e.at_ns, end_ns};
    if (const auto found = all.find(e.other); e.what == happening::fault_ended && found != all.end())
      found->second.to_ns = e.at_ns + aftermath_ns;
  }
  std::vector<fault_time> list;
  for (auto& [index, fault] : all) {
    ++by_fault[fault.kind].faults;
    list.push_back(std::move(fault));
  }
  return list;
}

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

/// Which events of posts belong to tries whose node was hit by a fault before they ended.
std::unordered_set<std::size_t> tries_at_hit_nodes(const history& of) {
  struct asked {
    name_index node;
    std::size_t at = 0;
    bool is_hit = false;
  };
  std::map<socket_index, name_index> nodes_of_sockets;
  std::unordered_map<op_id, asked> under_way;
  std::map<std::uint32_t, fault_time> on;  // now, or a moment ago
  std::unordered_set<std::size_t> hit;
  for (std::size_t at = 0; at < of.events.size(); ++at) {
    const auto& e = of.events[at];
    if (e.what == happening::socket_opened) nodes_of_sockets[e.socket] = e.detail;
    if (e.what == happening::fault_begun) {
      const auto& fault = on[e.other] = {std::string(of.name(e.stream)), std::string(of.name(e.detail)), e.at_ns,
                                         std::numeric_limits<std::int64_t>::max()};
      for (auto& [op, each] : under_way) each.is_hit |= fault.hits(of.name(each.node));
    }
    if (const auto ended = on.find(e.other); e.what == happening::fault_ended && ended != on.end())
      ended->second.to_ns = e.at_ns + std::chrono::nanoseconds(fault_aftermath).count();
    if (e.what != happening::post) continue;
    if (e.phase == phase::invoked) {
      asked next{e.socket ? nodes_of_sockets[e.socket] : e.stream, at};
      std::erase_if(on, [&](const auto& each) { return each.second.to_ns < e.at_ns; });
      for (const auto& [index, fault] : on) next.is_hit |= fault.hits(of.name(next.node));
      under_way[e.op] = next;
    } else if (const auto found = under_way.find(e.op); found != under_way.end()) {
      if (found->second.is_hit) hit.insert({found->second.at, at});
      under_way.erase(found);
    }
  }
  return hit;
}

}  // namespace

std::string_view to_string(happening what) { return happening_names[static_cast<std::size_t>(what)]; }
std::string_view to_string(phase which) { return phase_names[static_cast<std::size_t>(which)]; }

run_figures measure(const history& of) {
  run_figures all;
  all.clients = of.clients.size() - 1;
  auto faults = faults_of(of, all.by_fault);
  const auto not_metered = tries_at_hit_nodes(of);
  std::unordered_map<op_id, std::int64_t> invoked;
  std::map<std::string, std::vector<std::int64_t>> times;
  std::map<channel_id, stall_meter> stalls;
  for (std::size_t at = 0; at < of.events.size(); ++at) {
    const auto& e = of.events[at];
    all.duration_ns = e.at_ns;
    all.channels += e.what == happening::channel_made;
    all.sockets += e.what == happening::socket_hello;
    all.resumes += e.what == happening::socket_hello && e.flag;
    all.gaps += e.what == happening::gap;
    all.events_received += e.what == happening::received;
    all.history_entries += e.what == happening::read_entry;
    if (e.phase == phase::none) continue;
    const std::string kind(to_string(e.what));
    auto& figures = all.calls[kind];
    auto* meter = e.what == happening::post && !not_metered.contains(at)
                      ? &stalls.try_emplace(e.channel, e.channel, faults, all.by_fault).first->second
                      : nullptr;
    if (e.phase == phase::invoked) {
      figures.invoked += invoked.try_emplace(e.op, e.at_ns).second;
      if (meter) meter->invoked(e.at_ns);
    } else if (e.phase == phase::acknowledged) {
      ++figures.acknowledged;
      if (const auto begin = invoked.find(e.op); begin != invoked.end()) times[kind].push_back(e.at_ns - begin->second);
      if (meter) meter->acknowledged(e.at_ns);
    } else {
      ++(e.phase == phase::refused ? figures.refused : figures.unknown);
      if (meter) meter->ended(e.at_ns);
    }
  }
  for (auto& [kind, list] : times) {
    std::ranges::sort(list);
    auto& figures = all.calls[kind];
    figures.p50_ns = percentile(list, 0.50);
    figures.p99_ns = percentile(list, 0.99);
    figures.max_ns = list.back();
  }
  return all;
}

}  // namespace throng::verify
