// SPDX-License-Identifier: Apache-2.0
// METRICS: every counter and gauge of the node as Prometheus text. Any thread.
#pragma once

#include <string>

#include "net/admin/admin_services.hpp"

namespace throng {

std::string render_metrics(const admin_services& services);

}  // namespace throng
