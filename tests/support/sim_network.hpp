// SPDX-License-Identifier: Apache-2.0
// SIM NETWORK: the links between the nodes of one test, in one thread. Each direction keeps its order; what is
// delivered when, the test's random numbers say. A cut holds parcels back; a dead node's are gone. If one end forgets
// the other and knows it again, the other end hears when they meet that what it had sent is lost, as a LINK does.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
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

  std::unique_ptr<links> make_links(node_index self, std::uint64_t incarnation = 0) {
    for (auto& [way, parcels] : ways_)
      if (way.first == self) parcels.clear();  // of an incarnation before
    forget_resets(self);
    return std::make_unique<end>(*this, self, incarnation);
  }

  /// Delivers one parcel of a random link; false if there is none that may be delivered.
  bool deliver_one() {
    if (!losses_.empty() && !holds_losses_) {
      auto tell = std::move(losses_.front());
      losses_.pop_front();
      tell();
      return true;
    }
    std::vector<std::pair<node_index, node_index>> ready;
    for (const auto& [way, parcels] : ways_)
      if (!parcels.empty() && !cuts_.contains(way) && !resets_.contains(way) && ends_.contains(way.second) &&
          agree(way.first, way.second) && ends_.at(way.second)->knows(way.first))
        ready.push_back(way);
    for (const auto& way : resets_)
      if (may_meet(way)) ready.push_back(way);
    if (ready.empty()) return false;
    const auto way = ready[random_() % ready.size()];
    return deliver_from(way.first, way.second);
  }
  /// The next parcel of one link, if it may be delivered.
  bool deliver_from(node_index from, node_index to) {
    const auto way = std::pair(from, to);
    if (resets_.contains(way) && may_meet(way)) {
      resets_.erase(way);
      auto& sender = *ends_.at(from);
      const auto& peer = *std::ranges::find(sender.peers_, to, &node_identity::node);
      auto lost = std::exchange(ways_[way], {});
      sender.events_.on_lost(peer, {lost.begin(), lost.end()});
      return true;
    }
    if (ways_[way].empty() || cuts_.contains(way) || resets_.contains(way) || !ends_.contains(to) || !agree(from, to) ||
        !ends_.at(to)->knows(from))
      return false;
    auto bytes = std::move(ways_[way].front());
    ways_[way].pop_front();
    ends_[to]->events_.on_parcel(from, bytes);
    return true;
  }
  /// What is on its way, the next to arrive first.
  const std::deque<std::string>& on_the_way(node_index from, node_index to) { return ways_[{from, to}]; }
  /// What was on its way to a peer that goes is told behind set_peers(), as a link's own thread does; while they are
  /// held, not at all.
  void tell_losses_later() { tells_losses_later_ = true; }
  void hold_losses(bool hold) { holds_losses_ = hold; }
  /// Both ways, until heal().
  void cut(node_index a, node_index b) { cuts_.insert({{a, b}, {b, a}}); }
  /// Nothing arrives from `a` at `b`; what `b` sends does. Both lose their link.
  void cut_one_way(node_index a, node_index b) { cuts_.insert({a, b}); }
  void heal() { cuts_.clear(); }
  /// Tells the ends which links have come up or gone down since.
  void refresh() {
    for (auto& [self, each] : ends_)
      for (const auto& peer : std::vector(each->peers_)) {
        const auto other = ends_.find(peer.node);
        const bool is_up = other != ends_.end() && other->second->knows(self) && agree(self, peer.node) &&
                           !cuts_.contains({self, peer.node}) && !cuts_.contains({peer.node, self});
        auto& before = each->up_[{peer.node, peer.incarnation}];
        if (std::exchange(before, is_up) != is_up && each->events_.on_state) each->events_.on_state(peer, is_up);
        if (other == ends_.end() && !cuts_.contains({self, peer.node}) && each->events_.on_gone) {
          auto& told = each->told_gone_[peer.node];
          if (std::exchange(told, peer.incarnation) != peer.incarnation) each->events_.on_gone(peer);
        }
      }
  }
  /// Unless the number is somebody else's by now.
  void kill(node_index node, std::uint64_t incarnation) {
    const auto found = ends_.find(node);
    if (found == ends_.end() || found->second->incarnation_ == incarnation) kill(node);
  }
  void kill(node_index node) {
    ends_.erase(node);
    forget_resets(node);
    for (auto& [way, parcels] : ways_)
      if (way.second == node) parcels.clear();
  }

 private:
  class end final : public links {
   public:
    end(sim_network& net, node_index self, std::uint64_t incarnation)
        : net_(net), self_(self), incarnation_(incarnation) {
      net_.ends_[self] = this;
    }
    ~end() override {
      if (auto found = net_.ends_.find(self_); found != net_.ends_.end() && found->second == this)
        net_.ends_.erase(found);
    }
    void listen(events to) override { events_ = std::move(to); }
    void set_peers(std::vector<node_identity> members) override {
      auto gone = std::exchange(peers_, std::move(members));
      for (const auto& peer : peers_)
        if (std::ranges::find(gone, peer.node, &node_identity::node) == gone.end())
          net_.resets_.erase({self_, peer.node});  // a new link: nothing of it is lost
      for (const auto& peer : gone)
        if (!knows(peer.node)) {
          auto lost = std::exchange(net_.ways_[{self_, peer.node}], {});
          auto tell = [this, peer, all = std::vector<std::string>(lost.begin(), lost.end())] {
            events_.on_lost(peer, all);
          };
          if (!net_.tells_losses_later_)
            tell();
          else
            net_.losses_.push_back([&net = net_, self = self_, me = this, tell = std::move(tell)] {
              const auto found = net.ends_.find(self);
              if (found != net.ends_.end() && found->second == me) tell();
            });
          net_.resets_.erase({self_, peer.node});
          const auto other = net_.ends_.find(peer.node);
          if (other == net_.ends_.end())
            net_.ways_[{peer.node, self_}].clear();
          else if (other->second->incarnation_ == peer.incarnation)  // another one hasn't met this node yet
            net_.resets_.insert({peer.node, self_});
        }
    }
    bool post(node_index to, std::string parcel) override {
      if (!knows(to)) return false;
      const auto here = net_.ends_.find(self_);
      if (here != net_.ends_.end() && here->second != this) return true;  // its number is another's: nobody hears it
      net_.ways_[{self_, to}].push_back(std::move(parcel));
      return true;
    }
    std::vector<view> views() const override { return {}; }
    void stop() override {}
    bool knows(node_index node) const { return std::ranges::find(peers_, node, &node_identity::node) != peers_.end(); }

    bool expects(node_index node, std::uint64_t incarnation) const {
      auto found = std::ranges::find(peers_, node, &node_identity::node);
      return found == peers_.end() || found->incarnation == incarnation;
    }

    sim_network& net_;
    const node_index self_;
    const std::uint64_t incarnation_;
    events events_;
    std::vector<node_identity> peers_;
    std::map<std::pair<node_index, std::uint64_t>, bool> up_;
    std::map<node_index, std::uint64_t> told_gone_;
  };

  /// Do both ends, as far as they are there, mean this incarnation of the other?
  bool agree(node_index a, node_index b) const {
    const auto one = ends_.find(a), other = ends_.find(b);
    if (one == ends_.end() || other == ends_.end()) return true;
    return one->second->expects(b, other->second->incarnation_) && other->second->expects(a, one->second->incarnation_);
  }

  /// The receiver has forgotten the sender meanwhile, and knows it again.
  bool may_meet(const std::pair<node_index, node_index>& way) const {
    const auto from = ends_.find(way.first), to = ends_.find(way.second);
    return from != ends_.end() && to != ends_.end() && !cuts_.contains(way) &&
           !cuts_.contains({way.second, way.first}) && agree(way.first, way.second) &&
           from->second->knows(way.second) && to->second->knows(way.first);
  }
  void forget_resets(node_index node) {
    std::erase_if(resets_, [node](const auto& way) { return way.first == node || way.second == node; });
  }

  std::mt19937& random_;
  std::map<node_index, end*> ends_;
  std::map<std::pair<node_index, node_index>, std::deque<std::string>> ways_;
  std::set<std::pair<node_index, node_index>> cuts_;
  std::set<std::pair<node_index, node_index>> resets_;  // what the first sends is lost until the second knows it again
  std::deque<std::function<void()>> losses_;
  bool tells_losses_later_ = false, holds_losses_ = false;
};

}  // namespace throng::test
