// SPDX-License-Identifier: Apache-2.0
#include "net/admin/reflect.hpp"

#include <string>
#include <string_view>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "storage/model/ids.hpp"
#include "storage/model/keyspace.hpp"
#include "storage/model/time.hpp"

namespace throng {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (auto each : names)
    if (each == name) return true;
  return false;
}

bool is_secret(const FieldDescriptor& field) {
  return is_one_of(field.name(),
                   {"ticket", "token_hash", "token_hashes", "client_secret", "signing_secret", "verification_token"});
}

/// Which ids a fixed64 field holds, by its name: the schema's names are consistent (actors/proto/).
std::string id_text(const FieldDescriptor& field, const Message& owner, std::uint64_t id) {
  const std::string_view name = field.name();
  const std::string_view type = field.containing_type()->name();
  if (name == "id" && type == "StreamCursor") {
    const auto* kind = owner.GetDescriptor()->FindFieldByName("kind");
    return to_text(entity_key{static_cast<entity_kind>(owner.GetReflection()->GetUInt32(owner, kind)), id});
  }
  if (is_one_of(name, {"user", "users", "members", "creator", "direct_users", "inviter", "primary_owner", "edited_by",
                       "bot_user", "watched_users", "remover", "actor", "item_user"}) ||
      (name == "id" && type == "UserData"))
    return to_text(user_id{id});
  if (is_one_of(name, {"channel", "channels", "general_channel"}) || (name == "id" && type == "ChannelData"))
    return to_text(channel_id{id});
  if (name == "team" || (name == "id" && type == "WorkspaceData")) return to_text(team_id{id});
  if (name == "bot") return to_text(bot_id{id});
  if (name == "app" || (name == "id" && type == "AppData")) return to_text(app_id{id});
  if (is_one_of(name, {"session", "sessions"}) || (name == "id" && type == "SessionSnapshot"))
    return to_text(session_id{id});
  return std::to_string(id);
}

bool is_ts(std::string_view name) {
  return is_one_of(
      name, {"ts", "thread_ts", "last_ts", "latest_reply", "last_read", "edited_ts", "changed_ts", "deleted_ts"});
}

void write_text(json_writer& out, const FieldDescriptor& field, const std::string& text) {
  if (is_secret(field))
    out.value("***");
  else if (field.type() == FieldDescriptor::TYPE_BYTES)
    out.value(std::to_string(text.size()) + " bytes");
  else
    out.value(text);
}

void write_single(json_writer& out, const Message& owner, const FieldDescriptor& field, int index) {
  const auto& reflection = *owner.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      write_state(
          out, repeated ? reflection.GetRepeatedMessage(owner, &field, index) : reflection.GetMessage(owner, &field));
      break;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      write_text(out, field,
                 repeated ? reflection.GetRepeatedStringReference(owner, &field, index, &scratch)
                          : reflection.GetStringReference(owner, &field, &scratch));
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      const auto number =
          repeated ? reflection.GetRepeatedUInt64(owner, &field, index) : reflection.GetUInt64(owner, &field);
      if (field.type() == FieldDescriptor::TYPE_FIXED64)
        out.value(id_text(field, owner, number));
      else
        out.value(number);
      break;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const auto number =
          repeated ? reflection.GetRepeatedInt64(owner, &field, index) : reflection.GetInt64(owner, &field);
      if (is_ts(field.name()))
        out.value(to_text(message_ts{number}));
      else
        out.value(number);
      break;
    }
    case FieldDescriptor::CPPTYPE_UINT32:
      out.value(repeated ? reflection.GetRepeatedUInt32(owner, &field, index) : reflection.GetUInt32(owner, &field));
      break;
    case FieldDescriptor::CPPTYPE_INT32:
      out.value(repeated ? reflection.GetRepeatedInt32(owner, &field, index) : reflection.GetInt32(owner, &field));
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      out.value(repeated ? reflection.GetRepeatedBool(owner, &field, index) : reflection.GetBool(owner, &field));
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      out.value(
          (repeated ? reflection.GetRepeatedEnum(owner, &field, index) : reflection.GetEnum(owner, &field))->name());
      break;
    default:
      out.value("?");
      break;  // the schema has no floating point
  }
}

}  // namespace

void write_state(json_writer& out, const Message& state) {
  std::vector<const FieldDescriptor*> fields;
  state.GetReflection()->ListFields(state, &fields);
  out.begin_object();
  for (const auto* field : fields) {
    out.key(field->name());
    if (!field->is_repeated()) {
      write_single(out, state, *field, 0);
      continue;
    }
    out.begin_array();
    const int size = state.GetReflection()->FieldSize(state, field);
    for (int i = 0; i < size; ++i) write_single(out, state, *field, i);
    out.end_array();
  }
  out.end_object();
}

}  // namespace throng
