// SPDX-License-Identifier: Apache-2.0
// What every store must do. A store's test defines THRONG_STORES, a list of harness types, and includes this file:
//
//   struct my_harness {
//     my_harness();                    // a place of its own, empty; the destructor clears it away
//     std::unique_ptr<store> open();   // on the same data each time; only one is open at once
//   };
//   #define THRONG_STORES my_harness
//   #include "tests/unit/storage/store_contract.hpp"
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "storage/store.hpp"

namespace throng {
namespace {

using namespace std::chrono_literals;

constexpr auto largest_id = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t upper_half = std::uint64_t{1} << 63;
constexpr std::size_t any_count = 1000;

constexpr channel_id lobby{400};
constexpr user_id ada{7};
constexpr user_id bob{9};
/// The slot that lobby is in: what fences its writes.
const slot_id lobby_slot = slot_of(key_of(lobby));
const slot_id next_slot{static_cast<std::uint16_t>(lobby_slot.value + 1)};

wall_time at_second(std::int64_t second) { return wall_time{std::chrono::seconds{second}}; }

/// A post whose ts is `second`; seq follows ts unless told.
message_record post(std::int64_t second, user_id by = ada, channel_id in = lobby) {
  message_record row;
  row.channel = in;
  row.ts = {second * 1'000'000};
  row.seq = static_cast<seq_t>(second);
  row.user = by;
  row.data = "post " + std::to_string(second);
  return row;
}
message_record reply(std::int64_t second, std::int64_t root, user_id by = ada) {
  auto row = post(second, by);
  row.thread_ts = {root * 1'000'000};
  row.in_channel = false;
  return row;
}
event_record event(seq_t seq, entity_key stream = key_of(lobby), std::int64_t second = 0) {
  return {stream, seq, at_second(second), "event " + std::to_string(seq)};
}

commit_unit unfenced(std::vector<write_op> ops) { return {{}, std::move(ops)}; }
template <class Op>
void commit_one(store& target, Op op) {
  std::vector units{unfenced({std::move(op)})};
  auto outcomes = target.commit(units);
  REQUIRE(outcomes.ok());
  REQUIRE(outcomes->size() == 1);
  REQUIRE(outcomes->front().ok());
}
template <class Op>
errc refusal_of(store& target, Op op) {
  std::vector units{unfenced({std::move(op)})};
  auto outcomes = target.commit(units);
  REQUIRE(outcomes.ok());
  REQUIRE_FALSE(outcomes->front().ok());
  return outcomes->front().code();
}
struct trim_outcome {
  std::size_t rows = 0;
  bool is_through = false;
};
trim_outcome trim_one(store& target, trim_kind what, wall_time before, std::size_t count_max) {
  auto report = std::make_shared<trim_report>();
  commit_one(target, trim_rows{what, before, count_max, report});
  CHECK(report->busy_micros.load() >= 0);
  return {report->rows.load(), report->is_through.load()};
}
/// As many trims as it takes; how many rows went.
std::size_t trim_all(store& target, trim_kind what, wall_time before, std::size_t count_max) {
  std::size_t rows = 0;
  for (int tries = 0; tries < 1000; ++tries) {
    auto one = trim_one(target, what, before, count_max);
    CHECK(one.rows <= count_max * 4);  // of each shard
    rows += one.rows;
    if (one.is_through) return rows;
  }
  FAIL("a walk has no end");
  return rows;
}
void commit_posts(store& target, const std::vector<message_record>& rows) {
  for (const auto& row : rows) commit_one(target, insert_message{row});
}

/// The seconds of the posts, to compare lists at a glance.
std::vector<std::int64_t> seconds(const result<std::vector<message_record>>& rows) {
  REQUIRE(rows.ok());
  std::vector<std::int64_t> all;
  for (const auto& row : *rows) all.push_back(row.ts.micros / 1'000'000);
  return all;
}
std::vector<seq_t> seqs(const result<std::vector<event_record>>& rows) {
  REQUIRE(rows.ok());
  std::vector<seq_t> all;
  for (const auto& row : *rows) all.push_back(row.seq);
  return all;
}
using list_of_seconds = std::vector<std::int64_t>;
using list_of_seqs = std::vector<seq_t>;

/// An open store and a reader of it.
template <class Harness>
struct fixture {
  Harness harness;
  std::unique_ptr<store> rows = harness.open();
  std::unique_ptr<store_reader> reader = rows->make_reader();

