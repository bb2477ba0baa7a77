// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/message_codec.hpp"

#include <string>
#include <string_view>
#include <unordered_map>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "cluster/proto/cluster.pb.h"

namespace throng {

namespace {

constexpr std::string_view package = "throng.";

/// The types that are asked for are few, and Protobuf's own look-up takes a lock.
const google::protobuf::Message* prototype_of(const std::string& type) {
  constexpr std::size_t known_max = 1'000;  // far above what we have: a bound against made-up names
  thread_local std::unordered_map<std::string, const google::protobuf::Message*> known;
  if (auto found = known.find(type); found != known.end()) return found->second;
  const auto full_name = type.starts_with('.') ? type.substr(1) : std::string(package) + type;
  const auto* described = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(full_name);
  if (!described) return nullptr;
  const auto* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(described);
  if (prototype && known.size() < known_max) known.emplace(type, prototype);
  return prototype;
}

}  // namespace

void encode_message(const google::protobuf::Message& message, AnyMessage& into) {
  const auto& name = message.GetDescriptor()->full_name();
  into.set_type(name.starts_with(package) ? name.substr(package.size()) : "." + name);
  message.SerializeToString(into.mutable_body());
}

result<message_ptr> decode_message(const AnyMessage& from) {
  const auto* prototype = prototype_of(from.type());
  if (!prototype) return error{errc::unknown_message, "no message is called " + from.type()};
  std::shared_ptr<google::protobuf::Message> made(prototype->New());
  if (!made->ParseFromString(from.body())) return error{errc::unknown_message, "these bytes are no " + from.type()};
  return message_ptr(std::move(made));
}

}  // namespace throng
