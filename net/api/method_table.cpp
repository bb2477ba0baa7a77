// SPDX-License-Identifier: Apache-2.0
#include <unordered_map>

#include "net/api/method.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

struct method_table {
  std::vector<const api_method*> all;
  std::unordered_map<std::string_view, const api_method*> by_name;

  method_table() {
    for (auto family :
         {api_methods(), auth_methods(), conversation_read_methods(), conversation_write_methods(), chat_methods(),
          reaction_methods(), pin_methods(), user_methods(), profile_methods(), presence_methods(), team_methods(),
          dnd_methods(), rtm_methods(), legacy_methods(), provisioning_methods()})
      for (const auto& method : family) {
        THRONG_ASSERT(by_name.emplace(method.name, &method).second);
        all.push_back(&method);
      }
  }
};

const method_table& table() {
  static const method_table made;
  return made;
}

}  // namespace

const api_method* find_method(std::string_view name) {
  auto found = table().by_name.find(name);
  return found == table().by_name.end() ? nullptr : found->second;
}

const std::vector<const api_method*>& all_methods() { return table().all; }

}  // namespace throng
