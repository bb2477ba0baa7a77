// SPDX-License-Identifier: Apache-2.0
#include "actors/repeatable.hpp"

#include <unordered_set>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "actors/protocol.hpp"

namespace throng {

namespace {

using descriptors = std::unordered_set<const google::protobuf::Descriptor*>;

/// A request of several services must be repeatable in all of them.
descriptors find_repeatable() {
  descriptors repeatable, others;
  for (const auto* file : {ChannelReply::descriptor()->file(), UserReply::descriptor()->file(),
                           WorkspaceReply::descriptor()->file(), PresenceReply::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto& method = *file->service(i)->method(j);
        const auto level = method.options().idempotency_level();
        const bool may_repeat = level != google::protobuf::MethodOptions::IDEMPOTENCY_UNKNOWN;
        (may_repeat ? repeatable : others).insert(method.input_type());
      }
  for (const auto* each : others) repeatable.erase(each);
  return repeatable;
}

}  // namespace

bool is_repeatable(const google::protobuf::Message& request) {
  static const descriptors repeatable = find_repeatable();
  if (const auto* post = dynamic_cast<const PostRequest*>(&request)) return !post->client_msg_id().empty();
  return repeatable.contains(request.GetDescriptor());
}

}  // namespace throng
