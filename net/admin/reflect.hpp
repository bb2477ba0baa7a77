// SPDX-License-Identifier: Apache-2.0
// Any entity's state as JSON, by Protobuf reflection: ids and ts as people know them, secrets masked. Pure.
#pragma once

#include "storage/json/json.hpp"

namespace google::protobuf {
class Message;
}

namespace throng {

/// Writes one object. Fields that are not set are left out; secrets (tickets, token hashes, client and signing
/// secrets) become "***".
void write_state(json_writer& out, const google::protobuf::Message& state);

}  // namespace throng
