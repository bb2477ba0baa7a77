// SPDX-License-Identifier: Apache-2.0
// SCENE: what all players of a run share: the nodes' doors, a workspace made for the run through the public API, its
// channels and people, the record, and whether the play is still on. One thread.
#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tools/throngverify/api_line.hpp"
#include "tools/throngverify/history.hpp"

namespace throng::verify {

using random_source = std::mt19937_64;

/// Independent of all others of the same seed, whatever these do.
random_source random_for(std::uint64_t seed, std::string_view what, std::uint64_t number);
/// REQUIRES: count > 0.
std::size_t pick_below(random_source& random, std::size_t count);
bool is_chance(random_source& random, double share);

struct node_door {
  std::string name;
  http_url client;
  std::string admin{};  // the admin port; empty if it isn't known
};

struct scene_channel {
  channel_id id;
  bool is_private = false;
  bool is_hot = false;
};

struct scene_person {
  user_id id;
  client_index client;
  std::string token;
  std::vector<std::size_t> channels{};  // that she believes to be in, by index
};

struct scene_plan {
  std::uint64_t seed = 1;
  std::size_t people = 60;
  std::size_t channels = 30;  // a third of them private
  std::size_t hot = 2;        // everybody is in these
  std::size_t members = 10;   // of each other one
};

/// What happened, for the report.
struct play_counts {
  std::uint64_t calls = 0, acknowledged = 0, refused = 0, unknown = 0;
  std::uint64_t posts = 0;  // acknowledged
  std::uint64_t deliveries = 0, gaps = 0;
  std::uint64_t sign_ins = 0, resumes = 0, fresh_starts = 0, failed_sign_ins = 0;
  std::uint64_t posts_given_up = 0;
  std::map<std::string, std::uint64_t> errors;  // codes, and why there was no answer
};

struct scene {
  scene(event_loop& on, recorder& into, scene_plan by) : loop(on), record(into), plan(by) {}

  event_loop& loop;
  recorder& record;
  const scene_plan plan;
  std::string admin_token;
  std::vector<node_door> nodes;
  std::vector<scene_channel> channels;
  std::vector<scene_person> people;
  team_id team;
  play_counts counts;
  std::function<void(const std::string&)> say = [](const std::string&) {};  // what goes on, for who waits
  bool is_over = false;                                                     // no more calls
  bool is_curtain = false;                                                  // sockets may end
  double calls_per_second = 200;
};

/// Makes the workspace on the scene's nodes. Errors: what a call was refused with.
task<result<>> set_the_scene(scene& of);

/// Calls until it is acknowledged or refused for good, each time at the next node, until the deadline. For what may be
/// done twice.
task<api_answer> call_patiently(scene& of, std::string method, std::string token, form_fields fields,
                                event_loop::time deadline);

/// The text at a path of an answer's JSON, "channel.id"; empty if there is none.
std::string text_at(const std::string& json, std::string_view path);

}  // namespace throng::verify
