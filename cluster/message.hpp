// SPDX-License-Identifier: Apache-2.0
// Messages between entities are Protobuf messages, shared and immutable: within a process nothing is encoded.
#pragma once

#include <memory>
#include <utility>

namespace google::protobuf {
class Message;
}

namespace throng {

using message_ptr = std::shared_ptr<const google::protobuf::Message>;

template <class Message>
message_ptr share(Message message) {
  return std::make_shared<const Message>(std::move(message));
}

/// Which reply a request has: `using type = PostReply;`. Specialised beside each protocol with THRONG_RPC, so that
/// asking with a request gives the right reply, and a wrong pair doesn't compile.
template <class Request>
struct reply_of;
template <class Request>
using reply_of_t = typename reply_of<Request>::type;

}  // namespace throng

#define THRONG_RPC(request, reply)   \
  template <>                        \
  struct throng::reply_of<request> { \
    using type = reply;              \
  }
