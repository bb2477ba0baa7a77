// SPDX-License-Identifier: Apache-2.0
// LINK END: this node's end of the link to one peer, between the threads that post and the LINK that sends. The window
// is under a mutex that is held for a move or a copy of one frame; the LINK is woken once a batch, not once a parcel.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include <caf/actor.hpp>

#include "cluster/link/links.hpp"

namespace throng {

class link_end {
 public:
  link_end(const node_identity& peer, const link_window::limits& bounds) : shared_(peer, bounds) {}

  /// Any thread. False: too much waits, or the link has ended.
  bool post(std::string parcel);

  struct shared {
    shared(node_identity whom, const link_window::limits& bounds) : peer(std::move(whom)), window(bounds) {}
    node_identity peer;
    link_window window;
    std::uint64_t window_id = 0;     // random; another one after another incarnation came
    std::uint64_t other_window = 0;  // the peer's, once the two have met
    caf::actor link;
    bool is_woken = false;  // a wake is on its way
    bool is_timed = false;  // the LINK's timer will flush what isn't a full frame
    bool is_up = false;     // this window is connected to `peer`
    bool has_ended = false;
    double suspicion = 0;
    std::chrono::microseconds round_trip{0};
    std::uint64_t reconnects = 0;
  };
  template <class Use>
  decltype(auto) with(Use use) {
    std::lock_guard lock(mutex_);
    return use(shared_);
  }

  links::view view();

 private:
  std::mutex mutex_;
  shared shared_;
};

}  // namespace throng
