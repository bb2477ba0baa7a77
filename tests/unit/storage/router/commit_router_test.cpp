// SPDX-License-Identifier: Apache-2.0
// The router's commits, through the whole sharded storage, on shards in memory.
#include "storage/router/commit_router.hpp"

#include <random>
#include <thread>

#include <doctest/doctest.h>

#include "tests/unit/storage/router/fake_shards.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

struct fixture {
  fake_shards shards;
  std::unique_ptr<fixed_shard_directory> directory;
  answer_box answers;
  std::unique_ptr<sharded_storage> storage;

  explicit fixture(const std::vector<std::string>& ranges, const sharded_storage::options& how = {})
      : directory(make_fixed_shard_directory(map_of(ranges))),
        storage(start_storage(*directory, shards.opener(), how)) {}
  ~fixture() {
    for (const auto& record : directory->current()->serving()) shards.hang(record.name(), false);
  }
  void submit(commit_unit unit, int number) { storage->commits().submit(std::move(unit), answers.add(number)); }
};
using list = answer_box::list;

TEST_CASE("router: a unit is committed in the shard that has its rows") {
  fixture f({"-40", "40-80", "80-c0", "c0-"});
  int number = 0;
  for (const char* range : {"-40", "40-80", "80-c0", "c0-"}) {
    f.submit(post_unit(channel_in(range), 1), ++number);
    auto unfenced = post_unit(channel_in(range), 2);
    unfenced.guard = {};
    f.submit(std::move(unfenced), ++number);
  }
  for (const auto& [which, answer] : f.answers.wait_for(8)) CHECK(answer == "ok");
  for (const char* range : {"-40", "40-80", "80-c0", "c0-"})
    CHECK(f.shards.places_of(channel_in(range)) == std::map<std::string, std::set<seq_t>>{{range, {1, 2}}});
  f.storage->commits().stop();  // a batch is counted after its answers
  CHECK(f.storage->commits().read_figures().units == 8);
}

TEST_CASE("router: a unit with rows of several shards is refused, and nothing of it is written") {
  fixture f({"-80", "80-"});
  auto lineage = std::make_shared<std::atomic<bool>>(false);
  auto unit = post_unit(channel_in("-80"), 1, lineage);
  unit.ops.push_back(post_unit(channel_in("80-"), 1).ops.front());
  f.submit(unit, 1);
  unit.guard = {};
  f.submit(unit, 2);
  f.submit(post_unit(channel_in("80-"), 2), 3);
  CHECK(f.answers.wait_for(3) == list{{1, "internal_error"}, {2, "internal_error"}, {3, "ok"}});
  CHECK(lineage->load());
  CHECK(f.shards.posts_of(channel_in("-80")).empty());
  CHECK(f.shards.posts_of(channel_in("80-")) == std::vector<seq_t>{2});
}

TEST_CASE("router: a trim goes to every shard, and is answered with what all of them trimmed") {
  fixture f({"-40", "40-80", "80-"});
  auto trimmed = std::make_shared<trim_report>();
  f.submit({{}, {trim_rows{trim_kind::events, {}, 7, trimmed}}}, 1);
  CHECK(f.answers.wait_for(1) == list{{1, "ok"}});
  CHECK(trimmed->rows.load() == 21);
  CHECK(trimmed->busy_micros.load() == 7);  // they work at the same time
  CHECK(trimmed->is_through.load());

  f.shards.set("40-80", [](auto& one) { one.failure = error{errc::storage_full, "full"}; });
  f.submit({{}, {trim_rows{trim_kind::events, {}, 7, trimmed}}}, 2);
  CHECK(f.answers.wait_for(2).back() == std::pair{2, std::string("storage_full")});
  CHECK(trimmed->rows.load() == 14);
  CHECK_FALSE(trimmed->is_through.load());
  f.submit({{}, {trim_rows{trim_kind::events, {}, 7, trimmed}, post_unit(channel_in("-40"), 1).ops.front()}}, 3);
  CHECK(f.answers.wait_for(3).back().second == "internal_error");
}

