// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/verdict.hpp"

#include <sstream>

#include <doctest/doctest.h>

#include "storage/json/json.hpp"
#include "tests/unit/throngverify/handmade.hpp"
#include "tools/throngverify/evidence.hpp"
#include "tools/throngverify/history_file.hpp"

using namespace throng;
using namespace throng::verify;

namespace {

std::string printed(const history& of, const check_report& report) {
  std::ostringstream out;
  print_verdict(out, of, report);
  return out.str();
}

history busy_run() {
  handmade run;
  const auto fault = run.log.fault_begun("kill", "n2");
  const auto post = run.post();
  run.edit(post, run.ann);
  run.log.unknown(run.invoke(happening::leave, run.ben), "time\"out\n");
  run.log.gap_told(run.at_ben, run.town_name, 1, run.seq);
  run.log.fault_ended(fault);
  run.log.presence_watched(run.at_ann, handmade::ben_id);
  run.log.presence_seen(run.at_ann, handmade::ben_id, true);
  run.close(run.at_ben);
  run.open(run.ben, run.at_ben, true);
  return run.finish();
}

}  // namespace

TEST_CASE(
    "verdict: a clean run says ok, a broken one which rule, with what shows it, the seed and how to run it again") {
  handmade fine;
  fine.post();
  const auto fine_run = fine.finish();
  const auto fine_report = check(fine_run);
  CHECK(printed(fine_run, fine_report).ends_with("\nverdict: ok (seed 7); again with: again\n"));
  CHECK(exit_code(fine_report) == 0);

  handmade broken;
  const auto lost = broken.post();
  broken.stored.clear();
  const auto broken_run = broken.finish();
  const auto broken_report = check(broken_run);
  const auto text = printed(broken_run, broken_report);
  CHECK(text.ends_with("\nverdict: VIOLATION of posts (seed 7); again with: again\n"));
  CHECK(text.find("post acknowledged " + to_text(lost.op)) != std::string::npos);
  CHECK(text.find("violation of posts: " + to_text(lost.op) + " (post of ann") != std::string::npos);
  CHECK(exit_code(broken_report) == 1);
}

TEST_CASE("verdict: what was found beside the rules is a violation too") {
  handmade run;
  run.post();
  const auto history = run.finish();
  auto report = check(history);
  report.findings.emplace_back("liveness: nobody can post");
  CHECK(printed(history, report).find("found: liveness: nobody can post") != std::string::npos);
  CHECK(exit_code(report) == 1);
  const auto json = verdict_json(history, report);
  const auto document = parse_json(json);
  REQUIRE(document);
  CHECK(document->root().find("verdict").as_string() == "violation");
}

TEST_CASE("verdict: each event of a history has a line that says what it is") {
  const auto run = busy_run();
  for (std::size_t at = 0; at < run.events.size(); ++at) {
    const auto line = line_of(run, at);
    CHECK_MESSAGE(line.find(" s  ") + 6 < line.size(), line);
  }
}

TEST_CASE("verdict: unproven is not ok") {
  handmade run;
  run.post();
  const auto history = run.log.take();
  const auto report = check(history);
  CHECK(printed(history, report).find("verdict: unproven") != std::string::npos);
  CHECK(exit_code(report) == 1);
}

TEST_CASE("verdict: many violations of a rule are counted, and some are kept") {
  handmade run;
  for (int i = 0; i < 50; ++i) run.post();
  run.stored.clear();
  const auto report = run.judge();
  CHECK(report[rule::posts].violation_count > 50);
  CHECK(report[rule::posts].violations.size() == rule_report::violations_kept);
}

TEST_CASE("verdict: the JSON form is one object with all rules and figures") {
  const auto run = busy_run();
  const auto text = verdict_json(run, check(run));
  const auto document = parse_json(text);
  REQUIRE(document);
  const auto root = document->root();
  CHECK(root.find("verdict").as_string() == "ok");
  CHECK(root.find("rules").size() == rule_count);
  CHECK(root.find("figures").find("calls").find("post").find("acknowledged").as_int() == 1);
  CHECK(root.find("figures").find("stalls").find("kill").find("faults").as_int() == 1);
}

