// SPDX-License-Identifier: Apache-2.0
// migrate: busy channels are moved from node to node, one after the other, while they are posted to without a break:
// how long the pause is that a poster sees. The yardstick is the longest time between two acknowledgements of a channel
// that was not moved, in the same spans of time.
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
    option_spec{"--moves", "N", "of busy channels, in all", "10000"},
    option_spec{"--what", "KIND", "slot (with all that lives in it) or entity (alone)", "slot"},
    option_spec{"--nodes", "N", "of the cluster", "2"},
    option_spec{"--channels", "N", "that are posted to without a break, and moved in turn", "16"},
    option_spec{"--pause", "MS", "of each poster between an answer and its next post", "0"},
    option_spec{"--mysql", "SHARDSxSERVERS", "as tools/cluster has it", "1x1"},
};

constexpr auto rest_patience = 60s;

class migrate_play {
 public:
  migrate_play(std::size_t moves, bool moves_slots) : moves_(moves), moves_slots_(moves_slots) {}

  task<result<>> act(cluster_stage& stage) {
    auto& scene = stage.scene();
    auto still = co_await stage.shell(0, "balance off");
    if (!still) co_return still.failure();
    auto rested = co_await verify::wait_for_rest(scene, rest_patience);
    if (!rested) co_return rested.failure();
    const auto owners = co_await stage.owners(0);
    std::map<std::string, std::size_t> at;  // the node of what is moved: two channels may share a slot
    std::vector<std::string> moved_as;
    for (std::size_t i = 0; i < scene.channels.size(); ++i) {
      const auto node = std::ranges::find(scene.nodes, owners[i], &verify::node_door::name);
      if (node == scene.nodes.end()) co_return error{errc::not_found, "a channel is at no node"};
      const auto key = key_of(scene.channels[i].id);
      moved_as.push_back(moves_slots_ ? "slot:" + std::to_string(slot_of(key).value) : to_text(key));
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
      auto moved = co_await stage.shell(i % scene.nodes.size(), order);
      for (int tries = 0; !moved && moved.failure().detail.find("still under way") != std::string::npos && tries < 500;
           ++tries) {
        co_await scene.loop.sleep_for(2ms);
        moved = co_await stage.shell(i % scene.nodes.size(), order);
      }
      if (!moved) co_return moved.failure();
      // The answer to the order comes when the table, or the pin, is written.
      if (!co_await stage.wait_until_at(0, i % count, scene.nodes[node].name, rest_patience))
        co_return error{errc::deadline_exceeded, what + " didn't get to " + scene.nodes[node].name};
      scene.record.fault_ended(mark.when);
      marks_.push_back(mark);
      if ((i + 1) % 1'000 == 0) std::cerr << "  " << i + 1 << " of " << moves_ << " moves" << std::endl;
    }
    took_ = event_loop::clock::now() - begun;
    rested = co_await verify::wait_for_rest(scene, rest_patience);
    if (!rested) co_return rested.failure();
    if (!co_await stage.wait_for_signs_of_life(30s))
      co_return error{errc::deadline_exceeded, "not all channels live after the moves"};
    const auto ended = co_await stage.owners(0);
    for (std::size_t i = 0; i < ended.size(); ++i)
      if (const auto& wanted = scene.nodes[at[moved_as[i]]].name; ended[i] != wanted)
        co_return error{errc::internal_error, moved_as[i] + " is at " + ended[i] + " instead of " + wanted};
    co_return done;
  }

  const std::vector<move_mark>& marks() const { return marks_; }
  double seconds() const { return std::chrono::duration<double>(took_).count(); }

 private:
  const std::size_t moves_;
  const bool moves_slots_;
  std::vector<move_mark> marks_;
  event_loop::clock::duration took_{};
};

}  // namespace

std::span<const option_spec> migrate_options() { return options; }

result<bench_report> run_migrate_bench(const command_line& line) {
  bench_report report;
  report.bench = "migrate";
  const auto& what = line.text("--what");
  if (what != "slot" && what != "entity") return error{errc::invalid_arguments, "--what is slot or entity"};
  number_reader number(line, report.params);
  stage_plan plan;
  const auto moves = number("--moves", 1, 1'000'000);
  plan.nodes = number("--nodes", 2, 9);
  plan.channels = number("--channels", 2, 100);
  plan.pause = std::chrono::milliseconds(number("--pause", 0, 10'000));
  plan.mysql = line.text("--mysql");
  if (!number.outcome()) return number.outcome().failure();

  cluster_stage stage(plan);
  migrate_play play(moves, what == "slot");
  auto outcome = stage.play([&](cluster_stage& on) { return play.act(on); });
  if (!outcome) return outcome.failure();

  const auto seen = stage.take_history();
  const auto samples = move_samples_of(seen, play.marks());
  report.measured.set("moves", static_cast<double>(play.marks().size()));
  report.measured.set("moves_per_s", static_cast<double>(play.marks().size()) / play.seconds());
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
  report.notes.push_back("A pause has the time of a post in it: posters wait for each answer before they go on.");
  return report;
}

}  // namespace throng
