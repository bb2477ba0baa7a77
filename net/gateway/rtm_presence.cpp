// SPDX-License-Identifier: Apache-2.0
// Of an RTM connection: whose presence its client watches and asks for, and what it is told of that.
#include <algorithm>
#include <map>
#include <utility>

#include "net/gateway/detail/rtm_parts.hpp"
#include "net/render/event.hpp"

namespace throng {

void rtm_connection::on_census(entity_key bucket) {
  if (bucket == key_of(presence_bucket_of(user_))) announce_soon();
}

void rtm_connection::on_presence(const publication& published, const shared_frame& single) {
  const auto* event = dynamic_cast<const Event*>(published.event.get());
  if (!event || !event->has_presence() || phase_ != phase::open) return;
  const auto& change = event->presence();
  std::vector<user_id> mine;
  for (const auto user : change.users())
    if (contains_sorted(watched_, user_id{user})) mine.push_back({user});
  if (mine.empty()) return;
  if (queries_in_flight_)
    for (const auto user : mine) insert_sorted(changed_meanwhile_, user);
  if (single) return send_now(single, delivery::presence);
  const std::vector<user_id> nobody;
  show_presence(change.is_active() ? mine : nobody, change.is_active() ? nobody : mine);
}

void rtm_connection::watch(std::vector<user_id> users, bool tell_session) {
  const auto buckets_of = [](const std::vector<user_id>& people) {
    std::vector<std::uint64_t> buckets;
    for (const auto user : people) buckets.push_back(presence_bucket_of(user).value);
    std::sort(buckets.begin(), buckets.end());
    buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
    return buckets;
  };
  const auto own = presence_bucket_of(user_).value;
  const auto before = buckets_of(watched_);
  watched_ = std::move(users);
  watched_.shrink_to_fit();
  std::sort(watched_.begin(), watched_.end());
  const auto after = buckets_of(watched_);
  for (const auto bucket : before)
    if (bucket != own && !contains_sorted(after, bucket))
      fan().unsubscribe(slot_, key_of(bucket_id{bucket}), services_->entities.now());
  for (const auto bucket : after)
    if (!contains_sorted(before, bucket)) fan().subscribe(slot_, key_of(bucket_id{bucket}), team_);
  if (tell_session) {
    WatchPresenceRequest request;
    request.set_connection(id());
    for (const auto user : watched_) request.add_users(user.value);
    (void)services_->entities.tell(key_of(address_.session), share(std::move(request)));  // for a later resume only
  }
  query_presence(watched_);
}

void rtm_connection::query_presence(const std::vector<user_id>& users) {
  std::map<bucket_id, PresenceQuery> queries;
  for (const auto user : users) queries[presence_bucket_of(user)].add_users(user.value);
  for (auto& [bucket, query] : queries) {
    if (queries_in_flight_ == UINT16_MAX) return;
    ++queries_in_flight_;
    ask<PresenceReply>(key_of(bucket), std::move(query), [bucket = bucket](rtm_connection& self, auto outcome) {
      std::vector<user_id> active;
      std::vector<user_id> away;
      if (outcome)
        for (const auto& state : (*outcome)->states()) {
          const user_id user{state.user()};
          // A change that came meanwhile is newer than this answer may be.
          if (contains_sorted(self.changed_meanwhile_, user)) continue;
          (state.is_active() ? active : away).push_back(user);
        }
      if (--self.queries_in_flight_ == 0) self.changed_meanwhile_ = {};
      self.fan().note_presence(key_of(bucket), active, away);
      if (self.phase_ == phase::open) self.show_presence(active, away);
    });
  }
}

void rtm_connection::show_presence(const std::vector<user_id>& active, const std::vector<user_id>& away) {
  const auto show = [this](std::span<const user_id> users, bool is_active) {
    if (users.empty()) return;
    std::string json;
    render_presence(json, users, is_active);
    send_now(encode_text_frame(json), delivery::presence);
  };
  for (const auto* group : {&active, &away}) {
    if (wants_batches_)
      show(*group, group == &active);
    else
      for (const auto& user : *group) show(std::span(&user, 1), group == &active);
  }
}

}  // namespace throng