TEST_CASE("router: a shard that doesn't answer keeps only its own units waiting") {
  fixture f({"-80", "80-"}, {.commits = {.waiting_units_max = 3}});
  auto slow = channel_in("-80"), sound = channel_in("80-");
  f.shards.hang("-80");
  for (int i = 1; i <= 3; ++i) f.submit(post_unit(slow, static_cast<seq_t>(i)), i);
  REQUIRE(f.shards.wait_until_hanging("-80"));
  f.submit(post_unit(slow, 4), 4);  // its own bound
  CHECK(f.answers.wait_for(1) == list{{4, "overloaded"}});
  // Many batches of the other one, more than the bound, while the first still hangs.
  for (int i = 5; i < 25; ++i) {
    f.submit(post_unit(sound, static_cast<seq_t>(i)), i);
    REQUIRE(f.answers.wait_for(static_cast<std::size_t>(i - 3)).back() == std::pair{i, std::string("ok")});
  }
  CHECK(f.shards.look("-80").hanging == 1);
  auto figures = f.storage->figures();
  REQUIRE(figures.size() == 2);
  CHECK(figures[0].commits.waiting_units == 3);
  CHECK(figures[1].commits.waiting_units <= 1);  // counted down after its answer
  CHECK(figures[1].commit_latency.count() >= 19);
  f.shards.hang("-80", false);
  f.answers.wait_for(24);
  CHECK(f.shards.posts_of(slow) == std::vector<seq_t>{1, 2, 3});
}

TEST_CASE("router: units of a frozen shard are held, in order, until it takes writes again") {
  fixture f({"-"});
  auto channel = channel_in("-");
  f.shards.freeze("-");
  for (int i = 1; i <= 5; ++i) f.submit(post_unit(channel, static_cast<seq_t>(i)), i);
  REQUIRE(f.shards.wait_until([](auto& all) { return all["-"].commits >= 3; }));
  CHECK(f.storage->figures()[0].held_units >= 1);
  f.shards.freeze("-", false);
  CHECK(f.answers.wait_for(5) == list{{1, "ok"}, {2, "ok"}, {3, "ok"}, {4, "ok"}, {5, "ok"}});
  CHECK(f.shards.posts_of(channel) == std::vector<seq_t>{1, 2, 3, 4, 5});
}

TEST_CASE("router: what is held for too long is refused and breaks its lineage") {
  fixture f({"-"}, {.hold_max = 50ms});
  auto lineage = std::make_shared<std::atomic<bool>>(false);
  f.shards.freeze("-");
  f.submit(post_unit(channel_in("-"), 1, lineage), 1);
  CHECK(f.answers.wait_for(1) == list{{1, "service_unavailable"}});
  CHECK(lineage->load());
  f.shards.freeze("-", false);
  f.submit(post_unit(channel_in("-"), 2), 2);
  CHECK(f.answers.wait_for(2).back().second == "ok");
  CHECK(f.shards.posts_of(channel_in("-")) == std::vector<seq_t>{2});
}

TEST_CASE("router: a stop commits what was submitted, and answers what is held") {
  fixture f({"-80", "80-"});
  f.shards.freeze("-80");
  f.submit(post_unit(channel_in("-80"), 1), 1);
  REQUIRE(f.shards.wait_until([](auto& all) { return all["-80"].commits >= 1; }));
  for (int i = 2; i <= 20; ++i) f.submit(post_unit(channel_in("80-"), static_cast<seq_t>(i)), i);
  f.storage->commits().stop();
  auto answers = f.answers.wait_for(20);
  REQUIRE(answers.size() == 20);
  for (const auto& [number, answer] : answers) CHECK(answer == (number == 1 ? "stopping" : "ok"));
  f.submit(post_unit(channel_in("80-"), 30), 30);
  CHECK(f.answers.wait_for(21).back() == std::pair{30, std::string("stopping")});
}

