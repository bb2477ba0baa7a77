// SPDX-License-Identifier: Apache-2.0
// The only messages that cross CAF's network layer: LINK to LINK, numbers and bytes. (facts: no floats, no optionals,
// no handles.)
#pragma once

#include <cstdint>
#include <vector>

#include <caf/meta/type_name.hpp>
#include <caf/type_id.hpp>

namespace throng {

/// The dialer's first message over a new connection, and the listener's answer.
struct link_hello {
  bool is_answer = false;
  bool resumes = false;          // answer: both windows go on; else both begin anew
  std::uint64_t connection = 0;  // its number, which all messages over it carry
  std::uint64_t incarnation = 0;
  std::uint64_t window = 0;        // which window of the sender this is: a random number
  std::uint64_t other_window = 0;  // which one of the receiver it knows; 0: none yet
  std::uint64_t received = 0;      // the last frame that came in between these two
};

/// One frame: parcels, each as its size (4 bytes, little-endian) and its bytes.
struct link_batch {
  std::uint64_t connection = 0;
  std::uint64_t number = 0;  // 0: only the acknowledgement
  std::uint64_t acknowledged = 0;
  std::vector<char> parcels;
};

/// Times are microseconds of the clock of whoever took them.
struct link_beat {
  std::uint64_t connection = 0;
  std::uint64_t sent_at = 0;
  std::uint64_t echo = 0;  // sent_at of the last beat that came; 0: none
  std::uint64_t held = 0;  // how long that one has been here
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, link_hello& x) {
  return f(caf::meta::type_name("link_hello"), x.is_answer, x.resumes, x.connection, x.incarnation, x.window,
           x.other_window, x.received);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, link_batch& x) {
  return f(caf::meta::type_name("link_batch"), x.connection, x.number, x.acknowledged, x.parcels);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, link_beat& x) {
  return f(caf::meta::type_name("link_beat"), x.connection, x.sent_at, x.echo, x.held);
}

}  // namespace throng

CAF_BEGIN_TYPE_ID_BLOCK(throng_link, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(throng_link, (throng::link_hello))
CAF_ADD_TYPE_ID(throng_link, (throng::link_batch))
CAF_ADD_TYPE_ID(throng_link, (throng::link_beat))
CAF_END_TYPE_ID_BLOCK(throng_link)
