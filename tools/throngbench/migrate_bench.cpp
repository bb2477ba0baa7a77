// SPDX-License-Identifier: Apache-2.0
// migrate: busy channels are moved from node to node, one after the other, while they are posted to without a break:
// how long the pause is that a poster sees. The yardstick is the longest time between two acknowledgements of a channel
// that was not moved, in the same spans of time. Or a node is drained, and all that lives there moves together: what is
// quiet, too.
#include <algorithm>
#include <array>
#include <iostream>
#include <map>

#include "storage/model/keyspace.hpp"
#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/cluster_stage.hpp"
#include "tools/throngbench/failover_figures.hpp"
#include "tools/throngbench/migrate_figures.hpp"
#include "tools/throngverify/cluster_view.hpp"

namespace throng {

using namespace std::chrono_literals;

namespace {

constexpr std::array options{
    option_spec{"--what", "KIND", "entity (a channel alone), slot (with all in it) or node (drained)", "entity"},
    option_spec{"--moves", "N", "of busy channels, in turn; or drains of a node", "10000"},
    option_spec{"--quiet", "N", "channels besides that nobody posts to", "0"},
    option_spec{"--nodes", "N", "of the cluster", "2"},
    option_spec{"--channels", "N", "that are posted to without a break, and moved in turn", "16"},
    option_spec{"--pause", "MS", "of each poster between an answer and its next post", "0"},
    option_spec{"--mysql", "SHARDSxSERVERS", "as tools/cluster has it", "1x1"},
};

constexpr auto rest_patience = 60s;
constexpr auto look_again = 2ms;

class migrate_play {
 public:
  migrate_play(std::string what, std::size_t moves, std::size_t quiet)
      : what_(std::move(what)), moves_(moves), quiet_(quiet) {}

  task<result<>> act(cluster_stage& stage) {
    auto made = co_await make_quiet_channels(stage.scene());
    if (!made) co_return made;
    if (what_ == "node") co_return co_await drain_nodes(stage);
    auto still = co_await stage.shell(0, "balance off");
    if (!still) co_return still.failure();
    co_return co_await move_channels(stage);
  }

  const std::vector<move_mark>& marks() const { return marks_; }
  /// Entities, of whatever kind.
  std::size_t moved() const { return moved_; }
  double seconds() const { return std::chrono::duration<double>(took_).count(); }

 private:
  /// They are active from then on; how long, says the configuration.
  task<result<>> make_quiet_channels(verify::scene& scene) {
    for (std::size_t i = 0; i < quiet_; ++i) {
      verify::form_fields fields{{"name", "quiet-" + std::to_string(i)}};
      const auto deadline = event_loop::clock::now() + rest_patience;
      const auto& token = scene.people[i % scene.people.size()].token;
      const auto answer = co_await verify::call_patiently(scene, "conversations.create", token, fields, deadline);
      if (!answer.is_ok()) co_return error{errc::service_unavailable, "conversations.create: " + answer.error};
    }
    co_return done;
  }

