// SPDX-License-Identifier: Apache-2.0
// Resharding under the doors that a node uses: units through the router's commit queue into real stores.
#include <mutex>

#include "storage/mysql/mysql_store.hpp"
#include "storage/router/sharded_storage.hpp"
#include "tests/cluster/storage/reshard_fixture.hpp"

using namespace throng;

namespace {

using std::chrono::seconds;

/// Channels that are posted to, a few posts of each in flight.
class posters {
 public:
  static constexpr std::uint64_t channels = 60;
  static constexpr seq_t in_flight_max = 3;

  explicit posters(sharded_storage& storage) : storage_(storage), ends_(channels) {
    std::vector<fence> guards;
    for (std::uint64_t i = 0; i < channels; ++i) guards.push_back({slot_of(keyspace_id(id_of(i).value)), 1});
    REQUIRE(storage_.whole().raise_fences(guards, {}));
    thread_ = std::thread([this] { run(); });
  }
  ~posters() { stop(); }
  void stop() {
    is_stopping_ = true;
    if (thread_.joinable()) thread_.join();
    CHECK(comes_true([this] { return acknowledged() + refused() == submitted_; }));
  }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t refused() const { return refused_; }
  std::chrono::milliseconds longest() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(longest_us_));
  }
  void go_on(std::uint64_t posts = 300) {
    const auto until = acknowledged() + posts;
    REQUIRE(comes_true([&] { return acknowledged() >= until || refused() > 0; }));
  }
  std::string refusal() {
    std::lock_guard lock(mutex_);
    return refusal_;
  }

  /// Each channel holds exactly what was acknowledged, once, in order.
  void check() {
    const auto reader = storage_.whole().make_reader();
    for (std::uint64_t i = 0; i < channels; ++i) {
      const auto posts = reader->messages_after(id_of(i), 0, 1'000'000);
      REQUIRE_MESSAGE(posts, posts.failure().detail);
      std::lock_guard lock(mutex_);
      REQUIRE(posts->size() == ends_[i].sent);
      for (seq_t seq = 1; seq <= posts->size(); ++seq) REQUIRE((*posts)[seq - 1].seq == seq);
    }
  }

 private:
  struct end_of_channel {
    seq_t sent = 0, answered = 0;
  };
  static channel_id id_of(std::uint64_t index) { return channel_id{500 + index}; }

  void run() {
    for (std::uint64_t i = 0; !is_stopping_; i = (i + 1) % channels) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a load of some hundred posts a second
      seq_t seq = 0;
      {
        std::unique_lock lock(mutex_);
        if (ends_[i].sent - ends_[i].answered >= in_flight_max) {
          answered_.wait_for(lock, std::chrono::milliseconds(1));
          continue;
        }
        seq = ++ends_[i].sent;
      }
      ++submitted_;
      message_record row;
      row.channel = id_of(i);
      row.ts = {static_cast<std::int64_t>(seq)};
      row.seq = seq;
      row.data = "post";
      commit_unit one;
      one.guard = {slot_of(keyspace_id(row.channel.value)), 1};
      one.ops.emplace_back(insert_message{std::move(row)});
      storage_.commits().submit(std::move(one), [this, i, began = std::chrono::steady_clock::now()](result<> answer) {
        const auto took =
            std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began);
        std::lock_guard lock(mutex_);
        ++ends_[i].answered;
        longest_us_ = std::max(longest_us_.load(), static_cast<std::uint64_t>(took.count()));
        if (answer) {
          ++acknowledged_;
        } else {
          ++refused_;
          refusal_ = std::string(to_string(answer.code())) + ": " + answer.failure().detail;
        }
        answered_.notify_all();
      });
    }
  }

  sharded_storage& storage_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::vector<end_of_channel> ends_;
  std::string refusal_;
  std::atomic<std::uint64_t> acknowledged_ = 0, refused_ = 0, submitted_ = 0, longest_us_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("reshard: no unit is refused, lost or doubled while its shard is split, put together and split again") {
  reshard_fixture shards({"-"});
  const auto targets = shards.targets({"-80", "80-"});
  mysql_options how;
  how.connect = reshard_fixture::account();
  const auto open = [&](const shard_record& shard) { return open_mysql_store(shards.directory(), shard.range, how); };
  auto started = sharded_storage::start(shards.directory(), table_routes::standard(), open, {});
  REQUIRE_MESSAGE(started, started.failure().detail);
  auto& storage = **started;
  posters posts(storage);
  posts.go_on();

  const auto runner = shards.make_runner();
  const auto finish = [&](const result<>& begun) {
    REQUIRE_MESSAGE(begun, begun.failure().detail);
    REQUIRE(runner->wait_idle(seconds(60)));
    const auto now = runner->status();
    REQUIRE_MESSAGE(now.trouble.empty(), to_text(now));
    posts.go_on();
  };
  finish(runner->start("-", targets));
  const auto is_copied =
      comes_true([&] { return runner->status().record->phase == reshard_phase::running; }, seconds(60));
  REQUIRE_MESSAGE(is_copied, to_text(runner->status()) << posts.acknowledged() << " posts");
  finish(runner->switch_writes());
  // A fence that is raised on the new side holds on the old one too.
  const auto fenced = slot_of(keyspace_id(posters::channels + 1000));
  REQUIRE(storage.whole().raise_fence({fenced, 7}));
  finish(runner->reverse());
  CHECK(storage.whole().raise_fence({fenced, 6}).code() == errc::stale_epoch);
  finish(runner->verify());
  CHECK(runner->status().verified->is_equal());
  finish(runner->switch_writes());
  finish(runner->complete(true));
  CHECK(storage.whole().raise_fence({fenced, 6}).code() == errc::stale_epoch);

  posts.stop();
  CHECK_MESSAGE(posts.refused() == 0, posts.refusal());
  posts.check();
  MESSAGE(posts.acknowledged() << " posts, the longest took " << posts.longest().count() << " ms; write pauses: "
                               << to_text(histogram_of(runner->status().record->pauses_micros)));
  CHECK(shards.serving() == std::set<std::string>{"-80", "80-"});
}
