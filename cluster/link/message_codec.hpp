// SPDX-License-Identifier: Apache-2.0
// MESSAGE CODEC: entity messages as bytes, for between nodes. The type goes with them as its Protobuf name, so nodes of
// different versions understand each other: an unknown field is kept, an unknown type is an error that names it.
// Thread-safe.
#pragma once

#include "cluster/message.hpp"
#include "storage/model/result.hpp"

namespace throng {

class AnyMessage;

void encode_message(const google::protobuf::Message& message, AnyMessage& into);
/// Errors: errc::unknown_message (a type that this node doesn't know, or bytes that aren't of it).
result<message_ptr> decode_message(const AnyMessage& from);

}  // namespace throng