  void reopen() {
    reader.reset();
    rows.reset();
    rows = harness.open();
    reader = rows->make_reader();
  }
};

#define STORE_CASE(sentence) TEST_CASE_TEMPLATE("store: " sentence, Harness, THRONG_STORES)

// -- rows by key -----------------------------------------------------------------------------------------------------

STORE_CASE("every kind of row comes back as it was written, also after reopening") {
  fixture<Harness> f;
  std::string bytes("\0\1\x7f\x80\xff'\"; -- ü 😀", 19);
  constexpr team_id team{3};  // what a unit writes is in one shard: these are, together with ada and lobby
  constexpr app_id bot{4};
  token_record token{{1, 2, 255},  token_type::bot, team, ada, bot, "chat:write,users:read",
                     at_second(1), at_second(9),    true};
  workspace_record workspace{team, "acme", bytes};
  directory_record listed{team, directory_record::kind_t::channel, lobby.value, bytes};
  user_record user{ada, team, bytes};
  membership_record membership{ada, lobby, {5'000'001}, false, false, true};
  channel_record channel{lobby, team, bytes};
  member_record member{lobby, ada, at_second(3) + 1us};
  app_record app{bot, bytes};
  message_record message{lobby, {1'700'000'000'000'100}, 12, bob, {1'600'000'000'000'000}, false, true, "id-1", bytes};
  event_record happened{key_of(team), 3, at_second(4) + 5us, bytes};

  std::vector units{unfenced({put_workspace{workspace}, put_directory{listed}, put_user{user},
                              put_membership{membership}, put_channel{channel}, put_member{member}, put_token{token},
                              put_app{app}, insert_message{message}, insert_event{happened}})};
  auto outcomes = f.rows->commit(units);
  REQUIRE(outcomes.ok());
  REQUIRE(outcomes->at(0).ok());

  for (bool is_reopened : {false, true}) {
    CAPTURE(is_reopened);
    if (is_reopened) f.reopen();
    CHECK(f.reader->workspace(team).value() == workspace);
    CHECK(f.reader->workspace_by_domain("acme").value() == workspace);
    CHECK(f.reader->directory(team, listed.kind, 0, any_count).value() == std::vector{listed});
    CHECK(f.reader->user(ada).value() == user);
    CHECK(f.reader->memberships(ada, {}, any_count).value() == std::vector{membership});
    CHECK(f.reader->channel(lobby).value() == channel);
    CHECK(f.reader->members(lobby, {}, any_count).value() == std::vector{member});
    CHECK(f.reader->message(lobby, message.ts).value() == message);
    CHECK(f.reader->events_after(happened.stream, 0, any_count).value() == std::vector{happened});
    CHECK(f.reader->token(token.hash).value() == token);
    CHECK(f.reader->tokens_of(ada, any_count).value() == std::vector{token});
    CHECK(f.reader->app(bot).value() == app);
  }
}

STORE_CASE("a row that isn't there is not_found, a list of nothing is empty") {
  fixture<Harness> f;
  CHECK(f.reader->workspace({1}).code() == errc::not_found);
  CHECK(f.reader->workspace_by_domain("acme").code() == errc::not_found);
  CHECK(f.reader->user(ada).code() == errc::not_found);
  CHECK(f.reader->channel(lobby).code() == errc::not_found);
  CHECK(f.reader->message(lobby, {1}).code() == errc::not_found);
  CHECK(f.reader->token({}).code() == errc::not_found);
  CHECK(f.reader->app({1}).code() == errc::not_found);
  CHECK(f.reader->workspaces({}, any_count)->empty());
  CHECK(f.reader->directory({1}, directory_record::kind_t::user, 0, any_count)->empty());
  CHECK(f.reader->memberships(ada, {}, any_count)->empty());
  CHECK(f.reader->members(lobby, {}, any_count)->empty());
  CHECK(f.reader->messages(lobby, {})->empty());
  CHECK(f.reader->replies(lobby, {1}, {})->empty());
  CHECK(f.reader->messages_after(lobby, 0, any_count)->empty());
  CHECK(f.reader->events_after(key_of(lobby), 0, any_count)->empty());
  CHECK(f.reader->tokens_of(ada, any_count)->empty());
  CHECK(f.rows->fences()->empty());
  auto end = f.reader->end_of(key_of(lobby));
  CHECK(end->seq == 0);
  CHECK_FALSE(end->ts);
}

STORE_CASE("put writes the whole row over the one that was there") {
  fixture<Harness> f;
  commit_one(*f.rows, put_workspace{{{1}, "acme", "a"}});
  commit_one(*f.rows, put_workspace{{{1}, "apex", "b"}});
  CHECK(f.reader->workspace({1}).value() == workspace_record{{1}, "apex", "b"});
  CHECK(f.reader->workspace_by_domain("acme").code() == errc::not_found);

  commit_one(*f.rows, put_user{{ada, {1}, "a"}});
  commit_one(*f.rows, put_user{{ada, {2}, ""}});
  CHECK(f.reader->user(ada).value() == user_record{ada, {2}, ""});
  commit_one(*f.rows, put_channel{{lobby, {1}, "a"}});
  commit_one(*f.rows, put_channel{{lobby, {2}, "b"}});
  CHECK(f.reader->channel(lobby).value() == channel_record{lobby, {2}, "b"});
  commit_one(*f.rows, put_directory{{{1}, directory_record::kind_t::app, 3, "a"}});
  commit_one(*f.rows, put_directory{{{1}, directory_record::kind_t::app, 3, "b"}});
  CHECK(f.reader->directory({1}, directory_record::kind_t::app, 0, any_count)->at(0).data == "b");
  commit_one(*f.rows, put_membership{{ada, lobby, {1}, true}});
  commit_one(*f.rows, put_membership{{ada, lobby, {2}, false, false, true}});
  CHECK(f.reader->memberships(ada, {}, any_count)->at(0) == membership_record{ada, lobby, {2}, false, false, true});
  commit_one(*f.rows, put_member{{lobby, ada, at_second(1)}});
  commit_one(*f.rows, put_member{{lobby, ada, at_second(2)}});
  CHECK(f.reader->members(lobby, {}, any_count)->at(0).joined == at_second(2));
  commit_one(*f.rows, put_app{{{5}, "a"}});
  commit_one(*f.rows, put_app{{{5}, "b"}});
  CHECK(f.reader->app({5})->data == "b");

  token_record token{{9}, token_type::user, {1}, ada, {}, "a", at_second(1), {}, false};
  commit_one(*f.rows, put_token{token});
  token.is_revoked = true;
  token.user = bob;
  commit_one(*f.rows, put_token{token});
  CHECK(f.reader->token(token.hash).value() == token);
  CHECK(f.reader->tokens_of(ada, any_count)->empty());
  CHECK(f.reader->tokens_of(bob, any_count)->size() == 1);
}

STORE_CASE("erasing takes one row away; one that isn't there is no error") {
  fixture<Harness> f;
  for (auto user : {ada, bob}) {
    commit_one(*f.rows, put_member{{lobby, user, {}}});
    commit_one(*f.rows, put_membership{{user, lobby, {}, true}});
  }
  commit_one(*f.rows, erase_member{lobby, ada});
  commit_one(*f.rows, erase_membership{bob, lobby});
  CHECK(f.reader->members(lobby, {}, any_count)->size() == 1);
  CHECK(f.reader->members(lobby, {}, any_count)->at(0).user == bob);
  CHECK(f.reader->memberships(ada, {}, any_count)->size() == 1);
  CHECK(f.reader->memberships(bob, {}, any_count)->empty());
  commit_one(*f.rows, erase_member{lobby, ada});
  commit_one(*f.rows, erase_membership{bob, lobby});
}

// -- lists -----------------------------------------------------------------------------------------------------------

STORE_CASE("lists are in the order of unsigned ids, start after a key and end at a bound") {
  fixture<Harness> f;
  const std::vector<std::uint64_t> ids{1, 2, upper_half - 1, upper_half, upper_half + 1, largest_id};
  for (auto id : {ids[3], ids[0], ids[5], ids[2], ids[4], ids[1]}) {  // not in order
    commit_one(*f.rows, put_workspace{{{id}, "domain-" + std::to_string(id), ""}});
    commit_one(*f.rows, put_directory{{{upper_half}, directory_record::kind_t::user, id, ""}});
    commit_one(*f.rows, put_membership{{{largest_id}, {id}, {}, true}});
    commit_one(*f.rows, put_member{{{largest_id}, {id}, {}}});
  }
  // Neighbours that must not show up.
  commit_one(*f.rows, put_directory{{{upper_half}, directory_record::kind_t::app, 5, ""}});
  commit_one(*f.rows, put_directory{{{1}, directory_record::kind_t::user, 5, ""}});
  commit_one(*f.rows, put_membership{{{1}, {5}, {}, true}});
  commit_one(*f.rows, put_member{{{1}, {5}, {}}});

  auto check = [&](auto list) {
    CHECK(list(0, any_count) == ids);
    CHECK(list(2, any_count) == std::vector(ids.begin() + 2, ids.end()));
    CHECK(list(3, 2) == std::vector{ids[2], ids[3]});
    CHECK(list(upper_half, std::numeric_limits<std::size_t>::max()) == std::vector{ids[4], ids[5]});
    CHECK(list(largest_id, any_count).empty());
    CHECK(list(0, 0).empty());
  };
  auto ids_of = [](const auto& rows, auto id_of) {
    REQUIRE(rows.ok());
    std::vector<std::uint64_t> all;
    for (const auto& row : *rows) all.push_back(id_of(row));
    return all;
  };
  check([&](std::uint64_t after, std::size_t count_max) {
    return ids_of(f.reader->workspaces({after}, count_max), [](const auto& row) { return row.id.value; });
  });
  check([&](std::uint64_t after, std::size_t count_max) {
    return ids_of(f.reader->directory({upper_half}, directory_record::kind_t::user, after, count_max),
                  [](const auto& row) { return row.id; });
  });
  check([&](std::uint64_t after, std::size_t count_max) {
    return ids_of(f.reader->memberships({largest_id}, {after}, count_max),
                  [](const auto& row) { return row.channel.value; });
  });
  check([&](std::uint64_t after, std::size_t count_max) {
    return ids_of(f.reader->members({largest_id}, {after}, count_max), [](const auto& row) { return row.user.value; });
  });
}

STORE_CASE("a person's tokens are listed by their hash") {
  fixture<Harness> f;
  for (std::uint8_t first : {200, 3, 100})
    commit_one(*f.rows, put_token{{{first}, token_type::user, {1}, ada, {}, "", {}, {}, false}});
  commit_one(*f.rows, put_token{{{1}, token_type::app, {1}, {}, {5}, "", {}, {}, false}});
  auto tokens = f.reader->tokens_of(ada, 2);
  REQUIRE(tokens->size() == 2);
  CHECK(tokens->at(0).hash[0] == 3);
  CHECK(tokens->at(1).hash[0] == 100);
}

// -- posts -----------------------------------------------------------------------------------------------------------

STORE_CASE("history is bounded by ts, exclusive unless inclusive, newest or oldest first") {
  fixture<Harness> f;
  commit_posts(*f.rows, {post(10), post(20), post(30), post(40)});
  commit_one(*f.rows, insert_message{post(25, ada, {404})});  // another channel
  auto history = [&](std::int64_t oldest, std::int64_t latest, bool inclusive, bool newest_first,
                     std::size_t count_max) {
    store_reader::message_range range;
    range.oldest = {oldest * 1'000'000};
    range.latest = {latest * 1'000'000};
    range.inclusive = inclusive;
    range.newest_first = newest_first;
    range.count_max = count_max;
    return seconds(f.reader->messages(lobby, range));
  };
  CHECK(history(0, 0, false, true, 10) == list_of_seconds{40, 30, 20, 10});
  CHECK(history(0, 0, false, false, 10) == list_of_seconds{10, 20, 30, 40});
  CHECK(history(10, 40, false, true, 10) == list_of_seconds{30, 20});
  CHECK(history(10, 40, true, true, 10) == list_of_seconds{40, 30, 20, 10});
  CHECK(history(10, 0, false, false, 10) == list_of_seconds{20, 30, 40});
  CHECK(history(0, 40, false, false, 10) == list_of_seconds{10, 20, 30});
  CHECK(history(20, 20, true, true, 10) == list_of_seconds{20});
  CHECK(history(20, 20, false, true, 10).empty());
  CHECK(history(30, 20, true, true, 10).empty());
  CHECK(history(0, 0, false, true, 2) == list_of_seconds{40, 30});
  CHECK(history(0, 0, false, false, 2) == list_of_seconds{10, 20});
  CHECK(history(0, 0, false, true, 0).empty());
}

STORE_CASE("history hides deleted posts and replies that were not broadcast, unless asked") {
  fixture<Harness> f;
  auto broadcast = reply(30, 10);
  broadcast.in_channel = true;
  auto deleted = post(40);
  commit_posts(*f.rows, {post(10), reply(20, 10), broadcast, deleted, post(50)});
  deleted.is_deleted = true;
  deleted.data.clear();
  commit_one(*f.rows, put_message{deleted});

  store_reader::message_range range;
  range.newest_first = false;
  CHECK(seconds(f.reader->messages(lobby, range)) == list_of_seconds{10, 30, 50});
  range.count_max = 2;  // the hidden ones don't count
  CHECK(seconds(f.reader->messages(lobby, range)) == list_of_seconds{10, 30});
  range.count_max = any_count;
  range.with_hidden_replies = true;
  CHECK(seconds(f.reader->messages(lobby, range)) == list_of_seconds{10, 20, 30, 50});
  range.with_deleted = true;
  CHECK(seconds(f.reader->messages(lobby, range)) == list_of_seconds{10, 20, 30, 40, 50});
  range.with_hidden_replies = false;
  CHECK(seconds(f.reader->messages(lobby, range)) == list_of_seconds{10, 30, 40, 50});
  CHECK(f.reader->message(lobby, deleted.ts).value() == deleted);
}

STORE_CASE("a thread's replies are listed oldest first, within bounds, without its root") {
  fixture<Harness> f;
  auto deleted = reply(40, 10);
  deleted.is_deleted = true;
  commit_posts(*f.rows, {post(10), reply(20, 10), post(25), reply(30, 10), deleted, reply(50, 25), reply(60, 10)});
  store_reader::message_range range;  // newest_first and the hidden replies' flag don't count
  message_ts root{10'000'000};
  CHECK(seconds(f.reader->replies(lobby, root, range)) == list_of_seconds{20, 30, 60});
  range.count_max = 2;
  CHECK(seconds(f.reader->replies(lobby, root, range)) == list_of_seconds{20, 30});
  range.count_max = any_count;
  range.with_deleted = true;
  CHECK(seconds(f.reader->replies(lobby, root, range)) == list_of_seconds{20, 30, 40, 60});
  range.oldest = {20'000'000};
  range.latest = {60'000'000};
  CHECK(seconds(f.reader->replies(lobby, root, range)) == list_of_seconds{30, 40});
  range.inclusive = true;
  CHECK(seconds(f.reader->replies(lobby, root, range)) == list_of_seconds{20, 30, 40, 60});
  CHECK(f.reader->replies({404}, root, {})->empty());
  CHECK(f.reader->replies(lobby, {}, {})->empty());  // no root: not the posts without a thread
}

STORE_CASE("a thread's summary counts the replies that are left and shows the first five people") {
  fixture<Harness> f;
  commit_posts(*f.rows, {post(1), post(2), post(3)});
  std::vector<user_id> people{{70}, {upper_half + 1}, {50}, {60}, {40}, {30}};
  std::int64_t second = 10;
  for (auto person : people) commit_one(*f.rows, insert_message{reply(second++, 1, person)});
  commit_one(*f.rows, insert_message{reply(20, 1, people[2])});
  auto gone = reply(21, 1, bob);
  commit_one(*f.rows, insert_message{gone});
  commit_one(*f.rows, insert_message{reply(22, 2, bob)});
  gone.is_deleted = true;
  commit_one(*f.rows, put_message{gone});

  std::vector<message_ts> roots{{1'000'000}, {2'000'000}, {3'000'000}, {99}};
  auto summaries = f.reader->thread_summaries(lobby, roots);
  REQUIRE(summaries->size() == 2);
  CHECK(summaries->at(0) == thread_summary{{1'000'000}, 7, {20'000'000}, {people.begin(), people.begin() + 5}, 6});
  CHECK(summaries->at(1) == thread_summary{{2'000'000}, 1, {22'000'000}, {bob}, 1});

  auto last = reply(22, 2, bob);
  last.is_deleted = true;
  commit_one(*f.rows, put_message{last});
  CHECK(f.reader->thread_summaries(lobby, roots)->size() == 1);
  CHECK(f.reader->thread_summaries({404}, roots)->empty());
}

STORE_CASE("threads have the same summaries asked one by one or together, with few replies between them or many") {
  fixture<Harness> f;
  std::vector<message_record> posts;
  for (std::int64_t second = 1; second <= 6; ++second) posts.push_back(post(second));
  for (std::int64_t i = 0; i < 40; ++i) posts.push_back(reply(10 + i, 1 + i % 5, {std::uint64_t(70 + i % 7)}));
  commit_posts(*f.rows, posts);
  std::vector<message_ts> roots{{5'000'000}, {1'000'000}, {6'000'000}, {2'000'000}, {4'000'000}};
  auto check = [&] {
    std::vector<thread_summary> one_by_one;
    for (auto root : roots) {
      auto one = f.reader->thread_summaries(lobby, {&root, 1});
      one_by_one.insert(one_by_one.end(), one->begin(), one->end());
    }
    CHECK(one_by_one.size() == 4);
    auto together = f.reader->thread_summaries(lobby, roots);
    REQUIRE(together.ok());
    CHECK(*together == one_by_one);
  };
  check();
  posts.clear();
  for (std::int64_t i = 0; i < 400; ++i) posts.push_back(reply(100 + i, 3, {std::uint64_t(70 + i % 9)}));  // not asked
  commit_posts(*f.rows, posts);
  check();
}

STORE_CASE("a post is inserted once and changed by put") {
  fixture<Harness> f;
  commit_one(*f.rows, insert_message{post(10)});
  auto other = post(10, bob);
  CHECK(refusal_of(*f.rows, insert_message{other}) == errc::conflict);
  CHECK(f.reader->message(lobby, other.ts)->user == ada);
  commit_one(*f.rows, insert_message{post(10, bob, {404})});  // the same ts in another channel
  auto edited = post(10);
  edited.data = "edited";
  edited.client_msg_id = "x";
  commit_one(*f.rows, put_message{edited});
  CHECK(f.reader->message(lobby, edited.ts).value() == edited);
  commit_one(*f.rows, put_message{post(11)});  // put doesn't need one that is there
  CHECK(f.reader->message(lobby, {11'000'000}).ok());
}

STORE_CASE("large rows come back whole, and one that is too large is refused alone") {
  fixture<Harness> f;
  std::string megabyte(1 << 20, '\0');
  for (std::size_t i = 0; i < megabyte.size(); ++i) megabyte[i] = static_cast<char>(i * 31 + (i >> 8));
  auto row = post(1);
  row.data = megabyte;
  commit_one(*f.rows, insert_message{row});
  CHECK(f.reader->message(lobby, row.ts)->data == megabyte);
  commit_one(*f.rows, put_user{{ada, {1}, std::string(row_bytes_max, 'x')}});
  CHECK(f.reader->user(ada)->data.size() == row_bytes_max);

  std::vector units{unfenced({insert_message{post(2)}, put_user{{bob, {1}, std::string(row_bytes_max + 1, 'x')}}}),
                    unfenced({insert_message{post(3)}})};
  auto outcomes = f.rows->commit(units);
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).code() == errc::request_too_large);
  CHECK(outcomes->at(1).ok());
  CHECK(seconds(f.reader->messages(lobby, {})) == list_of_seconds{3, 1});
}

