// SPDX-License-Identifier: Apache-2.0
// From the configuration to what each part is told. The only place that knows both sides; plain assignments.
#pragma once

#include "actors/channel/channel_options.hpp"
#include "cluster/node_services.hpp"
#include "config/configuration.hpp"
#include "net/api/api_options.hpp"
#include "net/transport_options.hpp"
#include "storage/commit_queue.hpp"

namespace throng {

node_options node_options_of(const configuration& settings);
transport_options transport_options_of(const configuration& settings);
api_options api_options_of(const configuration& settings);
commit_queue::limits commit_limits_of(const configuration& settings);
channel_options channel_options_of(const configuration& settings);

}  // namespace throng
