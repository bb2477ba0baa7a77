// SPDX-License-Identifier: Apache-2.0
#include "storage/router/whole_store.hpp"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "storage/router/routed_reader.hpp"

namespace throng {

namespace {

using std::chrono::steady_clock;

// Between looks at a shard that takes no fences because it is being resharded.
constexpr std::chrono::milliseconds pause{20};

/// Errors that a store answers for a whole batch, because they have nothing to do with what is in it.
bool is_of_the_store(const result<>& outcome) {
  if (outcome) return false;
  switch (outcome.code()) {
    case errc::service_unavailable:
    case errc::storage_full:
    case errc::overloaded:
    case errc::stopping:
    case errc::wrong_owner:
      return true;
    default:
      return false;
  }
}

}  // namespace

result<std::vector<result<>>> whole_store::commit(std::span<const commit_unit> units) {
  struct {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t missing = 0;
    std::vector<result<>> outcomes;
  } state;
  state.missing = units.size();
  state.outcomes.resize(units.size(), done);
  for (std::size_t i = 0; i < units.size(); ++i)
    commits_.submit(units[i], [&state, i](result<> outcome) {
      std::lock_guard lock(state.mutex);
      state.outcomes[i] = std::move(outcome);
      if (--state.missing == 0) state.changed.notify_one();
    });
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.missing == 0; });
  const auto& all = state.outcomes;
  if (!all.empty() && is_of_the_store(all.front()) &&
      std::all_of(all.begin(), all.end(), [&](const auto& one) { return !one && one.code() == all.front().code(); }))
    return all.front().failure();
  return std::move(state.outcomes);
}

result<> whole_store::raise_fences(std::span<const fence> guards, fence_holder by) {
  std::vector<fence> left(guards.begin(), guards.end());
  auto deadline = steady_clock::now() + hold_max_;
  while (!left.empty()) {
    auto seen = shards_.current();
    auto table = tables_.current();
    std::map<std::shared_ptr<shard_link>, std::vector<fence>> by_shard;
    for (const auto& guard : left) by_shard[table->of(routes_.of_slot(guard.slot)).link].push_back(guard);
    left.clear();
    for (const auto& [link, own] : by_shard) {
      auto raised = link->raise_fences(own, by);
      if (raised) continue;
      if (raised.code() != errc::wrong_owner) return raised;
      left.insert(left.end(), own.begin(), own.end());
    }
    if (left.empty()) break;
    if (steady_clock::now() >= deadline)
      return error{errc::service_unavailable,
                   "no shard takes the fence of slot " + std::to_string(left.front().slot.value)};
    shards_.wait_for_change(seen, pause);
  }
  return done;
}

result<std::vector<fence>> whole_store::fences() {
  auto table = tables_.current();
  std::vector<fence> all;
  for (const auto& entry : table->shards) {
    auto own = entry.link->fences();
    if (!own) return own;
    all.insert(all.end(), own->begin(), own->end());
  }
  std::sort(all.begin(), all.end(), [](const fence& a, const fence& b) { return a.slot < b.slot; });
  return all;
}

std::unique_ptr<store_reader> whole_store::make_reader() { return std::make_unique<routed_reader>(tables_, routes_); }

}  // namespace throng
