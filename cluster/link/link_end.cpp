// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_end.hpp"

#include <caf/send.hpp>

#include "cluster/link/link_actor.hpp"

namespace throng {

bool link_end::post(std::string parcel) {
  caf::actor woken;
  {
    std::lock_guard lock(mutex_);
    if (shared_.has_ended || !shared_.window.post(std::move(parcel))) return false;
    if (!shared_.is_up || shared_.is_woken || (shared_.is_timed && !shared_.window.has_full_frame())) return true;
    shared_.is_woken = true;
    woken = shared_.link;
  }
  caf::anon_send(woken, link_input{link_wake{}});
  return true;
}

links::view link_end::view() {
  std::lock_guard lock(mutex_);
  return {shared_.peer,       shared_.is_up,      shared_.suspicion,
          shared_.round_trip, shared_.reconnects, shared_.window.read_figures()};
}

}  // namespace throng
