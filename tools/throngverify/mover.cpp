// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/mover.hpp"

#include <algorithm>

#include "tools/throngverify/cluster_view.hpp"
#include "tools/throngverify/shell_rows.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

// Few, so that the same one is soon moved again.
constexpr std::size_t channels_moved = 6;  // and all hot ones
constexpr std::size_t people_moved = 4;    // and the presence bucket of every other one
constexpr std::size_t slots_moved = 6;
constexpr std::size_t pause_least_ms = 100;
constexpr std::size_t pause_most_ms = 350;
constexpr auto look_again = 100ms;
constexpr auto undo_patience = 60s;

std::string detail_of(const api_answer& answer) {
  const auto detail = text_at(answer.body, "detail");
  return answer.error + (detail.empty() ? "" : ": " + detail);
}

}  // namespace

std::map<slot_id, std::string> parse_slot_homes(const std::string& answer) {
  std::map<slot_id, std::string> homes;
  std::set<slot_id> doubted;
  for_each_row(answer, [&](const shell_row& row) {
    const auto slot = row.number("SLOT");
    const auto node = row.text("NODE");
    if (!slot || *slot < 0 || *slot >= std::int64_t{slot_count} || node.empty()) return;
    const slot_id which{static_cast<std::uint16_t>(*slot)};
    if (const auto [home, is_new] = homes.try_emplace(which, node); !is_new && home->second != node)
      doubted.insert(which);
  });
  for (const auto slot : doubted) homes.erase(slot);
  return homes;
}

mover::mover(scene& of, well_nodes well, std::uint64_t dice)
    : scene_(of), well_(std::move(well)), random_(random_for(of.plan.seed, "mover", dice)) {}

task<void> mover::run(std::chrono::milliseconds lasts) {
  co_await choose();
  const auto until = event_loop::clock::now() + lasts;
  spawn(move_entities(until));
  co_await move_slots(until);
  while (under_way_ > 0) co_await scene_.loop.sleep_for(look_again);
  for (const auto& entity : pinned_) co_await let_go(entity);
  for (const auto slot : displaced_) co_await send_home(slot, homes_.at(slot));
}

task<void> mover::choose() {
  std::vector<slot_id> theirs;  // whose entities are moved as well
  const auto add = [&](entity_key key) {
    entities_.push_back(to_text(key));
    theirs.push_back(slot_of(key));
  };
  for (const auto& each : scene_.channels)
    if (each.is_hot) add(key_of(each.id));
  for (std::size_t i = 0; i < channels_moved && !scene_.channels.empty(); ++i)
    add(key_of(scene_.channels[pick_below(random_, scene_.channels.size())].id));
  for (std::size_t i = 0; i < people_moved && !scene_.people.empty(); ++i) {
    const auto person = scene_.people[pick_below(random_, scene_.people.size())].id;
    add(key_of(person));
    if (i % 2 == 0) add(key_of(presence_bucket_of(person)));
  }
  const auto answer = co_await order("slots --limit 10000");
  const auto all = parse_slot_homes(answer.body);
  for (const auto slot : theirs)
    if (const auto home = all.find(slot); home != all.end() && homes_.size() < slots_moved / 2) homes_.insert(*home);
  std::vector<slot_id> others;
  for (const auto& [slot, home] : all) others.push_back(slot);
  std::ranges::shuffle(others, random_);
  for (const auto slot : others)
    if (homes_.size() < slots_moved) homes_.try_emplace(slot, all.at(slot));
}

task<void> mover::move_entities(event_loop::time until) {
  ++under_way_;
  while (event_loop::clock::now() < until && !entities_.empty()) {
    const auto entity = entities_[pick_below(random_, entities_.size())];
    if (const auto node = next_node(entity)) {
      pinned_.insert(entity);  // also if the answer is lost
      co_await move(entity, *node);
    }
    co_await scene_.loop.sleep_for(
        std::chrono::milliseconds(pause_least_ms + pick_below(random_, pause_most_ms - pause_least_ms)));
  }
  --under_way_;
}

task<void> mover::move_slots(event_loop::time until) {
  std::vector<slot_id> slots;
  for (const auto& [slot, home] : homes_) slots.push_back(slot);
  while (event_loop::clock::now() < until && !slots.empty()) {
    const auto slot = slots[pick_below(random_, slots.size())];
    const auto name = "slot:" + std::to_string(slot.value);
    if (const auto node = next_node(name)) {
      displaced_.insert(slot);
      co_await move(name, *node);
    }
    co_await scene_.loop.sleep_for(
        std::chrono::milliseconds(pause_least_ms + pick_below(random_, pause_most_ms - pause_least_ms)));
  }
}

task<void> mover::move(std::string what, std::string node) {
  const auto answer = co_await order("migrate " + what + " " + node);
  if (!answer.is_ok()) {
    last_refusal_ = detail_of(answer);
    co_return;
  }
  ++moves_;
  // In one word: no node is hurt by it.
  scene_.record.fault_ended(scene_.record.fault_begun("move", what + "→" + node));
}

task<void> mover::let_go(std::string entity) {
  const auto deadline = event_loop::clock::now() + undo_patience;
  while (true) {
    const auto answer = co_await order("unpin " + entity);
    if (answer.is_ok() || answer.error == "not_found") co_return;  // or it is where its slot is already
    if (event_loop::clock::now() > deadline) {
      troubles_.push_back("unpin " + entity + ": " + detail_of(answer));
      co_return;
    }
    co_await scene_.loop.sleep_for(look_again);
  }
}

task<void> mover::send_home(slot_id slot, std::string home) {
  const auto deadline = event_loop::clock::now() + undo_patience;
  while (true) {
    const auto answer = co_await order("migrate slot:" + std::to_string(slot.value) + " " + home);
    const auto why = detail_of(answer);
    // Another fault may have taken that node away, or its slots; then where it is now is where it belongs.
    const bool has_no_home = answer.error == "not_found" || why.find("takes no slots") != why.npos;
    if (answer.is_ok() || has_no_home || why.find("already") != why.npos) co_return;
    if (event_loop::clock::now() > deadline) {
      troubles_.push_back("migrate slot:" + std::to_string(slot.value) + " " + home + ": " + why);
      co_return;
    }
    co_await scene_.loop.sleep_for(look_again);
  }
}

std::optional<std::string> mover::next_node(const std::string& what) {
  auto& last = last_[what];
  std::vector<std::string> names;
  for (const auto node : well_())
    if (scene_.nodes[node].name != last) names.push_back(scene_.nodes[node].name);
  if (names.empty()) return std::nullopt;
  last = names[pick_below(random_, names.size())];
  return last;
}

task<api_answer> mover::order(std::string line) {
  const auto well = well_();
  if (well.empty()) co_return api_answer{api_answer::outcome::none, "no node is well", {}};
  co_return co_await tell_shell(scene_, well[pick_below(random_, well.size())], std::move(line));
}

}  // namespace throng::verify
