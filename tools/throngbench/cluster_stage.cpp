// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/cluster_stage.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tools/throngverify/cluster_view.hpp"
#include "tools/throngverify/final_reads.hpp"

namespace throng {

using namespace std::chrono_literals;
using verify::api_answer;

namespace {

constexpr auto up_patience = 240s;
constexpr auto down_patience = 120s;
constexpr auto rest_patience = 90s;
constexpr auto post_patience = 60s;    // then that post is given up, and its outcome unknown
constexpr auto settle_patience = 30s;  // for the last posts to reach all listeners
constexpr auto read_patience = 120s;
constexpr auto retry_pause = 5ms;
constexpr auto look_again = 2ms;

std::atomic<bool> is_interrupted{false};

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }

}  // namespace

cluster_stage::cluster_stage(const stage_plan& plan)
    : plan_(plan),
      record_({}),
      newest_(plan.channels),
      sign_(plan.channels),
      asked_(plan.channels),
      comes_home_(plan.channels),
      scene_(loop_, record_,
             {.people = 2 * plan.nodes, .channels = plan.channels, .hot = plan.channels, .members = 2 * plan.nodes}) {}

cluster_stage::~cluster_stage() = default;

result<> cluster_stage::play(const std::function<task<result<>>(cluster_stage&)>& act) {
  result<> outcome = trouble("interrupted");
  bool is_over = false;
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) std::signal(each, [](int) { is_interrupted = true; });
  const auto go = [&]() -> task<void> {
    outcome = co_await open();
    if (outcome) outcome = co_await act(*this);
    if (outcome) outcome = co_await end();
    is_over = true;
  };
  try {
    spawn(go());
    loop_.run_until([&] { return is_over || is_interrupted; });
  } catch (const std::exception& failure) {
    outcome = error{errc::internal_error, failure.what()};
  }
  scene_.is_over = scene_.is_curtain = true;
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) std::signal(each, SIG_DFL);  // who is in a hurry says it again
  take_down();
  return outcome;
}

task<result<>> cluster_stage::open() {
  auto folder = (std::filesystem::temp_directory_path() / "throngbench-XXXXXX").string();
  if (!::mkdtemp(folder.data())) co_return trouble("can't make " + folder);
  folder_ = folder;
  auto paths = verify::paths_beside();
  paths.data = folder;
  script_ = std::make_unique<verify::cluster_script>(loop_, std::move(paths));
  std::vector<std::string> words{"up", std::to_string(plan_.nodes), "--mysql", plan_.mysql};
  auto said = co_await script_->run(std::move(words), up_patience);
  if (!said) co_return said.failure();
  scene_.nodes = verify::parse_doors(*said);
  scene_.admin_token = script_->admin_token();
  if (scene_.nodes.size() != plan_.nodes) co_return trouble("tools/cluster up didn't say where the nodes are");
  auto rested = co_await verify::wait_for_rest(scene_, rest_patience);
  if (!rested) co_return rested.failure();
  auto set = co_await verify::set_the_scene(scene_);
  if (!set) co_return set.failure();
  for (std::size_t i = 0; i < scene_.people.size(); ++i) {
    listeners_.push_back(std::make_unique<verify::device>(scene_, i, 0, i % scene_.nodes.size()));
    spawn(listeners_.back()->live());
  }
  for (std::size_t i = 0; i < scene_.channels.size(); ++i) spawn(post_on(i));
  co_return co_await wait_for_signs_of_life(60s);
}

/// What was posted is still heard, and then read by all nodes.
task<result<>> cluster_stage::end() {
  scene_.is_over = true;
  const auto deadline = event_loop::clock::now() + post_patience + settle_patience;
  const auto all_heard = [this] {
    if (posters_ > 0) return false;
    for (const auto& each : listeners_)
      for (std::size_t i = 0; i < scene_.channels.size(); ++i)
        if (!each->is_ready() || !each->has_seen(scene_.channels[i].id, newest_[i])) return false;
    return true;
  };
  while (!all_heard() && event_loop::clock::now() < deadline) co_await loop_.sleep_for(20ms);
  record_.settled();
  std::vector<std::string> findings;
  co_await verify::read_everything(scene_, findings, event_loop::clock::now() + read_patience);
  if (!findings.empty()) co_return trouble(findings.front());
  co_return done;
}