TEST_CASE("router: a unit in flight on the former shard is finished before the next one goes to the new shard") {
  fixture f({"-"});
  auto channel = channel_in("80-");
  f.shards.hang("-");
  f.submit(post_unit(channel, 1), 1);
  REQUIRE(f.shards.wait_until_hanging("-"));
  f.directory->set(map_of({"-80", "80-"}, 2));
  REQUIRE(f.shards.wait_until([](auto& all) { return all["-80"].opens > 0 && all["80-"].opens > 0; }));
  f.submit(post_unit(channel, 2), 2);
  // The other half's lane of the same number waits too, all others don't.
  std::uint64_t skip = 0;
  auto lane_of = [](channel_id id) { return slot_of(key_of(id)).value % 2; };
  while (lane_of(channel_in("-80", skip)) == lane_of(channel)) ++skip;
  f.submit(post_unit(channel_in("-80", skip), 1), 9);
  CHECK(f.answers.wait_for(1) == list{{9, "ok"}});
  f.submit(post_unit(channel, 3), 3);
  CHECK(f.shards.posts_of(channel).empty());
  bool is_frozen = false;
  SUBCASE("it is committed there") {}
  SUBCASE("it is handed back") { is_frozen = true; }
  f.shards.set("-", [&](auto& one) {
    one.hangs = false;
    one.is_frozen = is_frozen;
  });
  f.answers.wait_for(4);
  CHECK(f.shards.posts_of(channel) == std::vector<seq_t>{1, 2, 3});
  auto places = f.shards.places_of(channel);
  CHECK(places["-"].size() == (is_frozen ? 0 : 1));
}

TEST_CASE("router: units wait for a new shard that can't be opened yet") {
  fixture f({"-"});
  auto channel = channel_in("80-");
  f.shards.freeze("-");
  f.submit(post_unit(channel, 1), 1);
  REQUIRE(f.shards.wait_until([](auto& all) { return all["-"].commits >= 1; }));
  f.shards.fail_to_open(error{errc::service_unavailable, "not yet"});
  f.directory->set(map_of({"-80", "80-"}, 2));
  f.submit(post_unit(channel, 2), 2);
  REQUIRE(f.shards.wait_until([](auto& all) { return all["80-"].failed_opens >= 1; }));
  f.shards.fail_to_open(std::nullopt);
  CHECK(f.answers.wait_for(2) == list{{1, "ok"}, {2, "ok"}});
  CHECK(f.shards.places_of(channel) == std::map<std::string, std::set<seq_t>>{{"80-", {1, 2}}});
}

