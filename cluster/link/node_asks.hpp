// SPDX-License-Identifier: Apache-2.0
// NODE ASKS: this node's side of the NODE DOOR: who waits for whose answer, the parts of answers that have come, and
// the handler for what others ask. The REGION gives it the parcels of its kinds. Thread-safe; one lock, held for
// look-ups only. Bounded: so many asks wait here, so many of one peer's are being answered.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>

#include "cluster/clock.hpp"
#include "cluster/link/links.hpp"
#include "cluster/link/parcel.hpp"
#include "cluster/node_door.hpp"

namespace throng {

class node_asks final : public node_door, public std::enable_shared_from_this<node_asks> {
 public:
  static constexpr std::size_t waiting_max = 1'000;
  static constexpr std::size_t served_of_a_peer_max = 64;
  static constexpr std::size_t part_bytes_max = 64u << 10;

  /// `between` is null for a node that is alone; it and the clock outlive stop().
  node_asks(node_index self, links* between, time_source& clock) : self_(self), between_(between), clock_(clock) {}

  void ask_node(node_index to, std::string request, std::chrono::milliseconds timeout, answer done) override;
  void serve_nodes(handler serve) override;

  // -- the REGION's
  // ----------------------------------------------------------------------------------------------------------

  void receive(node_index from, node_ask_parcel& ask);
  void receive(node_index from, node_answer_parcel& part);
  void link_changed(const node_identity& peer, bool is_up);
  void peer_lost(const node_identity& peer);
  void tick(steady_time now);
  /// Answers what waits with errc::stopping; late answers to others go nowhere.
  void stop();

 private:
  struct waiting {
    node_index to;
    steady_time deadline;
    answer done;
    std::string text;  // the parts so far
  };
  template <class Which>
  void finish_if(Which which, const error& why);
  void serve(node_index from, std::string request, std::chrono::milliseconds timeout, answer reply);
  bool post(node_index to, const parcel& what);
  void send_answer(node_index to, std::uint64_t correlation, result<std::string> outcome);

  const node_index self_;
  std::shared_mutex posting_;
  links* between_;  // null after stop(): answers may outlive the region
  time_source& clock_;

  std::mutex mutex_;
  std::map<std::uint64_t, waiting> waiting_;
  std::set<node_index> down_;                    // whose link was there and is not
  std::map<node_index, std::size_t> answering_;  // questions of each peer
  std::uint64_t next_ = 1;
  bool is_stopped_ = false;

  std::shared_mutex serving_;
  handler serve_;
};

}  // namespace throng