task<void> cluster_stage::post_on(std::size_t channel) {
  ++posters_;
  const auto& author = scene_.people[channel % scene_.people.size()];
  auto& node = asked_[channel];
  const auto home = channel % scene_.nodes.size();
  node = home;
  verify::api_line line(loop_, scene_.nodes[node].client);
  const auto turn_to = [&](std::size_t next) {
    node = next;
    line.turn_to(scene_.nodes[node].client);
  };
  const auto turn = [&] { turn_to((node + 1) % scene_.nodes.size()); };
  while (!scene_.is_over) {
    verify::call what{verify::happening::post, author.client, scene_.channels[channel].id, record_.new_op()};
    what.has_client_msg_id = true;
    const auto signs = wanted_signs_;
    const auto deadline = event_loop::clock::now() + post_patience;
    while (event_loop::clock::now() < deadline) {
      if (node == shunned_) turn();
      if (node != home && shunned_ != home && comes_home_[channel]) turn_to(home);
      comes_home_[channel] = false;
      what.node = scene_.nodes[node].name;
      record_.invoked(what);
      verify::form_fields fields{
          {"channel", to_text(what.channel)}, {"text", to_text(what.op)}, {"client_msg_id", to_text(what.op)}};
      const auto answer = co_await line.call("chat.postMessage", author.token, std::move(fields));
      if (answer.is_ok()) {
        const auto ts = parse_ts(verify::text_at(answer.body, "ts")).value_or(message_ts{});
        record_.acknowledged(what, ts);
        newest_[channel] = std::max(newest_[channel], ts);
        if (signs == wanted_signs_ && sign_[channel] == message_ts{}) sign_[channel] = ts;
        break;
      }
      if (answer.how == api_answer::outcome::refused) {
        record_.refused(what, answer.error);
      } else {
        record_.unknown(what, answer.error);
        turn();
      }
      co_await loop_.sleep_for(retry_pause);
    }
    co_await loop_.sleep_for(plan_.pause);
  }
  --posters_;
}

task<void> cluster_stage::shun(std::optional<std::size_t> node) {
  shunned_ = node;
  if (!node) comes_home_.assign(comes_home_.size(), true);
  while (node && std::ranges::find(asked_, *node) != asked_.end()) co_await loop_.sleep_for(5ms);
}

task<result<>> cluster_stage::wait_for_signs_of_life(std::chrono::seconds patience, std::optional<std::size_t> except) {
  ++wanted_signs_;
  sign_.assign(sign_.size(), {});
  const auto deadline = event_loop::clock::now() + patience;
  const auto silence = [&]() -> std::string {
    for (std::size_t i = 0; i < scene_.channels.size(); ++i) {
      const auto channel = to_text(scene_.channels[i].id);
      if (sign_[i] == message_ts{}) return channel + " acknowledges nothing at " + scene_.nodes[asked_[i]].name;
      for (const auto& each : listeners_)
        if (each->node() != except && (!each->is_ready() || !each->has_seen(scene_.channels[i].id, sign_[i])))
          return channel + " isn't heard at " + scene_.nodes[each->node()].name;
    }
    return {};
  };
  for (;;) {
    auto said = silence();
    if (said.empty()) co_return done;
    if (event_loop::clock::now() > deadline) co_return error{errc::deadline_exceeded, std::move(said)};
    co_await loop_.sleep_for(10ms);
  }
}

int cluster_stage::process_of(std::size_t node) const {
  std::ifstream file(std::filesystem::path(folder_) / "units" / scene_.nodes[node].name / "pid");
  int process = -1;
  file >> process;
  return file ? process : -1;
}

task<result<std::string>> cluster_stage::shell(std::size_t node, std::string line) {
  const auto admin = parse_http_url(scene_.nodes[node].admin);
  if (!admin) co_return trouble("no admin port of " + scene_.nodes[node].name);
  verify::api_line to(loop_, *admin);
  const auto answer = co_await to.shell(line, scene_.admin_token);
  if (!answer.is_ok()) co_return trouble(line + ": " + answer.error + " " + verify::text_at(answer.body, "detail"));
  co_return answer.body;
}

task<std::vector<std::string>> cluster_stage::owners(std::size_t node) {
  std::vector<std::string> all;
  for (const auto& each : scene_.channels) {
    const auto said = co_await shell(node, "find " + to_text(each.id));
    all.push_back(said ? verify::home_in(*said) : std::string());
  }
  co_return all;
}

task<bool> cluster_stage::wait_until_at(std::size_t node, std::size_t channel, std::string home,
                                        std::chrono::milliseconds patience) {
  const auto deadline = event_loop::clock::now() + patience;
  while (event_loop::clock::now() < deadline) {
    const auto said = co_await shell(node, "find " + to_text(scene_.channels[channel].id));
    if (said && verify::runs_at(*said, home)) co_return true;
    co_await loop_.sleep_for(look_again);
  }
  co_return false;
}

void cluster_stage::take_down() {
  if (!script_) return;
  bool is_down = false;
  const auto go = [&]() -> task<void> {
    std::vector<std::string> words{"down"};
    auto said = co_await script_->run(std::move(words), down_patience);
    if (!said) std::cerr << said.failure().detail << std::endl;
    is_down = true;
  };
  try {
    spawn(go());
    loop_.run_until([&] { return is_down; });
  } catch (const std::exception& failure) {
    std::cerr << "tools/cluster down: " << failure.what() << std::endl;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void judge(const verify::history& seen, bench_report& report, figures& into) {
  const auto verdict = verify::check(seen);
  const auto count = [&](verify::rule which) { return static_cast<double>(verdict[which].violation_count); };
  const auto posts = verdict.figures.calls.find("post");
  into.set("posts", posts == verdict.figures.calls.end() ? 0 : static_cast<double>(posts->second.acknowledged));
  into.set("lost_or_doubled", count(verify::rule::posts) + count(verify::rule::delivery));
  into.set("out_of_order", count(verify::rule::order) + count(verify::rule::positions) + count(verify::rule::writers));
  for (const auto& each : verdict.rules)
    for (const auto& one : each.violations)
      report.notes.push_back(std::string(to_string(each.which)) + ": " + one.what);
}

}  // namespace throng
