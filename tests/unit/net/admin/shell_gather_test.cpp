// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_gather.hpp"

#include <doctest/doctest.h>

namespace throng {
namespace {

shell_part part(std::string node, std::string text) { return {std::move(node), std::move(text), {}, {}}; }

std::string table_part(std::vector<std::vector<shell_cell>> rows, std::vector<std::int64_t> order,
                       std::optional<std::uint64_t> total = {}, std::string note = {}) {
  return table_reply({{"ENTITY", "MAILBOX"}, std::move(rows), std::move(note), std::move(order), total});
}

TEST_CASE("shell parts: tables become one, in order over all nodes, cut, with the node behind") {
  shell_parts all;
  all.answered.push_back(part("n1", table_part({{"a", 9}, {"b", 2}}, {9, 2}, 40)));
  all.answered.push_back(part("n2", table_part({{"c", 7}}, {7}, 3)));
  CHECK(merged_reply(all, 2, "entities") ==
        R"({"ok":true,"columns":["ENTITY","MAILBOX","NODE"],"rows":[["a",9,"n1"],["c",7,"n2"]],)"
        R"("note":"2 of 43 entities","total":43})");
}

TEST_CASE("shell parts: rows of equal rank keep their order, node by node, and equal notes are said once") {
  shell_parts all;
  all.answered.push_back(part("n1", table_part({{"b", 1}, {"a", 1}}, {}, {}, "quiet")));
  all.answered.push_back(part("n2", table_part({{"c", 1}}, {}, {}, "quiet")));
  all.answered.push_back(part("n3", table_part({}, {}, {}, "loud")));
  const auto reply = merged_reply(all, 10, "entities");
  CHECK(reply.find(R"("rows":[["b",1,"n1"],["a",1,"n1"],["c",1,"n2"]])") != reply.npos);
  CHECK(reply.find(R"("note":"quiet; loud")") != reply.npos);
}

TEST_CASE("shell parts: columns of another version are matched by name, and a NODE column is the node's own business") {
  shell_parts all;
  all.answered.push_back(part("n1", table_reply({{"NODE", "X"}, {{"one", 1}}, ""})));
  all.answered.push_back(part("n2", table_reply({{"Y", "X", "NODE"}, {{"?", 2, "two"}}, ""})));
  all.answered.push_back(part("n3", table_reply({{"Y"}, {{"?"}}, ""})));
  const auto reply = merged_reply(all, 10, "");
  CHECK(reply.find(R"("columns":["NODE","X"],"rows":[["one",1],["two",2],["n3",""]])") != reply.npos);
}

TEST_CASE("shell parts: who didn't answer or failed is named, beside what the others say") {
  shell_parts all;
  all.answered.push_back(part("n1", table_part({{"a", 1}}, {1})));
  all.answered.push_back(part("n2", failure_reply({errc::conflict, "another trace is under way"})));
  all.answered.push_back(part("n4", "garbage"));
  all.partial = {"n3: no answer in 1 s"};
  const auto reply = merged_reply(all, 10, "");
  CHECK(reply.starts_with(R"({"ok":true,)"));
  CHECK(reply.ends_with(R"("partial":["n3: no answer in 1 s","n2: conflict: another trace is under way",)"
                        R"("n4: its answer can't be understood"]})"));
  CHECK(parse_json(reply).ok());
}

TEST_CASE("shell parts: if nobody has an answer, the reply is a failure") {
  shell_parts all;
  all.partial = {"n3: no answer in 1 s"};
  CHECK(merged_reply(all, 10, "") ==
        R"({"ok":false,"error":"unavailable","detail":"n3: no answer in 1 s","partial":["n3: no answer in 1 s"]})");
  all.answered.push_back(part("n1", failure_reply({errc::invalid_arguments, "usage: ps"})));
  CHECK(merged_reply(all, 10, "").starts_with(R"({"ok":false,"error":"invalid_arguments","detail":"usage: ps")"));
}

}  // namespace
}  // namespace throng
