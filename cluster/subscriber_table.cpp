// SPDX-License-Identifier: Apache-2.0
#include "cluster/subscriber_table.hpp"

#include <algorithm>

namespace throng {

bool subscriber_table::add(entity_key stream, node_index node) {
  const subscription wanted{stream, node};
  auto at = std::ranges::lower_bound(all_, wanted);
  if (at != all_.end() && *at == wanted) return false;
  all_.insert(at, wanted);
  return true;
}

bool subscriber_table::remove(entity_key stream, node_index node) {
  const subscription unwanted{stream, node};
  auto at = std::ranges::lower_bound(all_, unwanted);
  if (at == all_.end() || *at != unwanted) return false;
  all_.erase(at);
  return true;
}

void subscriber_table::remove_node(node_index node) {
  std::erase_if(all_, [node](const subscription& each) { return each.node == node; });
}

std::span<const subscriber_table::subscription> subscriber_table::subscribers(entity_key stream) const {
  return std::ranges::equal_range(all_, stream, {}, &subscription::stream);
}

std::size_t subscriber_table::stream_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < all_.size(); ++i) count += i == 0 || all_[i].stream != all_[i - 1].stream;
  return count;
}

}  // namespace throng
