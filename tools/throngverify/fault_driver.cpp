// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/fault_driver.hpp"

#include <cstdio>

#include "tools/throngverify/cluster_view.hpp"
#include "tools/throngverify/mover.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto verb_patience = 90s;
constexpr auto calm_least = 500ms;

/// "-80", "80-": of even ranges, as tools/cluster names them.
std::string shard_name(std::size_t index, std::size_t count) {
  const auto edge = [count](std::size_t at) {
    char text[8] = "";
    if (at != 0 && at != count) std::snprintf(text, sizeof text, "%02x", static_cast<unsigned>(at * 256 / count));
    return std::string(text);
  };
  return edge(index) + "-" + edge(index + 1);
}

}  // namespace

task<void> fault_driver::run(std::vector<planned_fault> plan) {
  const auto begun = event_loop::clock::now();
  for (const auto& each : plan) {
    // One that is late makes the next one later, unless these two are to meet.
    co_await scene_.loop.sleep_until(begun + each.begin);
    while (under_way_ > 0 && !each.overlaps) co_await scene_.loop.sleep_for(calm_least);
    if (scene_.is_over) break;
    spawn(carry_out(each));
  }
  while (under_way_ > 0) co_await scene_.loop.sleep_for(50ms);
  is_done_ = true;
}

task<void> fault_driver::carry_out(planned_fault fault) {
  ++under_way_;
  ++begun_;
  const auto node = choose(fault.dice);
  const bool needs_node = fault.kind == fault_kind::kill || fault.kind == fault_kind::pause ||
                          fault.kind == fault_kind::cut || fault.kind == fault_kind::drain ||
                          fault.kind == fault_kind::empty;
  if (needs_node && !node) {
    --under_way_;  // too few are well
    co_return;
  }
  switch (fault.kind) {
    case fault_kind::kill:
      co_await away(fault, *node, "kill");
      break;
    case fault_kind::pause:
      co_await pause(fault, *node);
      break;
    case fault_kind::cut:
      co_await cut(fault, *node);
      break;
    case fault_kind::drain:
      if (fault.dice % 4 == 0 && hit_.empty())
        co_await roll(fault);
      else
        co_await away(fault, *node, "stop");
      break;
    case fault_kind::leader:
      co_await leader(fault);
      break;
    case fault_kind::consul:
      co_await consul(fault);
      break;
    case fault_kind::db:
      co_await database(fault);
      break;
    case fault_kind::migrate:
      co_await migrate(fault);
      break;
    case fault_kind::empty:
      co_await empty(fault, *node);
      break;
  }
  --under_way_;
}

task<bool> fault_driver::tell(std::vector<std::string> words) {
  auto said = co_await script_.run(std::move(words), verb_patience);
  if (!said) troubles_.push_back(said.failure().detail);
  co_return said.ok();
}

fault_index fault_driver::begin(const planned_fault& fault, std::string target) {
  ++counts_[static_cast<std::size_t>(fault.kind)];
  return scene_.record.fault_begun(to_text(fault.kind), target);
}

std::optional<std::size_t> fault_driver::choose(std::uint64_t dice) const {
  const auto left = well();
  if (left.size() < 2) return std::nullopt;  // somebody must stay
  return left[dice / 16 % left.size()];
}

fault_driver::nodes fault_driver::well() const {
  nodes all;
  for (std::size_t i = 0; i < scene_.nodes.size(); ++i)
    if (!hit_.contains(i)) all.push_back(i);
  return all;
}

task<void> fault_driver::bring_back(std::size_t node) {
  std::vector<std::string> words{"start", scene_.nodes[node].name};
  co_await tell(std::move(words));
}

task<void> fault_driver::away(planned_fault fault, std::size_t node, std::string verb) {
  hit_.insert(node);
  const auto& name = scene_.nodes[node].name;
  const auto index = begin(fault, name);
  std::vector<std::string> words{verb, name};
  co_await tell(std::move(words));
  co_await scene_.loop.sleep_for(fault.lasts);
  co_await bring_back(node);
  scene_.record.fault_ended(index);
  hit_.erase(node);
}

task<void> fault_driver::pause(planned_fault fault, std::size_t node) {
  hit_.insert(node);
  const auto& name = scene_.nodes[node].name;
  const auto index = begin(fault, name);
  std::vector<std::string> stop{"pause", name}, go_on{"resume", name};
  co_await tell(std::move(stop));
  co_await scene_.loop.sleep_for(fault.lasts);
  co_await tell(std::move(go_on));
  scene_.record.fault_ended(index);
  hit_.erase(node);
}

