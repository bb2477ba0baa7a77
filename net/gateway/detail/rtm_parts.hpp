// SPDX-License-Identifier: Apache-2.0
// What the files that make up rtm_connection share; nobody else needs it.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/protocol.hpp"
#include "net/gateway/rtm.hpp"

namespace throng {

struct rtm_connection::boot_state {
  std::vector<StreamCursor> cursors;  // of a resumed session, sorted by kind and id
  std::vector<user_id> watched;
  std::vector<std::pair<shared_frame, delivery>> held;
  std::size_t held_bytes = 0;
  std::size_t pending_streams = 0;
  std::string came_by;        // empty: as the request that opened the session did
  std::string reconnect_url;  // empty: it isn't known how clients reach us
  bool is_resumed = false;
  bool is_listed = false;
};

struct rtm_connection::listing {
  std::vector<channel_id> seen;      // on the person's list
  std::vector<channel_id> unlisted;  // taken off it since the list was asked for; sorted
  std::optional<seq_t> seq;          // of the person's stream, that the first page knows
  std::uint64_t after = 0;
};

/// Whoever this failure came from is asked again later.
inline bool may_pass(errc code) { return code != errc::stopping && code != errc::unknown_message; }

inline std::chrono::milliseconds backoff(const rtm_options& options, unsigned tries) {
  return options.retry_delay * (1 << std::min(tries, 6u));
}

template <class T>
void insert_sorted(std::vector<T>& into, T value) {
  const auto at = std::lower_bound(into.begin(), into.end(), value);
  if (at == into.end() || *at != value) into.insert(at, value);
}

template <class T>
bool contains_sorted(const std::vector<T>& in, T value) {
  return std::binary_search(in.begin(), in.end(), value);
}

template <class Reply, class Request, class Then>
void rtm_connection::ask(entity_key to, Request request, Then then) {
  auto& loop = services_->fan->loop(loop_index_);
  services_->entities.ask_raw(to, share(std::move(request)), services_->options.ask_timeout,
                              [fan = services_->fan, &loop, index = loop_index_, me = id(),
                               then = std::move(then)](result<message_ptr> answer) {
                                loop.post_always([fan, index, me, then, answer = std::move(answer)] {
                                  auto* reader = fan->on_loop(index).find(me);
                                  if (!reader) return;
                                  auto& self = static_cast<rtm_connection&>(*reader);
                                  if (!answer)
                                    return then(self, result<std::shared_ptr<const Reply>>(answer.failure()));
                                  auto reply = std::dynamic_pointer_cast<const Reply>(*answer);
                                  if (reply)
                                    then(self, result<std::shared_ptr<const Reply>>(std::move(reply)));
                                  else
                                    then(self, result<std::shared_ptr<const Reply>>(errc::unknown_message));
                                });
                              });
}

template <class Then>
void rtm_connection::later(std::chrono::milliseconds delay, Then then) {
  services_->fan->loop(loop_index_).after(delay, [fan = services_->fan, index = loop_index_, me = id(), then] {
    if (auto* reader = fan->on_loop(index).find(me)) then(static_cast<rtm_connection&>(*reader));
  });
}

}  // namespace throng
