// SPDX-License-Identifier: Apache-2.0
// SIM NETWORK: the links between the nodes of one test, in one thread. Each direction keeps its order; what is
// delivered when, the test's random numbers say. A cut holds parcels back; a dead node's are gone.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/link/links.hpp"

namespace throng::test {

class sim_network {
 public:
  explicit sim_network(std::mt19937& random) : random_(random) {}

  std::unique_ptr<links> make_links(node_index self) { return std::make_unique<end>(*this, self); }

  /// Delivers one parcel of a random link; false if there is none that may be delivered.
  bool deliver_one() {
    std::vector<std::pair<node_index, node_index>> ready;
    for (const auto& [way, parcels] : ways_)
      if (!parcels.empty() && !cuts_.contains(way) && ends_.contains(way.second)) ready.push_back(way);
    if (ready.empty()) return false;
    const auto way = ready[random_() % ready.size()];
    auto bytes = std::move(ways_[way].front());
    ways_[way].pop_front();
    auto& to = *ends_[way.second];
    if (to.knows(way.first)) to.events_.on_parcel(way.first, bytes);
    return true;
  }
  /// Both ways, until heal().
  void cut(node_index a, node_index b) { cuts_.insert({{a, b}, {b, a}}); }
  void heal() { cuts_.clear(); }
  void kill(node_index node) {
    ends_.erase(node);
    for (auto& [way, parcels] : ways_)
      if (way.second == node) parcels.clear();
  }

 private:
  class end final : public links {
   public:
    end(sim_network& net, node_index self) : net_(net), self_(self) { net_.ends_[self] = this; }
    ~end() override {
      if (auto found = net_.ends_.find(self_); found != net_.ends_.end() && found->second == this)
        net_.ends_.erase(found);
    }
    void listen(events to) override { events_ = std::move(to); }
    void set_peers(std::vector<node_identity> members) override {
      auto gone = std::exchange(peers_, std::move(members));
      for (const auto& peer : gone)
        if (!knows(peer.node)) {
          auto lost = std::exchange(net_.ways_[{self_, peer.node}], {});
          events_.on_lost(peer, {lost.begin(), lost.end()});
          net_.ways_[{peer.node, self_}].clear();
        }
    }
    bool post(node_index to, std::string parcel) override {
      if (!knows(to)) return false;
      net_.ways_[{self_, to}].push_back(std::move(parcel));
      return true;
    }
    std::vector<view> views() const override { return {}; }
    void stop() override {}
    bool knows(node_index node) const { return std::ranges::find(peers_, node, &node_identity::node) != peers_.end(); }

    sim_network& net_;
    const node_index self_;
    events events_;
    std::vector<node_identity> peers_;
  };

  std::mt19937& random_;
  std::map<node_index, end*> ends_;
  std::map<std::pair<node_index, node_index>, std::deque<std::string>> ways_;
  std::set<std::pair<node_index, node_index>> cuts_;
};

}  // namespace throng::test
