// SPDX-License-Identifier: Apache-2.0
// The router's reads and scatters, through the whole sharded storage, on shards in memory.
#include "storage/router/read_router.hpp"

#include <future>

#include <doctest/doctest.h>

#include "storage/router/coalescing_reader.hpp"
#include "tests/unit/storage/router/fake_shards.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

struct fixture {
  fake_shards shards;
  std::unique_ptr<fixed_shard_directory> directory;
  std::unique_ptr<sharded_storage> storage;
  std::vector<std::string> ranges;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> got;

  explicit fixture(std::vector<std::string> names, const sharded_storage::options& how = {})
      : directory(make_fixed_shard_directory(map_of(names))),
        storage(start_storage(*directory, shards.opener(), how)),
        ranges(std::move(names)) {}
  ~fixture() {
    for (const auto& name : ranges) shards.hang(name, false);
    storage.reset();
  }

  void add(std::string what) {
    std::lock_guard lock(mutex);
    got.push_back(std::move(what));
    changed.notify_all();
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, 20s, [&] { return got.size() >= count; });
    return got;
  }
  /// Reads the channel near itself, or near another one.
  void read(channel_id channel, std::optional<channel_id> near = std::nullopt) {
    storage->reads().read(keyspace_id(near.value_or(channel).value), [this, channel](store_reader* rows, errc refused) {
      if (rows == nullptr) return add(std::string(to_string(refused)));
      auto row = rows->channel(channel);
      add(row ? row->data : std::string(to_string(row.code())));
    });
  }
};
using texts = std::vector<std::string>;

TEST_CASE("router: a read asks the shard of its rows, wherever it runs") {
  fixture f({"-80", "80-"});
  f.read(channel_in("-80"));
  f.wait_for(1);
  f.read(channel_in("80-"));
  f.wait_for(2);
  f.read(channel_in("80-"), channel_in("-80"));
  CHECK(f.wait_for(3) == texts{"-80 1", "80- 1", "80- 2"});
}

TEST_CASE("router: reads of the same rows that wait together ask the database once") {
  fixture f({"-"}, {.readers = 1, .coalesced_max = 3});
  auto busy = channel_in("-", 0), hot = channel_in("-", 1);
  f.shards.hang("-");
  f.read(busy);
  REQUIRE(f.shards.wait_until_hanging("-"));
  for (int i = 0; i < 5; ++i) f.read(hot);
  CHECK(f.storage->reads().waiting() == 5);
  f.shards.hang("-", false);
  CHECK(f.wait_for(6) == texts{"- 1", "- 2", "- 2", "- 2", "- 3", "- 3"});
  f.read(hot);  // nothing is kept for later ones
  CHECK(f.wait_for(7).back() == "- 4");
  f.storage->stop();
  auto figures = f.storage->figures().at(0);
  CHECK(figures.reads == 7);
  CHECK(figures.coalesced_reads == 3);
  CHECK(figures.read_latency.count() == 7);
}

TEST_CASE("router: reads past the bound, or that waited for too long, are refused; other shards' are not") {
  fixture f({"-80", "80-"}, {.readers = 1, .reads_waiting_max = 2, .read_wait_max = 300ms});
  auto slow = channel_in("-80"), sound = channel_in("80-");
  f.shards.hang("-80");
  f.read(slow);
  REQUIRE(f.shards.wait_until_hanging("-80"));
  for (std::uint64_t i = 1; i <= 3; ++i) f.read(channel_in("-80", i));
  CHECK(f.wait_for(1) == texts{"overloaded"});
  for (std::size_t i = 0; i < 5; ++i) {
    f.read(sound);
    f.wait_for(2 + i);
  }
  // The two that wait are told so by and by, though no reader is free.
  auto all = f.wait_for(8);
  CHECK(std::count(all.begin(), all.end(), "overloaded") == 3);
  CHECK(f.shards.look("-80").hanging == 1);
  CHECK(f.storage->figures()[0].refused_reads == 3);
  CHECK(f.storage->figures()[1].refused_reads == 0);
}