STORE_CASE("text columns hold any bytes too") {
  fixture<Harness> f;
  std::string odd("a\0b", 3);
  auto row = post(1);
  row.client_msg_id = odd;
  commit_one(*f.rows, insert_message{row});
  CHECK(f.reader->message(lobby, row.ts)->client_msg_id == odd);
  commit_one(*f.rows, put_workspace{{{1}, "grün😀", ""}});
  commit_one(*f.rows, put_workspace{{{2}, odd, ""}});
  commit_one(*f.rows, put_workspace{{{3}, "a", ""}});
  CHECK(f.reader->workspace_by_domain("grün😀")->id == team_id{1});
  CHECK(f.reader->workspace_by_domain(odd)->id == team_id{2});
  CHECK(f.reader->workspace_by_domain("a")->id == team_id{3});
  CHECK(f.reader->workspace_by_domain("A").code() == errc::not_found);
}

// -- streams ---------------------------------------------------------------------------------------------------------

STORE_CASE("the end of a stream is the newest of its posts and events") {
  fixture<Harness> f;
  commit_posts(*f.rows, {post(1), post(2)});
  CHECK(f.reader->end_of(key_of(lobby))->seq == 2);
  commit_one(*f.rows, insert_event{event(3)});
  CHECK(f.reader->end_of(key_of(lobby))->seq == 3);
  CHECK(f.reader->end_of(key_of(lobby))->ts == message_ts{2'000'000});
  auto deleted = post(4);
  deleted.is_deleted = true;
  commit_one(*f.rows, insert_message{deleted});
  CHECK(f.reader->end_of(key_of(lobby))->seq == 4);
  CHECK(f.reader->end_of(key_of(lobby))->ts == deleted.ts);

  commit_one(*f.rows, insert_event{event(9, key_of(team_id{lobby.value}))});  // the same number, another kind
  CHECK(f.reader->end_of(key_of(lobby))->seq == 4);
  CHECK(f.reader->end_of(key_of(team_id{lobby.value}))->seq == 9);
  CHECK_FALSE(f.reader->end_of(key_of(team_id{lobby.value}))->ts);
  CHECK(f.reader->end_of(key_of(user_id{lobby.value}))->seq == 0);
}