TEST_CASE("figures: the longest time without an acknowledgement goes to the fault that was under way") {
  handmade run;
  run.post();
  const auto fault = run.log.fault_begun("pause", "n2 and all nodes");
  const auto slow = run.invoke(happening::post, run.ann);
  run.wait(std::chrono::milliseconds(1'500));
  run.log.acknowledged(slow, run.next_ts());
  run.log.fault_ended(fault);
  run.wait(std::chrono::seconds(60));  // nothing was asked for: no stall
  run.post();
  const auto figures = measure(run.log.take());
  const auto& pause = figures.by_fault.at("pause");
  CHECK(pause.faults == 1);
  CHECK(pause.longest_ns >= 1'500'000'000);
  CHECK(pause.longest_ns < 1'520'000'000);
  CHECK(pause.channel == handmade::town);
  CHECK(figures.by_fault.at("none").longest_ns < 20'000'000);
  CHECK(figures.calls.at("post").max_ns >= 1'500'000'000);
}

TEST_CASE("figures: who waits for a node that was hit itself doesn't count") {
  handmade run;
  auto slow = run.make_call(happening::post, run.ann);
  slow.node = "n1";
  run.log.invoked(slow);
  const auto fault = run.log.fault_begun("cut", "n1 and consul, reset");
  run.wait(std::chrono::milliseconds(1'500));
  run.log.acknowledged(slow, run.next_ts());
  run.log.fault_ended(fault);
  CHECK(measure(run.log.take()).by_fault.at("cut").longest_ns == 0);
}

TEST_CASE("figures: a post that is tried again at a healthy node counts from there") {
  handmade run;
  auto post = run.make_call(happening::post, run.ann);
  post.node = "n1";
  const auto fault = run.log.fault_begun("kill", "n1");
  run.log.invoked(post);
  run.wait(std::chrono::milliseconds(700));
  run.log.unknown(post, "cut");
  post.node = "n2";
  run.log.invoked(post);
  run.wait(std::chrono::milliseconds(300));
  run.log.acknowledged(post, run.next_ts());
  run.log.fault_ended(fault);
  const auto longest = measure(run.log.take()).by_fault.at("kill").longest_ns;
  CHECK(longest >= 300'000'000);
  CHECK(longest < 400'000'000);
}

TEST_CASE("history file: what is written is read again as it was") {
  const auto run = busy_run();
  std::stringstream file;
  write_history(file, run);
  const auto again = read_history(file);
  REQUIRE_MESSAGE(again.ok(), again.failure().detail);
  CHECK(again->seed == run.seed);
  CHECK(again->replay == run.replay);
  CHECK(again->names == run.names);
  REQUIRE(again->clients.size() == run.clients.size());
  for (std::size_t i = 0; i < run.clients.size(); ++i) {
    CHECK(again->clients[i].user == run.clients[i].user);
    CHECK(again->clients[i].name == run.clients[i].name);
  }
  REQUIRE(again->events.size() == run.events.size());
  for (std::size_t i = 0; i < run.events.size(); ++i) CHECK(again->events[i] == run.events[i]);
  CHECK(printed(*again, check(*again)) == printed(run, check(run)));
}

TEST_CASE("history file: what is none is refused with its line") {
  const std::string begin = R"({"throngverify":1,"seed":"7","replay":""})"
                            "\n";
  const std::pair<std::string, const char*> files[] = {
      {"", "line 0"},
      {"{}\n", "line 1: this is no history"},
      {begin, "the file was cut"},
      {begin + "nonsense\n", "line 2"},
      {begin + R"({"t":1,"what":"dance"})"
               "\n",
       "known words"},
      {begin + R"({"t":1,"what":"settled","client":5})"
               "\n",
       "client must be a number up to 0"},
      {begin + R"({"t":1,"what":"socket_opened","socket":4000000000})"
               "\n",
       "sockets must be numbered"},
      {begin + R"({"t":1,"what":"post","channel":"C4"})"
               "\n",
       "calls have a phase"},
      {begin +
           R"({"t":5,"what":"settled"})"
           "\n" +
           R"({"t":4,"what":"settled"})"
           "\n",
       "line 3: t must not fall"},
      {begin + R"({"events":3,"is_complete":true})"
               "\n",
       "not the number of events"},
      {begin + R"({"events":0,"is_complete":true})"
               "\n{}\n",
       "nothing may follow"},
  };
  for (const auto& [text, expected] : files) {
    std::istringstream in(text);
    const auto read = read_history(in);
    REQUIRE_MESSAGE(!read.ok(), text);
    CHECK_MESSAGE(read.failure().detail.find(expected) != std::string::npos, read.failure().detail);
  }
}
