// SPDX-License-Identifier: Apache-2.0
// failover: a cluster whose nodes are killed, paused or cut off one after the other, under posts: how long until a
// channel of theirs acknowledges a post that was made after that, and until each client elsewhere hears one, passive
// ones too. The yardstick is what the channels of the other nodes do at the same moments.
#include <array>
#include <csignal>
#include <iostream>

#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/cluster_stage.hpp"
#include "tools/throngbench/failover_figures.hpp"
#include "tools/throngverify/cluster_view.hpp"

namespace throng {

using namespace std::chrono_literals;

namespace {

constexpr std::array options{
    option_spec{"--fault", "KIND", "kill (-9), pause (SIGSTOP) or cut (from all other nodes)", "kill"},
    option_spec{"--times", "N", "that one is hit", "30"},
    option_spec{"--nodes", "N", "of the cluster", "3"},
    option_spec{"--channels", "N", "that are posted to all the time", "16"},
    option_spec{"--mysql", "SHARDSxSERVERS", "as tools/cluster has it", "1x1"},
};

constexpr auto verb_patience = 120s;
constexpr auto rest_patience = 90s;
constexpr auto life_patience = 30s;

enum class fault_t { kill, pause, cut };

class failover_play {
 public:
  failover_play(fault_t kind, std::size_t times) : kind_(kind), times_(times) {}

  task<result<>> act(cluster_stage& stage) {
    for (std::size_t i = 0; i < times_; ++i) {
      // Rest first: what is measured is one fault, not two.
      auto rested = co_await verify::wait_for_rest(stage.scene(), rest_patience);
      if (!rested) co_return rested.failure();
      const auto victim = i % stage.scene().nodes.size();
      const auto witness = (victim + 1) % stage.scene().nodes.size();
      const auto& name = stage.scene().nodes[victim].name;
      const auto owners = co_await stage.owners(witness);
      fault_mark mark{{}, name, {}};
      for (std::size_t at = 0; at < owners.size(); ++at)
        if (owners[at] == name) mark.owned.push_back(stage.scene().channels[at].id);
      const auto process = stage.process_of(victim);
      if (process <= 0) co_return error{errc::service_unavailable, name + " doesn't run"};

      // Who has asked a node that is paused or cut off waits for it; what is measured is what all others see.
      if (kind_ != fault_t::kill) co_await stage.shun(victim);
      auto hit = co_await begin(stage, name, process, mark);
      if (!hit) co_return hit.failure();
      marks_.push_back(mark);
      const auto alive = co_await stage.wait_for_signs_of_life(
          life_patience, kind_ == fault_t::kill ? std::nullopt : std::optional(victim));
      auto healed = co_await end(stage, name, process);
      if (!healed) co_return healed.failure();
      stage.scene().record.fault_ended(mark.fault);
      co_await stage.shun({});
      if (!alive) co_return error{alive.failure().code, "after the loss of " + name + ": " + alive.failure().detail};
      std::cerr << "  " << i + 1 << " of " << times_ << ": " << name << ", which had " << mark.owned.size()
                << " of the channels" << std::endl;
    }
    co_return done;
  }

  const std::vector<fault_mark>& marks() const { return marks_; }

 private:
  task<result<>> begin(cluster_stage& stage, const std::string& name, int process, fault_mark& mark) {
    const char* kinds[] = {"kill", "pause", "cut"};
    if (kind_ == fault_t::cut) {  // in force when the script says so: what is posted before that may pass
      std::vector<std::string> words{"cut", name};
      auto said = co_await stage.script().run(std::move(words), verb_patience);
      if (!said) co_return said.failure();
    }
    mark.fault = stage.scene().record.fault_begun(kinds[static_cast<int>(kind_)], name);
    if (kind_ != fault_t::cut) ::kill(process, kind_ == fault_t::kill ? SIGKILL : SIGSTOP);
    co_return done;
  }

  task<result<>> end(cluster_stage& stage, const std::string& name, int process) {
    if (kind_ == fault_t::pause) {
      ::kill(process, SIGCONT);
      co_return done;
    }
    std::vector<std::string> words{kind_ == fault_t::kill ? "start" : "heal", name};
    auto said = co_await stage.script().run(std::move(words), verb_patience);
    if (!said) co_return said.failure();
    co_return done;
  }

  const fault_t kind_;
  const std::size_t times_;
  std::vector<fault_mark> marks_;
};

void note(figures& into, const std::string& name, const std::vector<double>& values) {
  into.set(name + "_p50_ms", percentile(values, 0.5));
  into.set(name + "_p99_ms", percentile(values, 0.99));
  into.set(name + "_max_ms", percentile(values, 1));
}

}  // namespace

std::span<const option_spec> failover_options() { return options; }

result<bench_report> run_failover_bench(const command_line& line) {
  bench_report report;
  report.bench = "failover";
  const auto& kind = line.text("--fault");
  if (kind != "kill" && kind != "pause" && kind != "cut")
    return error{errc::invalid_arguments, "--fault is kill, pause or cut"};
  number_reader number(line, report.params);
  stage_plan plan;
  const auto times = number("--times", 1, 10'000);
  plan.nodes = number("--nodes", 2, 9);
  plan.channels = number("--channels", 1, 100);
  plan.mysql = line.text("--mysql");
  if (!number.outcome()) return number.outcome().failure();

  cluster_stage stage(plan);
  failover_play play(kind == "kill" ? fault_t::kill : kind == "pause" ? fault_t::pause : fault_t::cut, times);
  auto outcome = stage.play([&](cluster_stage& on) { return play.act(on); });
  if (!outcome) return outcome.failure();

  const auto seen = stage.take_history();
  const auto samples = failover_samples_of(seen, play.marks());
  report.measured.set("faults", static_cast<double>(play.marks().size()));
  report.measured.set("channels_hit", static_cast<double>(samples.ack_ms.size()));
  note(report.measured, "next_ack", samples.ack_ms);
  note(report.measured, "next_delivery", samples.delivery_ms);
  report.measured.set("never", static_cast<double>(samples.never));
  report.measured.set("listeners_dropped", static_cast<double>(samples.dropped));
  judge(seen, report, report.measured);
  note(report.yardstick, "next_ack", samples.other_ack_ms);
  note(report.yardstick, "next_delivery", samples.other_delivery_ms);
  const auto bystanders = percentile(samples.other_ack_ms, 0.99);
  report.ratio = bystanders > 0 ? percentile(samples.ack_ms, 0.99) / bystanders : 0;
  report.ratio_says = "p99 of the time to the next acknowledgement; lower is better";
  report.yardstick_says =
      "the other nodes' channels at the same moments; of them too only posts made after the fault count";
  report.notes.push_back(
      "Of the listeners those on the other nodes count, of posters too unless it is a kill. The fault was: " +
      std::string(kind) + ".");
  return report;
}

}  // namespace throng
