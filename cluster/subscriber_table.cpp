// SPDX-License-Identifier: Apache-2.0
#include "cluster/subscriber_table.hpp"

#include <algorithm>

namespace throng {

bool subscriber_table::add(entity_key stream, node_index node) {
  auto& nodes = streams_[stream];
  if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) return false;
  nodes.push_back(node);
  return true;
}

bool subscriber_table::remove(entity_key stream, node_index node) {
  auto found = streams_.find(stream);
  if (found == streams_.end() || std::erase(found->second, node) == 0) return false;
  if (found->second.empty()) streams_.erase(found);
  return true;
}

void subscriber_table::remove_node(node_index node) {
  for (auto each = streams_.begin(); each != streams_.end();) {
    std::erase(each->second, node);
    each = each->second.empty() ? streams_.erase(each) : std::next(each);
  }
}

const std::vector<node_index>& subscriber_table::subscribers(entity_key stream) const {
  static const std::vector<node_index> nobody;
  auto found = streams_.find(stream);
  return found == streams_.end() ? nobody : found->second;
}

}  // namespace throng
