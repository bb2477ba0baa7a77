// SPDX-License-Identifier: Apache-2.0
#include "cluster/inspection.hpp"

namespace throng {

std::int64_t rank_of(const entity_view& view, inspection::filter::order_t order) {
  using order_t = inspection::filter::order_t;
  switch (order) {
    case order_t::any:
      return 0;
    case order_t::mailbox:
      return view.mailbox;
    case order_t::messages:
      return static_cast<std::int64_t>(view.messages);
    case order_t::crashes:
      return static_cast<std::int64_t>(view.crashes);
    case order_t::age:
      return view.age.count();
    case order_t::idle:
      return view.idle.count();
    case order_t::recent:
      return -view.idle.count();
  }
  return 0;
}

}  // namespace throng