STORE_CASE("posts after a position come oldest first, hidden and deleted ones too, or too_old") {
  fixture<Harness> f;
  auto deleted = post(30);
  deleted.is_deleted = true;
  commit_posts(*f.rows, {post(10), reply(20, 10), deleted, post(40)});
  CHECK(seconds(f.reader->messages_after(lobby, 0, 4)) == list_of_seconds{10, 20, 30, 40});
  CHECK(seconds(f.reader->messages_after(lobby, 10, 4)) == list_of_seconds{20, 30, 40});
  CHECK(seconds(f.reader->messages_after(lobby, 39, 4)) == list_of_seconds{40});
  CHECK(seconds(f.reader->messages_after(lobby, 40, 4)).empty());
  CHECK(seconds(f.reader->messages_after(lobby, largest_id, 4)).empty());
  CHECK(seconds(f.reader->messages_after(lobby, 10, 3)) == list_of_seconds{20, 30, 40});
  CHECK(f.reader->messages_after(lobby, 10, 2).code() == errc::too_old);
  CHECK(f.reader->messages_after(lobby, 0, 0).code() == errc::too_old);
  CHECK(seconds(f.reader->messages_after(lobby, 40, 0)).empty());
  CHECK(seconds(f.reader->messages_after(lobby, 0, std::numeric_limits<std::size_t>::max())).size() == 4);
}