  task<result<>> move_channels(cluster_stage& stage) {
    auto& scene = stage.scene();
    auto rested = co_await verify::wait_for_rest(scene, rest_patience);
    if (!rested) co_return rested.failure();
    const auto owners = co_await stage.owners(0);
    std::map<std::string, std::size_t> at;  // the node of what is moved: two channels may share a slot
    std::vector<std::string> moved_as;
    for (std::size_t i = 0; i < scene.channels.size(); ++i) {
      const auto node = std::ranges::find(scene.nodes, owners[i], &verify::node_door::name);
      if (node == scene.nodes.end()) co_return error{errc::not_found, "a channel is at no node"};
      const auto key = key_of(scene.channels[i].id);
      moved_as.push_back(what_ == "slot" ? "slot:" + std::to_string(slot_of(key).value) : to_text(key));
      at[moved_as.back()] = static_cast<std::size_t>(node - scene.nodes.begin());
    }
    const auto count = scene.channels.size();
    const auto begun = event_loop::clock::now();
    for (std::size_t i = 0; i < moves_; ++i) {
      const auto& what = moved_as[i % count];
      auto& node = at[what];
      node = (node + 1) % scene.nodes.size();
      const auto id = scene.channels[i % count].id;
      auto other = (i + count / 2) % count;
      for (std::size_t tries = 0; moved_as[other] == what && tries < count; ++tries) other = (other + 1) % count;
      const move_mark mark{scene.record.fault_begun("migrate", what), id, scene.channels[other].id};
      // The node that is asked may not have heard yet that the move before is over.
      const auto order = "migrate " + what + " " + scene.nodes[node].name;
      auto ordered = co_await stage.shell(i % scene.nodes.size(), order);
      for (int tries = 0;
           !ordered && ordered.failure().detail.find("still under way") != std::string::npos && tries < 500; ++tries) {
        co_await scene.loop.sleep_for(look_again);
        ordered = co_await stage.shell(i % scene.nodes.size(), order);
      }
      if (!ordered) co_return ordered.failure();
      // The answer to the order comes when the table, or the pin, is written.
      if (!co_await stage.wait_until_at(0, i % count, scene.nodes[node].name, rest_patience))
        co_return error{errc::deadline_exceeded, what + " didn't get to " + scene.nodes[node].name};
      scene.record.fault_ended(mark.when);
      marks_.push_back(mark);
      ++moved_;
      if ((i + 1) % 1'000 == 0) std::cerr << "  " << i + 1 << " of " << moves_ << " moves" << std::endl;
    }
    took_ = event_loop::clock::now() - begun;
    auto lives = co_await come_to_rest(stage);
    if (!lives) co_return lives;
    const auto ended = co_await stage.owners(0);
    for (std::size_t i = 0; i < ended.size(); ++i)
      if (const auto& wanted = scene.nodes[at[moved_as[i]]].name; ended[i] != wanted)
        co_return error{errc::internal_error, moved_as[i] + " is at " + ended[i] + " instead of " + wanted};
    co_return done;
  }

  task<result<>> drain_nodes(cluster_stage& stage) {
    auto& scene = stage.scene();
    for (std::size_t i = 0; i < moves_; ++i) {
      auto rested = co_await verify::wait_for_rest(scene, rest_patience);
      if (!rested) co_return rested.failure();
      const auto& name = scene.nodes[i % scene.nodes.size()].name;
      const auto asked = (i + 1) % scene.nodes.size();  // another one
      const auto before = co_await verify::look_at_cluster(scene, asked);
      if (!before) co_return error{errc::service_unavailable, "nodes: no answer"};
      const auto homes = co_await stage.owners(asked);
      const auto begun = event_loop::clock::now();
      const auto fault = scene.record.fault_begun("drain", name);
      auto ordered = co_await stage.shell(asked, "drain " + name);
      if (!ordered) co_return ordered.failure();
      while (!co_await is_empty(scene, asked, name)) {
        if (event_loop::clock::now() - begun > rest_patience)
          co_return error{errc::deadline_exceeded, name + " is not empty"};
        co_await scene.loop.sleep_for(look_again);
      }
      took_ += event_loop::clock::now() - begun;
      scene.record.fault_ended(fault);
      for (const auto& each : before->members)
        if (each.name == name) moved_ += static_cast<std::size_t>(each.entities);
      const auto stays = static_cast<std::size_t>(
          std::ranges::find_if(homes, [&](const auto& at) { return at != name; }) - homes.begin());
      for (std::size_t c = 0; c < homes.size() && stays < homes.size(); ++c)
        if (homes[c] == name) marks_.push_back({fault, scene.channels[c].id, scene.channels[stays].id});
      ordered = co_await stage.shell(asked, "undrain " + name);
      if (!ordered) co_return ordered.failure();
      std::cerr << "  " << i + 1 << " of " << moves_ << " drains" << std::endl;
    }
    co_return co_await come_to_rest(stage);
  }

  static task<bool> is_empty(verify::scene& scene, std::size_t asked, std::string name) {
    const auto view = co_await verify::look_at_cluster(scene, asked);
    if (!view) co_return false;
    bool is_so = false;
    for (const auto& each : view->members) {
      if (each.moving > 0) co_return false;
      is_so |= each.name == name && each.slots == 0;
    }
    co_return is_so;
  }

  static task<result<>> come_to_rest(cluster_stage& stage) {
    auto rested = co_await verify::wait_for_rest(stage.scene(), rest_patience);
    if (!rested) co_return rested.failure();
    co_return co_await stage.wait_for_signs_of_life(30s);
  }

  const std::string what_;
  const std::size_t moves_;
  const std::size_t quiet_;
  std::size_t moved_ = 0;
  std::vector<move_mark> marks_;
  event_loop::clock::duration took_{};
};

}  // namespace

std::span<const option_spec> migrate_options() { return options; }

result<bench_report> run_migrate_bench(const command_line& line) {
  bench_report report;
  report.bench = "migrate";
  const auto& what = line.text("--what");
  if (what != "slot" && what != "entity" && what != "node")
    return error{errc::invalid_arguments, "--what is entity, slot or node"};
  number_reader number(line, report.params);
  stage_plan plan;
  const auto moves = number("--moves", 1, 1'000'000);
  const auto quiet = number("--quiet", 0, 100'000);
  plan.nodes = number("--nodes", 2, 9);
  plan.channels = number("--channels", 2, 100);
  plan.pause = std::chrono::milliseconds(number("--pause", 0, 10'000));
  plan.mysql = line.text("--mysql");
  if (!number.outcome()) return number.outcome().failure();

  cluster_stage stage(plan);
  migrate_play play(what, moves, quiet);
  auto outcome = stage.play([&](cluster_stage& on) { return play.act(on); });
  if (!outcome) return outcome.failure();

  const auto seen = stage.take_history();
  const auto samples = move_samples_of(seen, play.marks());
  const auto moved = static_cast<double>(play.moved());
  report.measured.set(what == "node" ? "entities_moved" : "moves", moved);
  report.measured.set(what == "node" ? "entities_per_s" : "moves_per_s", moved / play.seconds());
  const auto note = [](figures& into, const std::vector<double>& values) {
    into.set("pause_p50_ms", percentile(values, 0.5));
    into.set("pause_p99_ms", percentile(values, 0.99));
    into.set("pause_max_ms", percentile(values, 1));
  };
  note(report.measured, samples.pause_ms);
  judge(seen, report, report.measured);
  note(report.yardstick, samples.bystander_ms);
  const auto still = percentile(samples.bystander_ms, 0.99);
  report.ratio = still > 0 ? percentile(samples.pause_ms, 0.99) / still : 0;
  report.ratio_says = "p99 of the longest time between two acknowledgements; lower is better";
  report.yardstick_says = "a channel that was not moved, in the same spans of time";
  report.notes.push_back("What was moved: " + what + ".");
  report.notes.push_back("A pause has the time of a post in it: posters wait for each answer before they go on.");
  return report;
}

}  // namespace throng
