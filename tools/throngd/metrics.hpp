// SPDX-License-Identifier: Apache-2.0
// What the gateway and the API count, for /metrics.
#pragma once

#include <vector>

#include "net/admin/admin_services.hpp"
#include "net/api/api_server.hpp"
#include "net/gateway/gateway.hpp"

namespace throng {

std::vector<metric> gateway_and_api_metrics(const gateway_figures& gateway, const api_server& api);

}  // namespace throng
