// SPDX-License-Identifier: Apache-2.0
// Trims on a real server: beside posts of other lanes, and what they cost.
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include <doctest/doctest.h>

#include "tests/cluster/storage/mysql_harness.hpp"

namespace throng {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t channel_count = 12;

message_record post_of(channel_id channel, seq_t seq, std::int64_t micros) {
  message_record row;
  row.channel = channel;
  row.ts = {micros};
  row.seq = seq;
  row.user = {7};
  row.data = "post " + std::to_string(seq);
  return row;
}

void commit(store& rows, std::vector<write_op> ops) {
  std::vector<commit_unit> units{{{}, std::move(ops)}};
  auto outcomes = rows.commit(units);
  REQUIRE(outcomes.ok());
  REQUIRE(outcomes->front().ok());
}

struct trimmed {
  std::size_t rows = 0;
  bool is_through = false;
};
trimmed trim(store& rows, trim_kind what, std::int64_t before_micros, std::size_t count_max) {
  auto report = std::make_shared<trim_report>();
  commit(rows, {trim_rows{what, wall_time(wall_time::duration(before_micros)), count_max, report}});
  return {report->rows.load(), report->is_through.load()};
}

/// One lane: posts to its channels, edits some of its newer posts, and knows what it was told is there.
struct poster {
  std::unique_ptr<store> rows;
  std::vector<channel_id> channels;
  std::map<channel_id, std::map<std::int64_t, message_record>> acknowledged;  // by ts
  std::string failure;
  std::size_t commits = 0;

