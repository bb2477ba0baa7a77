// SPDX-License-Identifier: Apache-2.0
// RECENT POSTS: which client_msg_ids a channel has seen, so that a client that repeats a post it got no answer for
// doesn't post twice. By sender and id: nobody can guess away another's post. Pure; bounded by age and count, the
// oldest go first.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/model/ids.hpp"
#include "storage/model/time.hpp"

namespace throng {

class recent_posts {
 public:
  struct limits {
    std::size_t ids_max = 2'000;
    std::chrono::steady_clock::duration window = std::chrono::minutes(5);
  };

  explicit recent_posts(limits bounds) : limits_(bounds) {}

  /// The post that `user` made with this id not long ago.
  std::optional<message_ts> find(user_id user, std::string_view client_msg_id, steady_time now);
  /// REQUIRES: find() has just said that it isn't there.
  void remember(user_id user, std::string_view client_msg_id, message_ts ts, steady_time now);

  std::size_t count() const { return oldest_first_.size(); }
  /// visit(user, client_msg_id, ts, when it was remembered), oldest first.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& one : oldest_first_) {
      user_id user;
      std::memcpy(&user.value, one.key.data(), sizeof user.value);
      visit(user, std::string_view(one.key).substr(sizeof user.value), one.ts, one.at);
    }
  }

 private:
  struct entry {
    std::string key;
    message_ts ts;
    steady_time at;
  };
  void forget_old(steady_time now);

  limits limits_;
  std::list<entry> oldest_first_;
  std::unordered_map<std::string_view, std::list<entry>::iterator> by_key_;  // keys live in the list
};

}  // namespace throng
