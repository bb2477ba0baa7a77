// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/scene.hpp"

#include <algorithm>
#include <numeric>

#include "storage/json/json.hpp"

namespace throng::verify {

namespace {

constexpr std::chrono::seconds setting_patience{60};

/// Calls that people make all the time, and how often one person may, so that limits don't rule the run.
constexpr std::string_view unlimited[] = {
    "chat.postMessage",      "chat.update",          "chat.delete",         "conversations.join",
    "conversations.leave",   "conversations.invite", "conversations.kick",  "conversations.history",
    "conversations.members", "conversations.list",   "users.conversations", "users.setPresence",
    "users.getPresence",     "rtm.connect",          "rtm.start",
};

/// A call that has to work.
task<result<std::string>> need(scene& of, std::string method, std::string token, form_fields fields) {
  const auto deadline = event_loop::clock::now() + setting_patience;
  const auto answer = co_await call_patiently(of, method, std::move(token), std::move(fields), deadline);
  if (!answer.is_ok()) co_return error{errc::service_unavailable, method + ": " + answer.error};
  co_return answer.body;
}

task<result<>> make_people(scene& of, const std::string& team) {
  for (std::size_t i = 0; i < of.plan.people; ++i) {
    const auto name = "person-" + std::to_string(i);
    form_fields who{{"team_id", team}, {"email", name + "@verify.example"}, {"real_name", name}};
    auto invited = co_await need(of, "admin.users.invite", of.admin_token, std::move(who));
    if (!invited) co_return invited.failure();
    const auto id = text_at(*invited, "user_id");
    form_fields wanted{{"team_id", team}, {"user_id", id}, {"type", "user"}};
    auto issued = co_await need(of, "throng.tokens.issue", of.admin_token, std::move(wanted));
    if (!issued) co_return issued.failure();
    const auto user = parse_id<user_id>(id);
    if (!user) co_return error{errc::internal_error, "admin.users.invite answered no user"};
    of.people.push_back({*user, of.record.add_client(*user, name), text_at(*issued, "token")});
  }
  co_return done;
}

/// Who is in it: everybody if it is hot, else `members` of them by chance; never nobody.
std::vector<std::size_t> choose_members(const scene& of, random_source& random, bool is_hot) {
  std::vector<std::size_t> all(of.people.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::shuffle(all.begin(), all.end(), random);
  if (!is_hot) all.resize(std::clamp<std::size_t>(of.plan.members, 1, all.size()));
  return all;
}

/// The channel that everybody of a workspace is in.
task<result<>> find_general(scene& of) {
  form_fields fields{{"limit", "100"}};
  auto listed = co_await need(of, "conversations.list", of.people.front().token, std::move(fields));
  if (!listed) co_return listed.failure();
  const auto document = parse_json(*listed);
  if (!document) co_return error{errc::internal_error, "conversations.list answered no JSON"};
  document->root().find("channels").for_each_element([&](json_value each) {
    const auto id = parse_id<channel_id>(each.find("id").as_string().value_or(""));
    if (!id || !each.find("is_general").as_bool().value_or(false)) return;
    for (auto& person : of.people) person.channels.push_back(of.channels.size());
    of.channels.push_back({*id, false, true});
    of.record.channel_made(*id, false);
    for (const auto& person : of.people) of.record.member_added(*id, person.id);
  });
  co_return done;
}

task<result<>> make_channels(scene& of) {
  auto random = random_for(of.plan.seed, "channels", 0);
  for (auto i = of.channels.size(); i < of.plan.channels; ++i) {
    scene_channel made{{}, i % 3 == 2, i < of.plan.hot};
    const auto members = choose_members(of, random, made.is_hot);
    const auto& token = of.people[members.front()].token;
    form_fields named{{"name", "verify-" + std::to_string(i)}, {"is_private", made.is_private ? "true" : "false"}};
    auto created = co_await need(of, "conversations.create", token, std::move(named));
    if (!created) co_return created.failure();
    const auto id = text_at(*created, "channel.id");
    made.id = parse_id<channel_id>(id).value_or(channel_id{});
    of.record.channel_made(made.id, made.is_private);
    std::string users;
    for (std::size_t m = 0; m < members.size(); ++m) {
      auto& person = of.people[members[m]];
      if (m > 0) users += (users.empty() ? "" : ",") + to_text(person.id);
      person.channels.push_back(i);
      of.record.member_added(made.id, person.id);
    }
    of.channels.push_back(made);
    if (users.empty()) continue;
    form_fields whom{{"channel", id}, {"users", users}};
    auto invited = co_await need(of, "conversations.invite", token, std::move(whom));
    if (!invited) co_return invited.failure();
  }
  co_return done;
}

}  // namespace

random_source random_for(std::uint64_t seed, std::string_view what, std::uint64_t number) {
  std::seed_seq::result_type words[4] = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                                         static_cast<std::uint32_t>(std::hash<std::string_view>{}(what)),
                                         static_cast<std::uint32_t>(number)};
  std::seed_seq sequence(std::begin(words), std::end(words));
  return random_source(sequence);
}

std::size_t pick_below(random_source& random, std::size_t count) { return static_cast<std::size_t>(random() % count); }

bool is_chance(random_source& random, double share) { return static_cast<double>(random() >> 11) * 0x1p-53 < share; }

std::string text_at(const std::string& json, std::string_view path) {
  const auto document = parse_json(json, {.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000});
  if (!document) return {};
  auto value = document->root();
  while (!path.empty() && value) {
    const auto point = std::min(path.size(), path.find('.'));
    value = value.find(path.substr(0, point));
    path.remove_prefix(std::min(path.size(), point + 1));
  }
  return std::string(value.as_string().value_or(""));
}

task<api_answer> call_patiently(scene& of, std::string method, std::string token, form_fields fields,
                                event_loop::time deadline) {
  for (std::size_t turn = 0;; ++turn) {
    api_line line(of.loop, of.nodes[turn % of.nodes.size()].client);
    auto answer = co_await line.call(method, token, fields);
    const bool is_open = answer.how == api_answer::outcome::none ||
                         (!answer.is_ok() && (is_outcome_unknown(answer.error) || answer.error == "ratelimited"));
    if (!is_open || event_loop::clock::now() >= deadline) co_return answer;
    co_await of.loop.sleep_for(std::chrono::milliseconds(200));
  }
}

task<result<>> set_the_scene(scene& of) {
  // A workspace of its own in whatever cluster this is.
  std::random_device device;
  const auto domain = "verify-" + std::to_string(of.plan.seed % 1'000'000) + "-" + std::to_string(device());
  form_fields named{{"team_domain", domain}, {"team_name", "Verify"}};
  auto created = co_await need(of, "admin.teams.create", of.admin_token, std::move(named));
  if (!created) co_return created.failure();
  const auto team = text_at(*created, "team");
  of.team = parse_id<team_id>(team).value_or(team_id{});
  for (const auto& node : of.nodes)
    for (const auto method : unlimited) {
      api_line line(of.loop, node.client);
      form_fields rate{{"team_id", team}, {"method", std::string(method)}, {"limit", "1000000"}, {"window_s", "60"}};
      const auto answer = co_await line.call("throng.ratelimits.set", of.admin_token, std::move(rate));
      if (!answer.is_ok()) co_return error{errc::service_unavailable, "throng.ratelimits.set: " + answer.error};
    }
  auto people = co_await make_people(of, team);
  if (!people) co_return people.failure();
  auto general = co_await find_general(of);
  if (!general) co_return general.failure();
  co_return co_await make_channels(of);
}

}  // namespace throng::verify