TEST_CASE("router: through reshards under load each unit is committed once, in order, and answered once") {
  const std::vector<std::vector<std::string>> maps{
      {"-"}, {"-80", "80-"}, {"-40", "40-80", "80-"}, {"-40", "40-"}, {"-80", "80-c0", "c0-"}};
  constexpr int callers = 3, channels_each = 6, posts = 400;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    fixture f({"-"}, {.commits = {.batch_units_max = 16}, .hold_max = 60s});
    std::mutex mutex;
    std::map<channel_id, std::vector<seq_t>> answered;
    std::size_t refused = 0, answers = 0;
    std::condition_variable all_answered;
    std::atomic<int> running = callers;
    std::vector<std::thread> threads;
    for (int caller = 0; caller < callers; ++caller)
      threads.emplace_back([&, caller] {
        for (seq_t seq = 1; seq <= posts; ++seq) {
          for (std::uint64_t i = 0; i < channels_each; ++i) {
            channel_id channel{4 * (1 + static_cast<std::uint64_t>(caller) * channels_each + i)};
            f.storage->commits().submit(post_unit(channel, seq), [&, channel, seq](const result<>& outcome) {
              std::lock_guard lock(mutex);
              answered[channel].push_back(seq);
              refused += !outcome;
              if (++answers == callers * channels_each * posts) all_answered.notify_one();
            });
          }
          std::this_thread::yield();
        }
        --running;
      });

    std::mt19937 random(seed);
    topology_version version = 1;
    std::vector<std::string> current{"-"};
    int reshards = 0;
    while (running > 0 || reshards < 10) {
      const auto& next = maps[random() % maps.size()];
      if (next == current) continue;
      // As a reshard does it: the new ones aren't ready before the old ones are frozen. Sometimes the map comes before
      // the frozen ones have handed back what they had, sometimes while they hang.
      auto is_new = [&](const std::string& name) {
        return std::find(current.begin(), current.end(), name) == current.end();
      };
      auto is_gone = [&](const std::string& name) { return std::find(next.begin(), next.end(), name) == next.end(); };
      for (const auto& name : next)
        if (is_new(name)) f.shards.freeze(name);
      for (const auto& name : current) {
        if (!is_gone(name)) continue;
        if (random() % 3 == 0) f.shards.hang(name);
        f.shards.freeze(name);
      }
      for (auto i = random() % 200; i > 0; --i) std::this_thread::yield();
      f.directory->set(map_of(next, ++version));
      for (auto i = random() % 50; i > 0; --i) std::this_thread::yield();
      for (const auto& name : next)
        if (is_new(name)) f.shards.freeze(name, false);
      for (const auto& name : current) f.shards.hang(name, false);
      current = next;
      ++reshards;
    }
    for (auto& thread : threads) thread.join();
    {
      std::unique_lock lock(mutex);
      REQUIRE(all_answered.wait_for(lock, 60s, [&] { return answers == callers * channels_each * posts; }));
    }
    f.storage->commits().stop();

    std::vector<seq_t> all(posts);
    for (seq_t seq = 1; seq <= posts; ++seq) all[seq - 1] = seq;
    CHECK(refused == 0);
    REQUIRE(answered.size() == callers * channels_each);
    for (const auto& [channel, seqs] : answered) {
      CHECK(seqs == all);
      CHECK(f.shards.posts_of(channel) == all);
    }
    auto figures = f.storage->commits().read_figures();
    CHECK(figures.units == callers * channels_each * posts);
    CHECK(figures.waiting_units == 0);
  }
}

TEST_CASE("router: fences go to the shard of their slot, and wait for one that is being resharded") {
  fixture f({"-80", "80-"});
  auto& all = f.storage->whole();
  std::vector<fence> guards{{{1}, 5}, {{0x800}, 6}, {{0xfff}, 7}};
  CHECK(all.raise_fences(guards, {}).ok());
  CHECK(all.fences().value() == guards);
  f.shards.freeze("80-");
  std::thread switches([&] { f.directory->set(map_of({"-80", "80-c0", "c0-"}, 2)); });
  CHECK(all.raise_fence({{0x801}, 9}).ok());
  switches.join();
  auto fences = all.fences();
  CHECK(std::find(fences->begin(), fences->end(), fence{{0x801}, 9}) != fences->end());
}

TEST_CASE("router: a start names the shard that is away, and the error that waiting doesn't help against") {
  fake_shards shards;
  auto directory = make_fixed_shard_directory(map_of({"-80", "80-"}));
  sharded_storage::options how;
  how.start_patience = 50ms;
  SUBCASE("away") {
    shards.fail_to_open(error{errc::service_unavailable, "connection refused"});
    auto started = sharded_storage::start(*directory, table_routes::standard(), shards.opener(), how);
    REQUIRE_FALSE(started.ok());
    CHECK(started.code() == errc::service_unavailable);
    CHECK(started.failure().detail.find("80") != std::string::npos);
    CHECK(started.failure().detail.find("connection refused") != std::string::npos);
  }
  SUBCASE("wrong") {
    how.start_patience = 1h;
    shards.fail_to_open(error{errc::invalid_arguments, "another program's database"});
    auto started = sharded_storage::start(*directory, table_routes::standard(), shards.opener(), how);
    REQUIRE_FALSE(started.ok());
    CHECK(started.failure().detail == "another program's database");
  }
}

}  // namespace
}  // namespace throng
