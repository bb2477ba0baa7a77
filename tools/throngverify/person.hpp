// SPDX-License-Identifier: Apache-2.0
// PERSON: one user of the run, who does one thing after another by chance: posts (again under the same client_msg_id
// while the outcome is unknown), edits and deletes what she posted, joins, leaves, invites and kicks, types, changes
// her presence, and takes her devices away and back. Each call begins in the record before it leaves, and ends there.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "tools/throngverify/device.hpp"

namespace throng::verify {

class person {
 public:
  person(scene& of, std::size_t number);
  person(const person&) = delete;
  person& operator=(const person&) = delete;

  /// Acts until the scene is over; her devices live until the curtain.
  task<void> live();
  bool is_done() const { return is_done_; }

  /// Posts there as all posts are; when.
  task<std::optional<message_ts>> post_to(channel_id channel);
  /// All her devices watch some people's presence.
  void watch_anew();

  const std::vector<std::unique_ptr<device>>& devices() const { return devices_; }
  const scene_person& who() const { return scene_.people[number_]; }
  /// Chosen by hand, as far as it was acknowledged; none if the last choice has no known outcome.
  std::optional<bool> is_away_by_hand() const { return is_away_; }
  void note_away_by_hand(bool is_away) { is_away_ = is_away; }

 private:
  struct own_post {
    channel_id channel;
    message_ts ts;
  };

  task<void> act();
  task<void> post();
  task<void> edit();
  task<void> remove();
  task<void> join_or_leave();
  task<void> invite_or_kick();
  task<void> change_presence();
  task<void> look_back();
  void type();
  std::vector<user_id> choose_some();
  void leave_with_a_device();

  /// One try at her node; into the record. She turns to another node when there is no answer.
  task<api_answer> try_once(call what, std::string method, form_fields fields);
  task<api_answer> ask(std::string method, form_fields fields);
  /// That she believes to be in.
  std::vector<std::size_t>& channels() { return scene_.people[number_].channels; }
  std::optional<std::size_t> choose_channel();
  void note_refusal(channel_id channel, const std::string& error);
  void move_on();

  scene& scene_;
  const std::size_t number_;
  random_source random_;
  std::size_t node_;
  api_line line_;
  std::vector<std::unique_ptr<device>> devices_;
  std::deque<own_post> posts_;  // the newest
  std::optional<bool> is_away_ = false;
  bool is_done_ = false;
};

}  // namespace throng::verify
