// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/bench.hpp"

#include <algorithm>
#include <array>

namespace throng {

std::span<const bench> benches() {
  static const std::array all{
      bench{"post", "durable posts through CHANNELs, and the bare batched insert of the same rows", post_options(),
            run_post_bench},
      bench{"read", "pages of history from CHANNELs, and the bare SELECT of the same rows", read_options(),
            run_read_bench},
      bench{"fanout", "posts to many websockets of a real throngd, and a bare loop of send()", fanout_options(),
            run_fanout_bench},
      bench{"idle", "memory of connected sessions, and of bare accepted sockets", idle_options(), run_idle_bench},
      bench{"links", "envelopes between two nodes, plain and over TLS, and a bare CAF batch of 100", links_options(),
            run_links_bench},
      bench{"failover", "the time until channels of a node that is lost live again, over a whole cluster",
            failover_options(), run_failover_bench},
      bench{"migrate", "the pause that a poster sees while its channel moves from node to node", migrate_options(),
            run_migrate_bench},
  };
  return all;
}

std::size_t number_reader::operator()(std::string_view option, std::uint64_t smallest, std::uint64_t largest) {
  auto value = line_.number(option, smallest, largest);
  if (!value) {
    if (outcome_) outcome_ = value.failure();
    return smallest;
  }
  auto name = std::string(option.substr(option.find_first_not_of('-')));
  std::ranges::replace(name, '-', '_');
  params_.set(name, static_cast<double>(*value));
  return *value;
}

}  // namespace throng