  void run(std::uint64_t seed, std::atomic<std::int64_t>& clock, const std::atomic<bool>& is_over) {
    std::mt19937_64 random(seed);
    std::map<channel_id, seq_t> seqs;
    while (!is_over.load() && failure.empty()) {
      std::vector<commit_unit> units;
      std::vector<message_record> posts;
      for (int i = 0; i < 10; ++i) {
        auto channel = channels[random() % channels.size()];
        auto& mine = acknowledged[channel];
        auto edits = random() % 5 == 0 && !mine.empty();
        auto row = edits ? mine.rbegin()->second : post_of(channel, ++seqs[channel], clock.fetch_add(1) + 1);
        if (edits) row.data += " edited";
        posts.push_back(row);
        units.push_back({{}, {edits ? write_op(put_message{row}) : write_op(insert_message{row})}});
      }
      auto outcomes = rows->commit(units);
      if (!outcomes) failure = outcomes.failure().detail;
      for (std::size_t i = 0; outcomes && i < units.size(); ++i) {
        if (!outcomes->at(i)) failure = outcomes->at(i).failure().detail;
        acknowledged[posts[i].channel][posts[i].ts.micros] = posts[i];
      }
      ++commits;
    }
  }
};

TEST_CASE("mysql trim: while others post and edit, all that is old goes, and nothing that is young") {
  mysql_harness harness;
  poster lanes[2];
  for (auto& lane : lanes) lane.rows = harness.open();
  for (std::size_t i = 0; i < channel_count; ++i) {
    channel_id id{100 + i * 37};
    lanes[i % 2].channels.push_back(id);
    commit(*lanes[0].rows, {put_channel{{id, {1}, ""}}});
  }
  auto trimmer = harness.open();
  auto reader = trimmer->make_reader();

  // Time is the number of the post; what is more than 400 posts ago is old. An edit may be of a post that just became
  // old, and bring it back: until the walk comes by again.
  constexpr std::int64_t kept = 400;
  std::atomic<std::int64_t> clock{1'000'000};
  std::atomic<bool> is_over{false};
  std::vector<std::jthread> posters;
  for (auto& lane : lanes)
    posters.emplace_back([&, seed = std::uint64_t(&lane - lanes)] { lane.run(seed, clock, is_over); });
  std::size_t rows = 0, walks = 0;
  std::map<channel_id, seq_t> ends;
  std::string went_back;
  std::mt19937_64 random(3);
  auto until = std::chrono::steady_clock::now() + seconds(3);
  auto deadline = until + seconds(60);
  while (std::chrono::steady_clock::now() < deadline &&
         (std::chrono::steady_clock::now() < until || rows < 500 || walks < 5)) {
    auto one = trim(*trimmer, trim_kind::messages, clock.load() - kept, 1 + random() % 60);
    rows += one.rows;
    walks += one.is_through;
    auto& lane = lanes[random() % 2];
    auto channel = lane.channels[random() % lane.channels.size()];
    auto end = reader->end_of(key_of(channel));
    if (!end || end->seq < ends[channel]) went_back = to_text(channel);
    if (end) ends[channel] = end->seq;
  }
  is_over.store(true);
  posters.clear();
  for (const auto& lane : lanes) CHECK(lane.failure == "");
  CHECK(went_back == "");
  CHECK(rows >= 500);
  CHECK(walks >= 5);

  const auto before = clock.load() - kept;
  for (int walk = 0; walk < 2;) walk += trim(*trimmer, trim_kind::messages, before, 50).is_through;
  std::size_t young = 0;
  for (const auto& lane : lanes) {
    for (const auto& [channel, posts] : lane.acknowledged) {
      CAPTURE(channel.value);
      std::vector<message_record> expected;
      for (const auto& [ts, row] : posts)
        if (ts >= before) expected.push_back(row);
      young += expected.size();
      store_reader::message_range all;
      all.newest_first = false;
      all.count_max = 100'000;
      auto found = reader->messages(channel, all);
      REQUIRE(found.ok());
      CHECK(*found == expected);
      auto last_old = static_cast<seq_t>(posts.size() - expected.size());
      auto missed = reader->messages_after(channel, last_old, 100'000);
      REQUIRE(missed.ok());
      CHECK(*missed == expected);
      if (last_old > 0) CHECK(reader->messages_after(channel, last_old - 1, 100'000).code() == errc::too_old);
      CHECK(reader->end_of(key_of(channel))->seq == posts.rbegin()->second.seq);
      CHECK(reader->end_of(key_of(channel))->ts == posts.rbegin()->second.ts);
    }
  }
  CHECK(young >= kept / 2);
  MESSAGE(rows << " rows in " << walks << " walks beside " << lanes[0].commits + lanes[1].commits << " commits");
}

TEST_CASE("mysql trim: looking for old posts reads a row or two of each channel, however many it has") {
  mysql_harness harness;
  auto rows = harness.open();
  for (std::uint64_t channel = 1; channel <= 40; ++channel) {
    std::vector<write_op> ops{put_channel{{{channel}, {1}, ""}}};
    for (seq_t seq = 1; seq <= 250; ++seq)
      ops.push_back(insert_message{post_of({channel}, seq, 1'000'000 + static_cast<std::int64_t>(seq))});
    commit(*rows, std::move(ops));
  }
  auto admin = harness.admin();
  auto rows_read = [&] {
    return admin.number(
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS"
        " WHERE VARIABLE_NAME = 'INNODB_ROWS_READ'");
  };
  auto first = rows_read();
  auto none = trim(*rows, trim_kind::messages, 1'000'000, 1'000);
  CHECK(none.is_through);
  CHECK(none.rows == 0);
  CHECK(rows_read() - first <= 40 * 4 + 50);  // of 10,040

  auto second = rows_read();
  auto some = trim(*rows, trim_kind::messages, 1'000'011, 100);
  CHECK(some.rows == 100);
  CHECK_FALSE(some.is_through);
  CHECK(rows_read() - second <= 100 * 6 + 50);
}

TEST_CASE("mysql trim: a walk of tokens reads no more than it is told to, and takes the lookup rows along") {
  mysql_harness harness;
  auto rows = harness.open();
  for (std::uint64_t owner = 1; owner <= 20; ++owner) {
    std::vector<write_op> ops;
    for (std::uint8_t number = 0; number < 20; ++number) {
      token_record row;
      row.hash = {number, static_cast<std::uint8_t>(owner), 255};
      row.type = token_type::user;
      row.user = {owner};
      row.created = wall_time(seconds(1));
      row.is_revoked = number % 2 == 0;
      ops.push_back(put_token{row});
    }
    commit(*rows, std::move(ops));
  }
  auto admin = harness.admin();
  std::size_t gone = 0, trims = 0;
  for (bool is_through = false; !is_through && trims < 100; ++trims) {
    auto one = trim(*rows, trim_kind::tokens, 2'000'000, 7);
    CHECK(one.rows <= 7);
    gone += one.rows;
    is_through = one.is_through;
  }
  CHECK(gone == 200);
  CHECK(trims == 400 / 7 + 1);
  CHECK(admin.number("SELECT COUNT(*) FROM tokens WHERE is_revoked = 0") == 200);
  CHECK(admin.number("SELECT COUNT(*) FROM tokens") == 200);
  CHECK(admin.number("SELECT COUNT(*) FROM token_owners") == 200);
}

}  // namespace
}  // namespace throng
