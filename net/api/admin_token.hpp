// SPDX-License-Identifier: Apache-2.0
// The ADMIN TOKEN: the right to provision workspaces, people and tokens. It lives in one file that only the owner may
// read, made on the first start.
#pragma once

#include <string>

#include "storage/model/result.hpp"

namespace throng {

/// The file's first line; made with a new token (mode 0600, whole or not at all) if there is no such file. Blocks: for
/// a node's start. Errors: service_unavailable, with the reason (an empty file, others may read it, no such folder).
/// What is made starts with `prefix`.
result<std::string> load_admin_token(const std::string& path, const std::string& prefix = "xadm-");

}  // namespace throng
