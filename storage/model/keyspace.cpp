// SPDX-License-Identifier: Apache-2.0
// The names of entities; what needs a hash is in storage/keyspace.cpp, because the model uses the standard library
// only.
#include "storage/model/keyspace.hpp"

namespace throng {

std::string_view to_string(entity_kind kind) {
  switch (kind) {
    case entity_kind::channel:
      return "channel";
    case entity_kind::session:
      return "session";
    case entity_kind::presence:
      return "presence";
    case entity_kind::workspace:
      return "workspace";
    case entity_kind::user:
      return "user";
  }
  return "unknown";
}

std::string to_text(entity_key key) {
  auto name = std::string(to_string(key.kind)) + ":";
  switch (key.kind) {
    case entity_kind::channel:
      return name + to_text(channel_id{key.id});
    case entity_kind::session:
      return name + to_text(session_id{key.id});
    case entity_kind::workspace:
      return name + to_text(team_id{key.id});
    case entity_kind::user:
      return name + to_text(user_id{key.id});
    case entity_kind::presence:
      break;
  }
  return name + std::to_string(key.id);
}

}  // namespace throng
