// SPDX-License-Identifier: Apache-2.0
#include "cluster/protocol.hpp"

#include <google/protobuf/message.h>

namespace throng {

std::type_index dynamic_type(const google::protobuf::Message& message) { return typeid(message); }

void refuse_unknown(const envelope& message) {
  if (message.reply)
    message.reply->answer(
        error{errc::unknown_message, to_text(message.to) + " has no handler for " + message.message->GetTypeName()});
}

}  // namespace throng
