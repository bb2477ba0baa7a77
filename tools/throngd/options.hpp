// SPDX-License-Identifier: Apache-2.0
// From the configuration to what each part is told. The only place that knows both sides; plain assignments.
#pragma once

#include <memory>

#include "actors/channel/channel_options.hpp"
#include "actors/presence/presence.hpp"
#include "actors/session/session.hpp"
#include "actors/user/user.hpp"
#include "actors/workspace/workspace.hpp"
#include "cluster/consul_client.hpp"
#include "cluster/link/caf_links.hpp"
#include "cluster/node_services.hpp"
#include "config/configuration.hpp"
#include "net/api/api_options.hpp"
#include "net/gateway/gateway.hpp"
#include "net/transport_options.hpp"
#include "storage/commit_queue.hpp"
#include "storage/failover/supervisor_options.hpp"
#include "storage/mysql/mysql_store.hpp"
#include "storage/reshard/reshard_runner.hpp"
#include "storage/retention.hpp"
#include "storage/router/sharded_storage.hpp"

namespace throng {

node_options node_options_of(const configuration& settings);
consul_options consul_options_of(const configuration& settings);
caf_links_options links_options_of(const configuration& settings);  // without self
transport_options transport_options_of(const configuration& settings);
api_options api_options_of(const configuration& settings);
commit_queue::limits commit_limits_of(const configuration& settings);
mysql_options mysql_options_of(const configuration& settings);  // without routes
mysql::connect_options mysql_admin_account_of(const configuration& settings);
sharded_storage::options sharded_options_of(const configuration& settings);
failover::supervisor_options supervisor_options_of(const configuration& settings);
reshard_options reshard_options_of(const configuration& settings);
retention::options retention_options_of(const configuration& settings);
gateway_options gateway_options_of(const configuration& settings);
channel_options channel_options_of(const configuration& settings);
workspace_options workspace_options_of(const configuration& settings, std::shared_ptr<id_generator> ids);
user_options user_options_of(const configuration& settings);
session_options session_options_of(const configuration& settings);
presence_options presence_options_of(const configuration& settings);

}  // namespace throng
