// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/client_drain.hpp"

namespace throng {

drain_order way_out(const cluster_agent::view& now, bool stops) {
  drain_order where;
  where.own_url = now.self.client_url;
  std::vector<std::string> drained;
  for (const auto& each : now.facts.members) {
    if (each.who.node == now.self.node || each.is_draining || is_unreachable(now.facts, each.who.node)) continue;
    auto& list = now.facts.wishes.draining.contains(each.who.name) ? drained : where.others;
    list.push_back(each.who.client_url);
  }
  if (stops && where.others.empty()) where.others = std::move(drained);
  return where;
}

client_drain::decision client_drain::look(const cluster_agent::view& now, steady_time at) {
  decision made;
  drain_order where;
  if (now.facts.wishes.draining.contains(now.self.name)) where = way_out(now);
  made.is_wanted = !where.others.empty();
  if (!made.is_wanted) {
    since_.reset();
    made.ends = told_.has_value();
    told_.reset();
    return made;
  }
  if (!since_) since_ = at;
  const bool is_empty = now.facts.table && now.facts.table->owned_by(now.self.node) == 0;
  if (told_ == where || (!told_ && !is_empty && at - *since_ < patience_)) return made;
  told_ = where;
  made.begins = std::move(where);
  return made;
}

}  // namespace throng
