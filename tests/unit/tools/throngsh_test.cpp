// SPDX-License-Identifier: Apache-2.0
// What throngsh makes of the node's answers: text for a terminal, and words for Tab.
#include <doctest/doctest.h>

#include "tools/throngsh/completion.hpp"
#include "tools/throngsh/file_option.hpp"
#include "tools/throngsh/plain_width.hpp"
#include "tools/throngsh/render.hpp"

using namespace throng;

TEST_CASE("throngsh: text that could move the cursor is shown as escapes") {
  CHECK(harmless("plain äöü 漢字 🎉") == "plain äöü 漢字 🎉");
  CHECK(harmless("a\x1b[2Jb\nc\td\x7f") == "a\\x1b[2Jb\\nc\\td\\x7f");
  CHECK(harmless("\xC2\x9B"
                 "31m") == "\\x9b31m");                          // the one-byte form of ESC [
  CHECK(harmless("evil\u202Egpj.exe") == "evil\\u202egpj.exe");  // right-to-left override
  CHECK(harmless("\xff\xc0\xaf") == "\\xff\\xc0\\xaf");          // no UTF-8
  CHECK(harmless("\xe2\x82") == "\\xe2\\x82");                   // cut off
}

TEST_CASE("throngsh: widths are those of the terminal's columns") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("äö") == 2);
  CHECK(display_width("漢字") == 4);
  CHECK(display_width("🎉") == 2);
  CHECK(display_width("e\u0301") == 1);  // a combining accent
  CHECK(cut_to_width("abcdef", 6) == "abcdef");
  CHECK(cut_to_width("abcdef", 4) == "abc…");
  CHECK(cut_to_width("漢字漢字", 6) == "漢字…");  // half a character isn't shown
  CHECK(cut_to_width("ab", 0).empty());
}

TEST_CASE("throngsh: a table, numbers to the right") {
  const auto shown =
      render_reply(R"({"ok":true,"columns":["ENTITY","STATE","MAILBOX"],)"
                   R"("rows":[["channel:C1","active",7],["user:漢字","loading",1234],["x",null,0]],"note":"3 of 3"})",
                   0);
  CHECK(shown.is_ok);
  CHECK(shown.text ==
        "ENTITY      STATE    MAILBOX\n"
        "channel:C1  active         7\n"
        "user:漢字   loading     1234\n"
        "x           -              0\n"
        "3 of 3\n");
}

TEST_CASE("throngsh: a table is cut to the terminal, its widest text first") {
  const std::string json =
      R"({"ok":true,"columns":["A","REASON","N"],"rows":[["short",")" + std::string(50, 'r') + R"(",123456]]})";
  CHECK(render_reply(json, 30).text ==
        "A      REASON                N\n"
        "short  rrrrrrrrrrrrrr…  123456\n");
  CHECK(render_reply(json, 0).text.find(std::string(50, 'r')) != std::string::npos);
}

TEST_CASE("throngsh: rows that are too short, too long, or nested stay a table") {
  CHECK(render_reply(R"({"ok":true,"columns":["A","B"],"rows":[["x"],["y",[1,2],"more"]]})", 0).text ==
        "A  B\n"
        "x  -\n"
        "y  [1,2]\n");
  CHECK(render_reply(R"({"ok":true,"columns":["A","B"],"rows":[],"note":"nothing has crashed"})", 0).text ==
        "A  B\nnothing has crashed\n");
}

TEST_CASE("throngsh: a tree") {
  CHECK(render_reply(R"({"ok":true,"tree":{"name":"node n1","children":[{"name":"storage","children":[)"
                     R"({"name":"queue"},{"name":"readers"}]},{"name":"region","children":[{"name":"slot\n1"}]}]}})",
                     0)
            .text ==
        "node n1\n"
        "├─ storage\n"
        "│  ├─ queue\n"
        "│  └─ readers\n"
        "└─ region\n"
        "   └─ slot\\n1\n");
}

TEST_CASE("throngsh: an object") {
  CHECK(render_reply(R"({"ok":true,"value":{"id":"C1","empty":{},"none":[],"null":null,"on":true,)"
                     R"("topic":{"value":"a\nb","by":"U1"},"pins":[{"ts":"1.2","user":"U2"},{"ts":"3.4"}],)"
                     R"("ids":[1,2],"deep":[[1,2],[3]]}})",
                     0)
            .text ==
        "id: C1\n"
        "empty: {}\n"
        "none: []\n"
        "null: -\n"
        "on: true\n"
        "topic:\n"
        "  value: a\\nb\n"
        "  by: U1\n"
        "pins:\n"
        "  - ts: 1.2\n"
        "    user: U2\n"
        "  - ts: 3.4\n"
        "ids:\n"
        "  - 1\n"
        "  - 2\n"
        "deep:\n"
        "  - - 1\n"
        "    - 2\n"
        "  - - 3\n");
}

