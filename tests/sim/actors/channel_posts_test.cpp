// SPDX-License-Identifier: Apache-2.0
// The CHANNEL on a whole node with a real store: order, durability, duplicates, replay, threads.
#include <numeric>

#include <doctest/doctest.h>

#include "tests/sim/actors/channel_town.hpp"

namespace throng::test {

namespace {

using answer_t = result<std::shared_ptr<const PostReply>>;

std::vector<seq_t> range(seq_t first, std::size_t count) {
  std::vector<seq_t> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

}  // namespace

TEST_CASE("channel: many posts at once are published and answered in the order of seq and ts, after the commit") {
  channel_town town;
  town.node.published().clear();
  auto start = town.info(ann).seq();
  town.node.hold_commits(true);
  std::vector<answer_t> answers(50, errc::internal_error);
  for (std::size_t each = 0; each < answers.size(); ++each)
    town.node.ask_later(key_of(plans), channel_town::text(ann, std::to_string(each)), &answers[each]);
  town.node.settle();
  CHECK(town.node.published().empty());
  for (const auto& each : answers) CHECK_FALSE(each.ok());

  town.node.hold_commits(false);
  town.node.settle();
  CHECK(town.published_seqs() == range(start + 1, answers.size()));
  std::int64_t last_ts = 0;
  for (std::size_t each = 0; each < answers.size(); ++each) {
    REQUIRE(answers[each].ok());
    const auto& message = (*answers[each])->message();
    CHECK(message.data().text() == std::to_string(each));
    CHECK(message.seq() == start + 1 + each);
    CHECK(message.ts() > last_ts);
    last_ts = message.ts();
    CHECK(channel_town::event_of(town.node.published()[each]).message().ts() == message.ts());
  }
  CHECK(town.history(ann).messages_size() == 51);
}

TEST_CASE("channel: the way of a post can be found by its ts") {
  channel_town town;
  auto asked = town.node.clock().wall();
  town.node.hold_commits(true);
  answer_t answer = errc::internal_error;
  town.node.ask_later(key_of(plans), channel_town::text(ann, "where am I?"), &answer);
  town.node.settle();
  town.node.advance(std::chrono::seconds(3));
  town.node.hold_commits(false);
  town.node.settle();
  REQUIRE(answer.ok());
  const auto& message = (*answer)->message();
  auto found = town.node.inspect().passages(message.ts(), {});
  REQUIRE(found.size() == 1);
  CHECK(found[0].stream == key_of(plans));
  CHECK(found[0].seq == message.seq());
  CHECK(found[0].path.asked == asked);
  CHECK(found[0].path.arrived == wall_time{});  // it came over no link
  CHECK(found[0].path.delivered == asked);
  CHECK(found[0].path.begun == asked);
  CHECK(found[0].path.committed >= asked + std::chrono::seconds(3));
  CHECK(found[0].published >= found[0].path.committed);
  CHECK(town.node.inspect().passages(message.ts(), key_of(home)).empty());
  CHECK(town.node.inspect().passages(message.ts() + 1, {}).empty());
}

TEST_CASE("channel: an answered post is there after a crash, and one that was not committed isn't") {
  channel_town town;
  auto kept = town.post(ann, "kept");
  town.node.hold_commits(true);
  answer_t answer = errc::internal_error;
  town.node.ask_later(key_of(plans), channel_town::text(ann, "lost"), &answer);
  town.node.settle();
  town.node.crash_and_restart();
  town.node.hold_commits(false);
  CHECK_FALSE(answer.ok());
  CHECK(town.said(ann) == "kept ");
  auto next = town.post(ann, "next");
  CHECK(next.seq() == kept.seq() + 1);
  CHECK(next.ts() > kept.ts());
}

TEST_CASE("channel: one that is restarted goes on after what it had submitted before") {
  channel_town town;
  auto start = town.info(ann).seq();
  town.node.hold_commits(true);
  answer_t first = errc::internal_error, second = errc::internal_error;
  town.node.ask_later(key_of(plans), channel_town::text(ann, "first"), &first);
  town.node.settle();
  town.node.inspect().restart(key_of(plans), [](result<>) {});
  town.node.advance(std::chrono::seconds(1));
  town.node.ask_later(key_of(plans), channel_town::text(ann, "second"), &second);
  town.node.settle();
  town.node.hold_commits(false);
  town.node.settle();
  CHECK_FALSE(first.ok());  // nobody knows, so it is in history or it isn't; but never at another's position
  REQUIRE(second.ok());
  CHECK((*second)->message().seq() == start + 2);
  CHECK(town.said(ann) == "second first ");
  town.node.crash_and_restart();
  auto replay = town.node.must(key_of(plans), town.missed(ann, start));
  REQUIRE(replay.events_size() == 2);
  CHECK(replay.events(1).event().message().data().text() == "second");
}

TEST_CASE("channel: a failed commit is answered to everyone who waits for it, and leaves no hole") {
  channel_town town;
  auto before = town.post(ann, "before");
  town.node.published().clear();
  town.node.hold_commits(true);
  std::vector<answer_t> answers(5, errc::internal_error);
  for (auto& each : answers) town.node.ask_later(key_of(plans), channel_town::text(ann, "lost"), &each);
  town.node.settle();
  town.node.faults().commits.fail(1, 1, {errc::storage_full, "planned"});
  town.node.hold_commits(false);
  town.node.settle();
  for (const auto& each : answers) {
    REQUIRE_FALSE(each.ok());
    CHECK(each.code() == errc::storage_full);
  }
  CHECK(town.node.published().empty());

  CHECK(town.post(ann, "after").seq() == before.seq() + 1);
  CHECK(town.said(ann) == "after before ");
  auto replay = town.node.must(key_of(plans), town.missed(ann, 0));
  CHECK(replay.events_size() == static_cast<int>(replay.end_seq()));
}

TEST_CASE("channel: who repeats a post whose commit has failed gets it posted") {
  channel_town town;
  town.node.faults().commits.fail(1);
  CHECK(town.refusal(channel_town::text(ann, "hi", 0, "x")) == errc::service_unavailable);
  CHECK_FALSE(town.node.must(key_of(plans), channel_town::text(ann, "hi", 0, "x")).is_duplicate());
  CHECK(town.said(ann) == "hi ");
}

TEST_CASE("channel: a post that is repeated is there once, and has the earlier answer") {
  channel_town town;
  auto first = town.post(ann, "hi", 0, "x");
  SUBCASE("at once") {}
  SUBCASE("after a crash") { town.node.crash_and_restart(); }
  SUBCASE("after an hour of crash") {
    town.node.crash_and_restart();
    town.node.clock().advance(std::chrono::hours(1));
  }
  auto again = town.node.must(key_of(plans), channel_town::text(ann, "hi", 0, "x"));
  CHECK(again.is_duplicate());
  CHECK(again.message().SerializeAsString() == first.SerializeAsString());
  CHECK(town.said(ann) == "hi ");
}

TEST_CASE("channel: a repeated post isn't answered before the first one is committed") {
  channel_town town;
  town.node.hold_commits(true);
  answer_t first = errc::internal_error, second = errc::internal_error;
  town.node.ask_later(key_of(plans), channel_town::text(ann, "hi", 0, "x"), &first);
  town.node.ask_later(key_of(plans), channel_town::text(ann, "hi", 0, "x"), &second);
  town.node.settle();
  CHECK_FALSE(second.ok());
  SUBCASE("which goes well") {
    town.node.hold_commits(false);
    town.node.settle();
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK((*first)->message().ts() == (*second)->message().ts());
    CHECK((*second)->is_duplicate());
    CHECK(town.said(ann) == "hi ");
  }
  SUBCASE("which fails") {
    town.node.faults().commits.fail(1);
    town.node.hold_commits(false);
    town.node.settle();
    CHECK(first.code() == errc::service_unavailable);
    CHECK(second.code() == errc::service_unavailable);
  }
}

TEST_CASE("channel: the same client_msg_id from two people is two posts") {
  channel_town town;
  town.join(bob);
  town.post(ann, "a", 0, "x");
  town.post(bob, "b", 0, "x");
  CHECK(town.said(ann) == "b a ");
}

TEST_CASE("channel: what a post may not be is refused and changes nothing") {
  channel_town town;
  town.join(bob);
  auto before = town.info(ann).seq();
  CHECK(town.refusal(channel_town::text(ann, "")) == errc::no_text);
  CHECK(town.refusal(channel_town::text(ann, std::string(40'001, 'x'))) == errc::msg_too_long);
  CHECK(town.refusal(channel_town::text(eve, "x")) == errc::not_in_channel);
  CHECK(town.refusal(channel_town::text(ann, "x", 17)) == errc::thread_not_found);
  CHECK(town.refusal(channel_town::text(ann, "x", 0, std::string(300, 'i'))) == errc::invalid_arguments);
  CHECK(town.info(ann).seq() == before);
}

TEST_CASE("channel: the connection that posts is left out, and the event is the message that was stored") {
  channel_town town;
  town.node.published().clear();
  auto request = channel_town::text(ann, "hi");
  request.mutable_caller()->set_connection(77);
  auto reply = town.node.must(key_of(plans), request);
  REQUIRE(town.node.published().size() == 1);
  const auto& out = *town.node.published()[0];
  CHECK(out.skip_connection == 77);
  CHECK(out.priority == delivery_class::message);
  CHECK(out.stream == key_of(plans));
  const auto& event = channel_town::event_of(town.node.published()[0]);
  CHECK(event.at() == reply.message().ts());
  CHECK(event.message().SerializeAsString() == reply.message().SerializeAsString());
  CHECK(town.history(ann).messages(0).SerializeAsString() == reply.message().SerializeAsString());
}

TEST_CASE("channel: who missed events gets exactly them, from memory and from the store") {
  channel_town town;
  town.node.published().clear();
  auto start = town.info(ann).seq();
  town.join(bob);
  auto first = town.post(ann, "one");
  auto second = town.post(bob, "two");
  town.node.must(key_of(plans), town.reaction(bob, first.ts(), "+1"));
  town.node.must(key_of(plans), town.pin(ann, second.ts()));
  auto published = town.published();
  REQUIRE(published.size() == 6);  // joined, its post, two posts, a reaction, a pin
  SUBCASE("from memory") {}
  SUBCASE("from the store, after a crash") { town.node.crash_and_restart(); }

  for (std::size_t skip = 0; skip <= published.size(); ++skip) {
    CAPTURE(skip);
    auto replay = town.node.must(key_of(plans), town.missed(ann, start + skip));
    CHECK(replay.end_seq() == start + published.size());
    REQUIRE(static_cast<std::size_t>(replay.events_size()) == published.size() - skip);
    for (int each = 0; each < replay.events_size(); ++each) {
      CHECK(replay.events(each).seq() == start + skip + static_cast<seq_t>(each) + 1);
      auto position = skip + static_cast<std::size_t>(each);
      // The store has a post as it is now; these two have changed since, and the events that say so follow.
      if (replay.events(each).event().has_message() && position >= 2) {
        CHECK(replay.events(each).event().message().data().text() == (position == 2 ? "one" : "two"));
      } else {
        CHECK(replay.events(each).event().SerializeAsString() == published[position]);
      }
    }
  }
}

TEST_CASE("channel: a replay from the store shows a deleted post as deleted, and isn't short of it") {
  channel_town town;
  auto start = town.info(ann).seq();
  auto post = town.post(ann, "secret");
  town.node.must(key_of(plans), town.removal(ann, post.ts()));
  town.node.crash_and_restart();
  auto replay = town.node.must(key_of(plans), town.missed(ann, start));
  REQUIRE(replay.events_size() == 2);
  CHECK(replay.events(0).event().message().is_deleted());
  CHECK(replay.events(0).event().message().data().text().empty());
  CHECK(replay.events(1).event().message_deleted().deleted_ts() == post.ts());
}

TEST_CASE("channel: what can't be replayed is an explicit too_old") {
  channel_town town;
  for (int each = 0; each < 5; ++each) town.post(ann, "x");
  auto end = town.info(ann).seq();
  CHECK(town.refusal(town.missed(ann, end + 1)) == errc::too_old);
  CHECK(town.refusal(town.missed(ann, end - 4, 3)) == errc::too_old);
  CHECK(town.refusal(town.missed(ann, end - 3, 3)) == errc{});
  town.node.crash_and_restart();
  CHECK(town.refusal(town.missed(ann, end - 4, 3)) == errc::too_old);
  CHECK(town.refusal(town.missed(ann, end - 3, 3)) == errc{});
  std::vector trim{commit_unit{{}, {trim_rows{trim_kind::events, wall_time::max(), 1'000, nullptr}}}};
  auto trimmed = town.node.rows().commit(trim);
  REQUIRE(trimmed.ok());
  CHECK(town.refusal(town.missed(ann, 0)) == errc::too_old);
}

TEST_CASE("channel: only members hear what they missed") {
  channel_town town;
  CHECK(town.refusal(town.missed(eve, 0)) == errc::channel_not_found);
}

TEST_CASE("channel: a reply to a reply belongs to the root, and its summary is announced") {
  channel_town town;
  town.join(bob);
  auto root = town.post(ann, "root");
  auto first = town.post(bob, "first", root.ts());
  town.node.published().clear();
  auto second = town.post(ann, "second", first.ts());
  CHECK(second.thread_ts() == root.ts());

  std::vector<const Event*> summaries;
  for (const auto& each : town.node.published())
    if (channel_town::event_of(each).has_message_replied()) summaries.push_back(&channel_town::event_of(each));
  REQUIRE(summaries.size() == 1);
  const auto& summary = summaries[0]->message_replied().root().thread();
  CHECK(summary.reply_count() == 2);
  CHECK(summary.latest_reply() == second.ts());
  CHECK(summary.user_count() == 2);

  auto page = town.thread(ann, second.ts());
  REQUIRE(page.messages_size() == 3);
  CHECK(page.messages(0).ts() == root.ts());
  CHECK(page.messages(0).thread().reply_count() == 2);
  CHECK(page.messages(1).ts() == first.ts());
  CHECK(page.messages(2).ts() == second.ts());
}

TEST_CASE("channel: history shows the replies that were broadcast, and no others") {
  channel_town town;
  auto root = town.post(ann, "root");
  town.post(ann, "hidden", root.ts());
  auto request = channel_town::text(ann, "shown", root.ts());
  request.mutable_data()->set_is_broadcast(true);
  town.node.must(key_of(plans), request);
  CHECK(town.said(ann) == "shown root ");
  CHECK(town.thread(ann, root.ts()).messages_size() == 3);
}

TEST_CASE("channel: a reply names who wrote the root, a broadcast shows it, when posted, read and replayed") {
  channel_town town;
  town.join(bob);
  auto root = town.post(ann, "the root");
  auto broadcast = channel_town::text(bob, "for all", root.ts());
  broadcast.mutable_data()->set_is_broadcast(true);
  auto shown = town.node.must(key_of(plans), broadcast).message();
  CHECK(shown.data().parent_user() == ann.value);
  CHECK(shown.root().data().text() == "the root");
  auto reply = town.post(bob, "a reply", shown.ts());  // its root is known by now
  CHECK(reply.data().parent_user() == ann.value);
  CHECK_FALSE(reply.has_root());

  town.node.must(key_of(plans), town.edit(ann, root.ts(), "edited"));
  town.node.crash_and_restart();
  auto page = town.thread(ann, root.ts());
  REQUIRE(page.messages_size() == 3);
  CHECK(page.messages(1).root().data().text() == "edited");
  CHECK(page.messages(2).data().parent_user() == ann.value);
  ReplayRequest missed;
  missed.set_user(bob.value);
  missed.set_after_seq(shown.seq() - 1);
  missed.set_count_max(100);
  auto replayed = town.node.must(key_of(plans), missed);
  CHECK(replayed.events(0).event().message().root().data().text() == "edited");
}

TEST_CASE("channel: nobody replies to what is deleted, also when it was replied to before") {
  channel_town town;
  auto root = town.post(ann, "root");
  auto reply = town.post(ann, "reply", root.ts());
  town.node.must(key_of(plans), town.removal(ann, root.ts()));
  CHECK(town.refusal(channel_town::text(ann, "x", root.ts())) == errc::cannot_reply_to_message);
  CHECK(town.refusal(channel_town::text(ann, "x", reply.ts())) == errc::cannot_reply_to_message);
  // The thread is still there for its reader.
  auto page = town.thread(ann, reply.ts());
  REQUIRE(page.messages_size() == 2);
  CHECK(page.messages(0).is_deleted());
  town.node.must(key_of(plans), town.removal(ann, reply.ts()));
  RepliesRequest replies;
  *replies.mutable_caller() = person(ann);
  replies.set_ts(root.ts());
  CHECK(town.refusal(replies) == errc::thread_not_found);
}

TEST_CASE("channel: posts of one person stay in order though one of them has to look for its thread") {
  channel_town town;
  auto root = town.post(ann, "root");
  town.node.crash_and_restart();
  town.info(ann);  // active
  std::vector<answer_t> answers(4, errc::internal_error);
  town.node.ask_later(key_of(plans), channel_town::text(ann, "reply", root.ts()), &answers[0]);
  town.node.ask_later(key_of(plans), channel_town::text(ann, "post"), &answers[1]);
  town.node.ask_later(key_of(plans), channel_town::text(ann, "reply again", root.ts()), &answers[2]);
  town.node.ask_later(key_of(plans), channel_town::text(ann, "post again"), &answers[3]);
  town.node.settle();
  for (std::size_t each = 0; each < answers.size(); ++each) {
    REQUIRE(answers[each].ok());
    CHECK((*answers[each])->message().seq() == root.seq() + 1 + each);
  }
}

TEST_CASE("channel: posts behind one that looks for its thread don't wait for its commit") {
  channel_town town;
  auto root = town.post(ann, "root");
  town.node.crash_and_restart();
  town.info(ann);  // active
  auto commits = town.node.faults().commits.calls();
  town.node.hold_commits(true);
  std::vector<answer_t> answers(20, errc::internal_error);
  for (std::size_t each = 0; each < answers.size(); ++each)
    town.node.ask_later(key_of(plans), channel_town::text(ann, "x", each == 0 ? root.ts() : 0), &answers[each]);
  town.node.settle();
  town.node.hold_commits(false);
  town.node.settle();
  for (std::size_t each = 0; each < answers.size(); ++each) {
    REQUIRE(answers[each].ok());
    CHECK((*answers[each])->message().seq() == root.seq() + 1 + each);
  }
  CHECK(town.node.faults().commits.calls() == commits + 1);
}

TEST_CASE("channel: the hot path reads nothing from the store and commits one row") {
  channel_town town;
  town.post(ann, "warm");
  auto reads = town.node.faults().reads.calls();
  auto commits = town.node.faults().commits.calls();
  town.post(ann, "hi", 0, "x");
  CHECK(town.node.faults().reads.calls() == reads);
  CHECK(town.node.faults().commits.calls() == commits + 1);
}

TEST_CASE("channel: the first reply to a thread looks for its root, the next ones don't wait for the store") {
  channel_town town;
  auto root = town.post(ann, "root");
  town.post(ann, "first", root.ts());
  town.node.faults().reads.fail(1, 1'000);
  CHECK(town.refusal(channel_town::text(ann, "second", root.ts())) == errc{});
}

}  // namespace throng::test