STORE_CASE("events after a position come oldest first, or too_old") {
  fixture<Harness> f;
  for (seq_t seq : {5, 2, 9}) commit_one(*f.rows, insert_event{event(seq)});
  commit_one(*f.rows, insert_event{event(3, key_of(ada))});
  CHECK(refusal_of(*f.rows, insert_event{event(5)}) == errc::conflict);
  CHECK(seqs(f.reader->events_after(key_of(lobby), 0, 3)) == list_of_seqs{2, 5, 9});
  CHECK(seqs(f.reader->events_after(key_of(lobby), 2, 3)) == list_of_seqs{5, 9});
  CHECK(seqs(f.reader->events_after(key_of(lobby), 9, 3)).empty());
  CHECK(seqs(f.reader->events_after(key_of(lobby), largest_id, 3)).empty());
  CHECK(f.reader->events_after(key_of(lobby), 0, 2).code() == errc::too_old);
  CHECK(seqs(f.reader->events_after(key_of(ada), 0, std::numeric_limits<std::size_t>::max())) == list_of_seqs{3});
}

STORE_CASE("trimmed events are gone, are missed explicitly, and their positions stay used") {
  fixture<Harness> f;
  for (seq_t seq = 1; seq <= 4; ++seq)
    commit_one(*f.rows, insert_event{event(seq, key_of(lobby), static_cast<std::int64_t>(seq) * 10)});
  commit_one(*f.rows, insert_event{event(1, key_of(ada), 15)});

  auto trim = [&](wall_time before, std::size_t count_max) {
    return trim_one(*f.rows, trim_kind::events, before, count_max).rows;
  };
  CHECK(trim(at_second(10), any_count) == 0);  // strictly older
  CHECK(trim(at_second(31), 2) == 2);          // of lobby's and ada's, the oldest two
  CHECK(f.reader->events_after(key_of(lobby), 0, any_count).code() == errc::too_old);
  CHECK(seqs(f.reader->events_after(key_of(lobby), 1, any_count)) == list_of_seqs{2, 3, 4});
  CHECK(f.reader->events_after(key_of(ada), 0, any_count).code() == errc::too_old);
  CHECK(seqs(f.reader->events_after(key_of(ada), 1, any_count)).empty());

  commit_one(*f.rows, trim_rows{trim_kind::events, at_second(31), 0, nullptr});
  CHECK(trim(at_second(1000), any_count) == 3);
  f.reopen();
  CHECK(f.reader->end_of(key_of(lobby))->seq == 4);
  CHECK(f.reader->end_of(key_of(ada))->seq == 1);
  CHECK(f.reader->events_after(key_of(lobby), 3, any_count).code() == errc::too_old);
  CHECK(f.reader->events_after(key_of(lobby), 4, any_count)->empty());
  commit_one(*f.rows, insert_event{event(5)});
  CHECK(seqs(f.reader->events_after(key_of(lobby), 4, any_count)) == list_of_seqs{5});
}