TEST_CASE("throngsh: failures are one line, whatever came") {
  auto failed = [](std::string_view json) {
    const auto shown = render_reply(json, 0);
    CHECK_FALSE(shown.is_ok);
    return shown.text;
  };
  CHECK(failed(R"({"ok":false,"error":"not_found","detail":"channel:C1 is not active\n"})") ==
        "not_found: channel:C1 is not active\\n\n");
  CHECK(failed(R"({"ok":false,"error":"not_authed"})") == "not_authed\n");
  CHECK(failed("<html>\n") == "the answer is not JSON: <html>\\n\n");
  CHECK(failed(R"({"hello":1})") == "not an answer of a Throng node: {\"hello\":1}\n");
  CHECK(failed("").starts_with("the answer is not JSON"));
}

TEST_CASE("throngsh: whose part of an answer is missing is said last, of failures too") {
  CHECK(
      render_reply(R"({"ok":true,"columns":["A"],"rows":[["x"]],"note":"1 row","partial":["n3: no answer in 1 s"]})", 0)
          .text == "A\nx\n1 row\nPARTIAL: n3: no answer in 1 s\n");
  CHECK(render_reply(R"({"ok":false,"error":"not_found","partial":["n2: down","n3: down"]})", 0).text ==
        "not_found\nPARTIAL: n2: down\nPARTIAL: n3: down\n");
}

TEST_CASE("throngsh: --file is its own, and doesn't go to the node") {
  CHECK(take_file_option("snapshot")->line == "snapshot");
  CHECK(take_file_option("snapshot")->file.empty());
  for (const auto* line : {"snapshot --file a.json", "snapshot --file=a.json", "snapshot   --file   a.json"}) {
    CHECK(take_file_option(line)->file == "a.json");
    CHECK(take_file_option(line)->line.starts_with("snapshot"));
    CHECK(take_file_option(line)->line.find("--file") == std::string::npos);
  }
  CHECK(take_file_option("snapshot --file a.json --timeout 5s")->line == "snapshot --timeout 5s");
  CHECK(take_file_option("snapshot --file").code() == errc::invalid_arguments);
  CHECK(take_file_option("snapshot --file ").code() == errc::invalid_arguments);
}

TEST_CASE("throngsh: Tab offers commands first, then options, kinds and what was seen") {
  completion words;
  const auto known = parse_json(
      R"({"ok":true,"commands":[{"name":"ps","usage":"ps [KIND] [--sort a|b] [--limit N]"},{"name":"state","usage":"x"},)"
      R"({"name":"stop","usage":"stop ENTITY"}],"kinds":["channel","session"],"options":["--node"]})");
  REQUIRE(known.ok());
  words.learn_commands(known->root());
  const auto answer = parse_json(
      R"x({"ok":true,"columns":["ENTITY"],"rows":[["channel:C1A"],["channel:C1B (loading)"],["nonsense"],["U7"]],)x"
      R"("tree":{"name":"session:S1"}})");
  REQUIRE(answer.ok());
  words.learn_answer(answer->root());

  using list = std::vector<std::string>;
  CHECK(words.candidates("") == list{"ps", "state", "stop"});
  CHECK(words.candidates("  st") == list{"state", "stop"});
  CHECK(words.candidates("help st") == list{"state", "stop"});
  CHECK(words.candidates("ps --") == list{"--limit", "--node", "--sort"});
  CHECK(words.candidates("ps ") == list{"channel", "session"});
  CHECK(words.candidates("state channel:C") == list{"channel:C1A", "channel:C1B"});
  CHECK(words.candidates("info U") == list{"U7"});
  CHECK(words.candidates("state session:") == list{"session:S1"});
  CHECK(words.candidates("state nons").empty());
  CHECK(common_prefix(words.candidates("state channel:C")) == "channel:C1");
  CHECK(last_word("state channel:C") == "channel:C");
}

TEST_CASE("throngsh: what Tab remembers is bounded") {
  completion words;
  const auto known = parse_json(R"({"kinds":["presence"]})");
  words.learn_commands(known->root());
  for (std::size_t i = 0; i < completion::seen_max + 10; ++i) {
    const auto text = "\"presence:" + std::to_string(i) + "\"";
    const auto answer = parse_json(text);
    words.learn_answer(answer->root());
  }
  CHECK(words.candidates("info presence:").size() == completion::seen_max);
  CHECK(words.candidates("info presence:5009").size() == 1);
}
