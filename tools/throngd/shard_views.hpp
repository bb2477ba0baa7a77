// SPDX-License-Identifier: Apache-2.0
// From what supervisors and the router know to what the shell shows. Pure.
#pragma once

#include <string>

#include "net/admin/storage_admin.hpp"
#include "storage/failover/shard_supervisor.hpp"
#include "storage/reshard/reshard_status.hpp"
#include "storage/topology/shard_map.hpp"

namespace throng {

/// `status`: of the shard's supervisor; null: it has none.
shard_view view_of(const shard_record& record, bool is_serving, const failover::shard_status* status);
std::string to_text(const failover::reparent_report& report);
/// The lines of to_text(status), a row each.
shell_table table_of(const reshard_status& status);

}  // namespace throng