STORE_CASE("trimmed posts are gone, are missed explicitly, and their positions stay used") {
  fixture<Harness> f;
  commit_one(*f.rows, put_channel{{lobby, {1}, ""}});
  commit_posts(*f.rows, {post(10), post(20), post(30), post(40)});
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(10), any_count) == 0);  // strictly older
  CHECK(f.reader->messages_after(lobby, 0, any_count)->size() == 4);

  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(21), any_count) == 2);
  CHECK(seconds(f.reader->messages(lobby, {})) == list_of_seconds{40, 30});
  CHECK(f.reader->message(lobby, {20'000'000}).code() == errc::not_found);
  CHECK(f.reader->messages_after(lobby, 0, any_count).code() == errc::too_old);
  CHECK(f.reader->messages_after(lobby, 19, any_count).code() == errc::too_old);
  CHECK(seconds(f.reader->messages_after(lobby, 20, any_count)) == list_of_seconds{30, 40});
  CHECK(seconds(f.reader->messages_after(lobby, 30, any_count)) == list_of_seconds{40});

  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(1000), any_count) == 2);  // the newest too
  f.reopen();
  CHECK(f.reader->messages(lobby, {})->empty());
  CHECK(f.reader->end_of(key_of(lobby))->seq == 40);
  CHECK(f.reader->end_of(key_of(lobby))->ts == message_ts{40'000'000});
  CHECK(f.reader->messages_after(lobby, 39, any_count).code() == errc::too_old);
  CHECK(f.reader->messages_after(lobby, 40, any_count)->empty());
  CHECK(f.reader->events_after(key_of(lobby), 0, any_count)->empty());  // posts are not events

  commit_one(*f.rows, insert_message{post(50)});
  CHECK(seconds(f.reader->messages_after(lobby, 40, any_count)) == list_of_seconds{50});
  CHECK(f.reader->messages_after(lobby, 40, 0).code() == errc::too_old);
  CHECK(f.reader->end_of(key_of(lobby))->seq == 50);
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(1), any_count) == 0);
  CHECK(f.reader->end_of(key_of(lobby))->seq == 50);
}

STORE_CASE("a post that an edit brings back is trimmed again, and the position doesn't go back") {
  fixture<Harness> f;
  commit_one(*f.rows, put_channel{{lobby, {1}, ""}});
  commit_posts(*f.rows, {post(10), post(20)});
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(100), any_count) == 2);
  commit_one(*f.rows, put_message{post(10)});
  CHECK(f.reader->end_of(key_of(lobby))->seq == 20);
  CHECK(f.reader->messages_after(lobby, 0, any_count).code() == errc::too_old);
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(100), any_count) == 1);
  CHECK(f.reader->end_of(key_of(lobby))->seq == 20);
  CHECK(f.reader->end_of(key_of(lobby))->ts == message_ts{20'000'000});
}

STORE_CASE("threads keep the replies that are young, whatever becomes of their root") {
  fixture<Harness> f;
  commit_one(*f.rows, put_channel{{lobby, {1}, ""}});
  commit_posts(*f.rows, {post(10), reply(20, 10), reply(30, 10, bob), reply(40, 10, bob)});
  message_ts root{10'000'000};
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(25), any_count) == 2);
  CHECK(seconds(f.reader->replies(lobby, root, {})) == list_of_seconds{30, 40});
  auto summaries = f.reader->thread_summaries(lobby, {&root, 1});
  REQUIRE(summaries->size() == 1);
  CHECK(summaries->front() == thread_summary{root, 2, {40'000'000}, {bob}, 1});
  CHECK(trim_all(*f.rows, trim_kind::messages, at_second(100), any_count) == 2);
  CHECK(f.reader->thread_summaries(lobby, {&root, 1})->empty());
}