task<void> fault_driver::cut(planned_fault fault, std::size_t node) {
  hit_.insert(node);
  const auto& name = scene_.nodes[node].name;
  std::vector<std::string> cut_it{"cut", name}, heal{"heal", name};
  std::string target = name;
  const auto variant = fault.dice % 4;
  if (variant == 0) {  // from one other node
    const auto other = choose(fault.dice >> 8).value_or((node + 1) % scene_.nodes.size());
    cut_it.push_back(scene_.nodes[other].name);
    heal.push_back(scene_.nodes[other].name);
    target += " and " + scene_.nodes[other].name;
  } else if (variant == 1) {  // from Consul
    cut_it.push_back("consul");
    heal.push_back("consul");
    target += " and consul";
  } else {
    target += " and all nodes";
  }
  if (fault.dice >> 32 & 1) {
    cut_it.push_back("--reset");
    target += ", reset";
  }
  const auto index = begin(fault, target);
  co_await tell(std::move(cut_it));
  co_await scene_.loop.sleep_for(fault.lasts);
  co_await tell(std::move(heal));
  scene_.record.fault_ended(index);
  hit_.erase(node);
}

/// All nodes, one after the other, as when a new version is brought in.
task<void> fault_driver::roll(planned_fault fault) {
  for (std::size_t i = 0; i < scene_.nodes.size() && !scene_.is_over; ++i) {
    fault.lasts = {};
    while (hit_.contains(i)) co_await scene_.loop.sleep_for(50ms);  // by a fault that overlaps
    co_await away(fault, i, "stop");
  }
}

task<void> fault_driver::leader(planned_fault fault) {
  for (std::size_t i = 0; i < scene_.nodes.size(); ++i) {
    if (hit_.contains(i)) continue;
    const auto view = co_await look_at_cluster(scene_, i);
    if (!view || view->coordinator.empty()) continue;
    for (std::size_t node = 0; node < scene_.nodes.size(); ++node) {
      if (scene_.nodes[node].name != view->coordinator || hit_.contains(node)) continue;
      if (fault.dice % 2 == 0)
        co_await away(fault, node, "kill");
      else
        co_await pause(fault, node);
      co_return;
    }
  }
}

task<void> fault_driver::consul(planned_fault fault) {
  const bool is_empty = fault.dice % 2 == 0;
  const auto index = begin(fault, is_empty ? "away, then empty" : "away");
  std::vector<std::string> stop{"consul", "stop"}, start{"consul", "start"};
  if (is_empty) start.push_back("--empty");
  co_await tell(std::move(stop));
  co_await scene_.loop.sleep_for(fault.lasts);
  co_await tell(std::move(start));
  scene_.record.fault_ended(index);
}

task<void> fault_driver::database(planned_fault fault) {
  const auto shard = shard_name(fault.dice % shards_, shards_);
  const auto index = begin(fault, "the primary of " + shard);
  std::vector<std::string> words{"db", "kill", shard};
  co_await tell(std::move(words));
  co_await scene_.loop.sleep_for(fault.lasts);
  scene_.record.fault_ended(index);
}

task<void> fault_driver::migrate(planned_fault fault) {
  if (std::exchange(is_moving_, true)) co_return;  // two would take each other's moves back
  const auto index = begin(fault, "slots, channels, people");
  const auto begun = begun_;
  const bool was_alone = under_way_ == 1;
  mover moving(
      scene_, [this] { return well(); }, fault.dice);
  co_await moving.run(fault.lasts);
  scene_.record.fault_ended(index);
  for (const auto& each : moving.troubles()) troubles_.push_back(each);
  if (moving.moves() == 0 && was_alone && begun == begun_)
    troubles_.push_back("nothing could be moved: " + moving.last_refusal());
  is_moving_ = false;
}

task<void> fault_driver::empty(planned_fault fault, std::size_t node) {
  hit_.insert(node);
  const auto& name = scene_.nodes[node].name;
  const auto index = begin(fault, name);
  co_await order("drain " + name);
  co_await scene_.loop.sleep_for(fault.lasts);
  co_await order("undrain " + name);
  scene_.record.fault_ended(index);
  hit_.erase(node);
}

/// At whoever is well, until it is done; another fault may be in the way for a while.
task<void> fault_driver::order(std::string line) {
  const auto deadline = event_loop::clock::now() + verb_patience;
  for (std::size_t turn = 0;; ++turn) {
    const auto at = well();
    const auto answer = co_await tell_shell(scene_, at.empty() ? 0 : at[turn % at.size()], line);
    // An answer may have been lost: undraining twice is no error.
    if (answer.is_ok() || (turn > 0 && answer.error == "not_found")) co_return;
    if (event_loop::clock::now() > deadline) {
      troubles_.push_back(line + ": " + answer.error);
      co_return;
    }
    co_await scene_.loop.sleep_for(calm_least);
  }
}

}  // namespace throng::verify
