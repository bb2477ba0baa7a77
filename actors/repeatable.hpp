// SPDX-License-Identifier: Apache-2.0
// Which requests do no harm when they are carried out twice, so that they may be sent again to the next owner of their
// slot when the node that had them has died: those of which the services say so by `idempotency_level`, and posts that
// carry a client_msg_id. Any thread.
#pragma once

namespace google::protobuf {
class Message;
}

namespace throng {

bool is_repeatable(const google::protobuf::Message& request);

}  // namespace throng