STORE_CASE("small trims of posts walk over all channels, and begin again after the last") {
  fixture<Harness> f;
  const std::vector<channel_id> channels{{1}, {2}, {3}, {upper_half + 4}, {largest_id - 1}, {largest_id}};
  for (auto id : channels) commit_one(*f.rows, put_channel{{id, {1}, ""}});
  for (auto id : channels) {
    if (id.value == 2) continue;  // has no posts
    for (std::int64_t second : {10, 20, 30, 1000})
      if (id.value != 3 || second == 1000) commit_one(*f.rows, insert_message{post(second, ada, id)});
  }
  for (std::size_t count_max : {2, 1, 3}) {
    CAPTURE(count_max);
    std::size_t old = 0;
    for (auto id : channels)
      if (id.value != 2 && id.value != 3) old += 3;
    CHECK(trim_all(*f.rows, trim_kind::messages, at_second(100), count_max) == old);
    for (auto id : channels) CHECK(f.reader->messages(id, {})->size() == (id.value == 2 ? 0 : 1));
    for (auto id : channels)
      if (id.value != 2 && id.value != 3)
        for (std::int64_t second : {10, 20, 30}) commit_one(*f.rows, insert_message{post(second, ada, id)});
  }
}

STORE_CASE("trims take tokens that are long of no use, and no others") {
  fixture<Harness> f;
  auto token = [](std::uint8_t number, user_id owner, std::int64_t created, std::int64_t expires, bool is_revoked) {
    token_record row;
    row.hash = {number, 1, 2, 255};
    row.type = token_type::user;
    row.team = {1};
    row.user = owner;
    row.created = at_second(created);
    if (expires != 0) row.expires = at_second(expires);
    row.is_revoked = is_revoked;
    return row;
  };
  const std::vector kept{token(10, ada, 1, 0, false), token(20, ada, 1, 100, false), token(200, bob, 100, 0, true),
                         token(210, bob, 1, 500, false)};
  const std::vector gone{token(15, ada, 1, 0, true), token(30, ada, 1, 99, false), token(40, bob, 99, 0, true),
                         token(250, bob, 1, 2, true)};
  for (std::size_t count_max : {1, 3, 100}) {
    CAPTURE(count_max);
    for (const auto& rows : {kept, gone})
      for (const auto& row : rows) commit_one(*f.rows, put_token{row});
    CHECK(trim_all(*f.rows, trim_kind::tokens, at_second(100), count_max) == gone.size());
    for (const auto& row : kept) CHECK(f.reader->token(row.hash).value() == row);
    for (const auto& row : gone) CHECK(f.reader->token(row.hash).code() == errc::not_found);
  }
}

// -- units and fences ------------------------------------------------------------------------------------------------

STORE_CASE("a refused unit leaves no trace and doesn't disturb the others of its batch") {
  fixture<Harness> f;
  commit_one(*f.rows, insert_message{post(10)});
  commit_one(*f.rows, insert_event{event(11)});
  commit_one(*f.rows, put_workspace{{{1}, "acme", ""}});
  std::vector units{
      unfenced({insert_message{post(20)}}),
      unfenced({put_channel{{lobby, {1}, "trace"}}, insert_message{post(10)}}),  // refused by its second write
      unfenced({insert_message{post(21)}, put_user{{ada, {1}, ""}}, insert_event{event(11)}}),  // by its third
      unfenced({insert_message{post(10)}, put_user{{ada, {1}, "trace"}}}),                      // by its first
      unfenced({put_workspace{{{2}, "acme", "trace"}}}),
      unfenced({insert_message{post(22)}, insert_message{post(22)}}),    // by itself
      unfenced({insert_message{post(23)}, put_message{post(23, bob)}}),  // in order
      unfenced({}),
      unfenced({insert_message{post(20)}}),  // by an earlier one
  };
  auto outcomes = f.rows->commit(units);
  REQUIRE(outcomes.ok());
  REQUIRE(outcomes->size() == units.size());
  CHECK(outcomes->at(0).ok());
  CHECK(outcomes->at(1).code() == errc::conflict);
  CHECK(outcomes->at(2).code() == errc::conflict);
  CHECK(outcomes->at(3).code() == errc::conflict);
  CHECK(outcomes->at(4).code() == errc::domain_taken);
  CHECK(outcomes->at(5).code() == errc::conflict);
  CHECK(outcomes->at(6).ok());
  CHECK(outcomes->at(7).ok());
  CHECK(outcomes->at(8).code() == errc::conflict);
  f.reopen();
  CHECK(seconds(f.reader->messages(lobby, {})) == list_of_seconds{23, 20, 10});
  CHECK(f.reader->message(lobby, {23'000'000})->user == bob);
  CHECK(f.reader->channel(lobby).code() == errc::not_found);
  CHECK(f.reader->user(ada).code() == errc::not_found);
  CHECK(f.reader->workspace({2}).code() == errc::not_found);
}

STORE_CASE("what builds on a refused unit is refused too, in its batch and later; others are not") {
  fixture<Harness> f;
  commit_one(*f.rows, insert_message{post(10)});
  auto broken = std::make_shared<std::atomic<bool>>(false);
  auto sound = std::make_shared<std::atomic<bool>>(false);
  std::vector<commit_unit> units{
      {{}, {insert_message{post(11)}}, broken}, {{}, {insert_message{post(10)}}, broken},
      {{}, {insert_message{post(12)}}, broken}, {{}, {insert_message{post(13)}}, sound},
      {{}, {insert_message{post(14)}}},
  };
  auto outcomes = f.rows->commit(units);
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).ok());
  CHECK(outcomes->at(1).code() == errc::conflict);
  CHECK(outcomes->at(2).code() == errc::conflict);
  CHECK(outcomes->at(3).ok());
  CHECK(outcomes->at(4).ok());
  CHECK(broken->load());
  CHECK_FALSE(sound->load());
  std::vector<commit_unit> later{{{}, {insert_message{post(15)}}, broken}, {{}, {insert_message{post(16)}}, sound}};
  CHECK(f.rows->commit(later)->at(0).code() == errc::conflict);
  CHECK(seconds(f.reader->messages(lobby, {})) == list_of_seconds{16, 14, 13, 11, 10});
}

