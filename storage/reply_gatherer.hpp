// SPDX-License-Identifier: Apache-2.0
// REPLY GATHERER: summaries of threads, made of the replies themselves. Most of the posts on a page of history have
// none, so one look at all replies between its oldest and its newest post is far cheaper than a look for each. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <vector>

#include "storage/model/records.hpp"

namespace throng {

class reply_gatherer {
 public:
  /// Below that many threads a look for each is as cheap.
  static constexpr std::size_t roots_min = 4;
  /// A range with more replies isn't gathered: there may be a huge thread between the asked ones, or they lie far
  /// apart.
  static constexpr std::size_t replies_max = 300;

  /// The replies of a thread oldest first.
  void add(message_ts root, user_id user, message_ts ts) {
    auto& thread = threads_[root];
    ++thread.summary.reply_count;
    thread.summary.latest_reply = std::max(thread.summary.latest_reply, ts);
    if (std::ranges::find(thread.users, user) == thread.users.end()) thread.users.push_back(user);
  }

  /// In the order of `roots`; without those that have no replies.
  std::vector<thread_summary> summaries(std::span<const message_ts> roots) const {
    constexpr std::size_t users_shown = 5;
    std::vector<thread_summary> all;
    for (auto root : roots) {
      auto found = threads_.find(root);
      if (found == threads_.end()) continue;
      auto summary = found->second.summary;
      const auto& users = found->second.users;
      summary.root = root;
      summary.user_count = static_cast<std::uint32_t>(users.size());
      summary.users.assign(users.begin(),
                           users.begin() + static_cast<std::ptrdiff_t>(std::min(users_shown, users.size())));
      all.push_back(std::move(summary));
    }
    return all;
  }

 private:
  struct thread {
    thread_summary summary;
    std::vector<user_id> users;  // all, by their first reply
  };
  std::map<message_ts, thread> threads_;
};

}  // namespace throng
