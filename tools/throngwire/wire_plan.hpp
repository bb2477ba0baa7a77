// SPDX-License-Identifier: Apache-2.0
// WIRE PLAN: what tools/cluster wants of the wires between the processes of one machine, as its file says it. Pure.
//
//   wire FROM TO LISTEN TARGET   who connects at LISTEN reaches TARGET, which is TO's. FROM `*`: the source address
//                                says who it is, since each node listens at an address of its own, and dials from it
//   cut A B hang|reset           nothing passes between A and B, in no direction
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/host_port.hpp"
#include "storage/model/result.hpp"

namespace throng {

enum class wire_state : std::uint8_t {
  passes,
  hangs,   // as when packets vanish: connections stay and nothing moves, new ones are never answered
  resets,  // as when somebody refuses it: connections end, new ones too
};

struct wire_plan {
  struct wire {
    std::string from, to;  // from `*`: by the source address
    host_port listen, target;
    friend bool operator==(const wire&, const wire&) = default;
  };
  std::vector<wire> wires;

  wire_state between(std::string_view a, std::string_view b) const;
  /// Whether anything about it is cut.
  bool is_cut(std::string_view name) const;
  /// Whose source address this is; `*` if nobody's.
  std::string owner_of(std::string_view host) const;

 private:
  friend result<wire_plan> parse_wire_plan(std::string_view text);
  std::map<std::pair<std::string, std::string>, wire_state> cuts_;  // the smaller name first
};

/// Errors: errc::invalid_arguments, which says the line's number and what it should be.
result<wire_plan> parse_wire_plan(std::string_view text);

}  // namespace throng