STORE_CASE("no units are no work") {
  fixture<Harness> f;
  CHECK(f.rows->commit({})->empty());
}

STORE_CASE("two workspaces can't have one domain, also by renaming") {
  fixture<Harness> f;
  commit_one(*f.rows, put_workspace{{{1}, "acme", ""}});
  commit_one(*f.rows, put_workspace{{{2}, "apex", ""}});
  CHECK(refusal_of(*f.rows, put_workspace{{{2}, "acme", "x"}}) == errc::domain_taken);
  CHECK(f.reader->workspace({2}).value() == workspace_record{{2}, "apex", ""});
  commit_one(*f.rows, put_workspace{{{1}, "axis", ""}});
  commit_one(*f.rows, put_workspace{{{2}, "acme", ""}});
}

STORE_CASE("a unit with an epoch below the slot's is refused, alone") {
  fixture<Harness> f;
  REQUIRE(f.rows->raise_fence({lobby_slot, 10}).ok());
  std::vector<commit_unit> units{
      {{lobby_slot, 9}, {insert_message{post(1)}}},  {{lobby_slot, 10}, {insert_message{post(2)}}},
      {{lobby_slot, 11}, {insert_message{post(3)}}},  // raised by nobody yet, but not stale
      {{next_slot, 1}, {insert_message{post(4)}}},    // a slot without a fence
      {{lobby_slot, 0}, {insert_message{post(5)}}},   // not fenced
      {{lobby_slot, 1}, {insert_message{post(6)}}},
  };
  auto outcomes = f.rows->commit(units);
  REQUIRE(outcomes.ok());
  CHECK(outcomes->at(0).code() == errc::stale_epoch);
  CHECK(outcomes->at(1).ok());
  CHECK(outcomes->at(2).ok());
  CHECK(outcomes->at(3).ok());
  CHECK(outcomes->at(4).ok());
  CHECK(outcomes->at(5).code() == errc::stale_epoch);
  CHECK(seconds(f.reader->messages(lobby, {})) == list_of_seconds{5, 4, 3, 2});
}

STORE_CASE("a slot's epoch only rises") {
  fixture<Harness> f;
  CHECK(f.rows->raise_fence({lobby_slot, 10}).ok());
  CHECK(f.rows->raise_fence({lobby_slot, 10}).ok());
  CHECK(f.rows->raise_fence({lobby_slot, 9}).code() == errc::stale_epoch);
  CHECK(f.rows->raise_fence({lobby_slot, 12}).ok());
  std::vector<commit_unit> units{{{lobby_slot, 11}, {insert_message{post(1)}}}};
  CHECK(f.rows->commit(units)->at(0).code() == errc::stale_epoch);
  f.reopen();
  CHECK(f.rows->commit(units)->at(0).code() == errc::stale_epoch);
  CHECK(f.rows->fences().value() == std::vector{fence{lobby_slot, 12}});
}

STORE_CASE("an epoch of a slot has one holder") {
  fixture<Harness> f;
  constexpr fence_holder first{1}, second{~std::uint64_t{0}};
  CHECK(f.rows->raise_fence({lobby_slot, 10}, second).ok());
  CHECK(f.rows->raise_fence({lobby_slot, 10}, second).ok());
  const auto refused = f.rows->raise_fence({lobby_slot, 10}, first);
  CHECK(refused.code() == errc::stale_epoch);
  CHECK(refused.failure().detail ==
        "slot " + std::to_string(lobby_slot.value) + " has epoch 10 already, and another holder");
  std::vector<fence> both{{next_slot, 3}, {lobby_slot, 10}};
  CHECK(f.rows->raise_fences(both, first).code() == errc::stale_epoch);
  CHECK(f.rows->fences().value() == std::vector{fence{lobby_slot, 10}});
  f.reopen();
  CHECK(f.rows->raise_fence({lobby_slot, 10}, first).code() == errc::stale_epoch);
  CHECK(f.rows->raise_fence({lobby_slot, 10}, second).ok());
  CHECK(f.rows->raise_fence({lobby_slot, 11}, first).ok());
  CHECK(f.rows->raise_fence({lobby_slot, 11}, second).code() == errc::stale_epoch);
  CHECK(f.rows->raise_fences(both, second).code() == errc::stale_epoch);
}

STORE_CASE("many fences are raised together or not at all") {
  fixture<Harness> f;
  std::vector<fence> all;
  for (std::uint16_t slot = 0; slot < slot_count; ++slot) all.push_back({{slot}, 1u + slot});
  REQUIRE(f.rows->raise_fences(all, {}).ok());
  CHECK(f.rows->fences().value() == all);
  std::vector<fence> mixed{{lobby_slot, 100'000}, {next_slot, 3}};
  CHECK(f.rows->raise_fences(mixed, {}).code() == errc::stale_epoch);
  CHECK(f.rows->fences().value() == all);
  std::vector<commit_unit> units{{{lobby_slot, 1u + lobby_slot.value}, {insert_message{post(1)}}}};
  CHECK(f.rows->commit(units)->at(0).ok());
}

STORE_CASE("several readers see what was committed before they asked") {
  fixture<Harness> f;
  auto second = f.rows->make_reader();
  for (std::int64_t i = 1; i <= 20; ++i) {
    commit_one(*f.rows, insert_message{post(i)});
    REQUIRE(f.reader->messages(lobby, {})->size() == static_cast<std::size_t>(i));
    REQUIRE(second->end_of(key_of(lobby))->seq == static_cast<seq_t>(i));
  }
}

}  // namespace
}  // namespace throng
