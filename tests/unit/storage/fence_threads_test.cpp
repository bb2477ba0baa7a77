// SPDX-License-Identifier: Apache-2.0
#include "storage/fence_threads.hpp"

#include <atomic>
#include <future>

#include <doctest/doctest.h>

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr fence_holder us{7};

/// Raises fences in memory; slots below 100 wait for the gate.
class gated_store final : public store {
 public:
  result<std::vector<result<>>> commit(std::span<const commit_unit>) override { return errc::service_unavailable; }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    ++calls;
    if (by != us) return errc::stale_epoch;
    if (guards.front().slot.value < 100) gate.wait();
    for (const auto& each : guards)
      if (each.epoch < 5) return errc::stale_epoch;
    return done;
  }
  result<std::vector<fence>> fences() override { return std::vector<fence>{}; }
  std::unique_ptr<store_reader> make_reader() override { return nullptr; }

  std::promise<void> opens;
  std::shared_future<void> gate{opens.get_future()};
  std::atomic<int> calls{0};
};

std::string half(slot_id slot) { return slot.value < 100 ? "-" : "+"; }

TEST_CASE("a shard that is slow keeps only its own fences, and each is told with its outcome") {
  gated_store rows;
  fence_threads threads(rows, us, half);
  std::mutex mutex;
  fence_threads::outcomes all;
  std::condition_variable told;
  auto take = [&](fence_threads::outcomes some) {
    std::lock_guard lock(mutex);
    for (auto& each : some) all.push_back(std::move(each));
    told.notify_all();
  };
  auto wait_for = [&](std::size_t count) {
    std::unique_lock lock(mutex);
    return told.wait_for(lock, 20s, [&] { return all.size() == count; });
  };
  threads.raise({{slot_id{1}, 9}, {slot_id{101}, 9}, {slot_id{102}, 4}, {slot_id{103}, 9}}, take);
  REQUIRE(wait_for(3));
  for (const auto& [guard, outcome] : all) {
    CHECK(guard.slot.value > 100);
    CHECK(outcome.ok() == (guard.slot.value != 102));
    if (!outcome) CHECK(outcome.code() == errc::stale_epoch);
  }
  rows.opens.set_value();
  REQUIRE(wait_for(4));
  CHECK(all.back().first.slot == slot_id{1});
  CHECK(all.back().second.ok());
}

TEST_CASE("what waits for a thread is raised together, and nothing is told after stop()") {
  gated_store rows;
  fence_threads threads(rows, us, half);
  std::atomic<int> told{0};
  auto count = [&](const fence_threads::outcomes& some) { told += static_cast<int>(some.size()); };
  threads.raise({{slot_id{1}, 9}}, count);
  while (rows.calls == 0) std::this_thread::yield();
  for (std::uint16_t slot = 2; slot < 12; ++slot) threads.raise({{slot_id{slot}, 9}}, count);
  rows.opens.set_value();
  while (told < 11) std::this_thread::yield();
  CHECK(rows.calls == 2);
  threads.stop();
  threads.raise({{slot_id{20}, 9}}, count);
  CHECK(told == 11);
}

}  // namespace
}  // namespace throng