TEST_CASE("router: reads that wait for a range that is resharded run where it is now") {
  fixture f({"-"}, {.readers = 1});
  f.shards.hang("-");
  f.read(channel_in("-80"));
  REQUIRE(f.shards.wait_until_hanging("-"));
  f.read(channel_in("80-"));
  f.directory->set(map_of({"-80", "80-"}, 2));
  CHECK(f.wait_for(1) == texts{"80- 1"});
  f.shards.hang("-", false);
  CHECK(f.wait_for(2).back() == "- 1");
}

TEST_CASE("router: a stop runs the reads that wait") {
  fixture f({"-"}, {.readers = 1});
  for (std::uint64_t i = 0; i < 20; ++i) f.read(channel_in("-", i));
  f.storage->reads().stop();
  CHECK(f.wait_for(20).size() == 20);
  f.read(channel_in("-"));
  CHECK(f.wait_for(21).back() == "stopping");
}

TEST_CASE("router: a scatter asks every shard, and names those that don't answer in time") {
  fixture f({"-40", "40-80", "80-"});
  struct gathered {
    std::vector<sharded_storage::shard_answer> answers;
    std::vector<std::string> missing;
  };
  auto scatter = [&](std::chrono::milliseconds at_most) {
    std::promise<gathered> promise;
    f.storage->scatter(
        [](store_reader& rows) -> std::shared_ptr<void> {
          return std::make_shared<std::string>(rows.channel({4})->data);
        },
        at_most,
        [&](auto answers, auto missing) {
          promise.set_value({std::move(answers), std::move(missing)});
        });
    return promise.get_future().get();
  };
  auto all = scatter(20s);
  CHECK(all.missing.empty());
  REQUIRE(all.answers.size() == 3);
  CHECK(all.answers[1].shard == "40-80");
  CHECK(*std::static_pointer_cast<std::string>(all.answers[1].value) == "40-80 1");

  f.shards.hang("40-80");
  auto some = scatter(200ms);
  CHECK(some.missing == texts{"40-80"});
  REQUIRE(some.answers.size() == 2);
  CHECK(*std::static_pointer_cast<std::string>(some.answers[1].value) == "80- 2");
  f.shards.hang("40-80", false);
  CHECK(scatter(20s).missing.empty());
}

/// Counts its statements: the nth says n.
class counting_reader final : public empty_reader {
 public:
  result<channel_record> channel(channel_id id) override { return channel_record{id, {}, std::to_string(++asked)}; }
  result<user_record> user(user_id id) override { return user_record{id, {}, std::to_string(++asked)}; }
  int asked = 0;
};

TEST_CASE("coalescing reader: equal questions of several jobs are asked once, a job's own repetition again") {
  counting_reader real;
  coalescing_reader rows(real);
  rows.begin_job();
  CHECK(rows.channel({4})->data == "1");
  CHECK(rows.user({7})->data == "2");
  rows.begin_job();
  CHECK(rows.channel({4})->data == "1");
  CHECK(rows.user({7})->data == "2");
  CHECK(rows.user({8})->data == "3");
  rows.begin_job();
  CHECK(rows.channel({4})->data == "1");
  CHECK(rows.channel({4})->data == "4");  // it wants to see whether it changed
  CHECK(rows.shared_answers() == 3);
}

TEST_CASE("coalescing reader: a job never sees anything older than it has seen already") {
  counting_reader real;
  coalescing_reader rows(real);
  rows.begin_job();
  CHECK(rows.channel({4})->data == "1");
  CHECK(rows.user({7})->data == "2");
  rows.begin_job();
  CHECK(rows.user({7})->data == "2");
  CHECK(rows.channel({4})->data == "3");  // "1" was read before "2"
}

}  // namespace
}  // namespace throng
