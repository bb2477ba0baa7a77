// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/cluster_view.hpp"

#include "storage/json/json.hpp"
#include "storage/model/keyspace.hpp"
#include "tools/throngverify/shell_rows.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

}  // namespace

std::optional<cluster_view> parse_cluster_view(const std::string& answer) {
  cluster_view view;
  const bool is_table = for_each_row(answer, [&](const shell_row& row) {
    view.members.push_back({row.text("NODE"), row.text("STATE"), row.text("LINK"), row.number("SLOTS").value_or(0),
                            row.number("MOVING").value_or(0), row.number("ENTITIES").value_or(0)});
  });
  if (!is_table) return std::nullopt;
  const auto document = parse_json(answer);
  const auto note = std::string(document->root().find("note").as_string().value_or(""));
  const auto end = note.find(" coordinates");
  if (end != note.npos) view.coordinator = note.substr(0, end);
  return view;
}

std::string home_in(const std::string& answer) {
  std::string home;
  for_each_row(answer, [&](const shell_row& row) {
    if (!row.text("STATE").starts_with("lent to ")) home = row.text("NODE");
  });
  return home;
}

bool runs_at(const std::string& answer, const std::string& node) {
  bool runs = false;
  for_each_row(answer, [&](const shell_row& row) {
    runs |= row.text("NODE") == node && row.text("STATE").starts_with("active");
  });
  return runs;
}

std::string trouble_in(const cluster_view& view, std::size_t count) {
  if (view.members.size() != count)
    return std::to_string(view.members.size()) + " members instead of " + std::to_string(count);
  if (view.coordinator.empty()) return "nobody coordinates";
  std::int64_t slots = 0;
  for (const auto& each : view.members) {
    if (each.state != "settled") return each.name + " is " + each.state;
    if (each.link == "down") return "no link to " + each.name;
    if (each.moving > 0) return each.name + " still moves slots";
    if (each.slots == 0) return each.name + " has no slots";
    slots += each.slots;
  }
  return slots == static_cast<std::int64_t>(slot_count) ? "" : "not all slots have an owner";
}

task<api_answer> tell_shell(scene& of, std::size_t node, std::string line) {
  const auto admin = parse_http_url(of.nodes[node].admin);
  if (!admin) co_return api_answer{api_answer::outcome::none, admin.failure().detail, {}};
  api_line door(of.loop, *admin);
  co_return co_await door.shell(std::move(line), of.admin_token);
}

task<std::optional<cluster_view>> look_at_cluster(scene& of, std::size_t node) {
  const auto answer = co_await tell_shell(of, node, "nodes");
  if (!answer.is_ok()) co_return std::nullopt;
  co_return parse_cluster_view(answer.body);
}

task<result<>> wait_for_rest(scene& of, event_loop::clock::duration patience) {
  const auto deadline = event_loop::clock::now() + patience;
  while (true) {
    std::string trouble;
    for (std::size_t i = 0; i < of.nodes.size() && trouble.empty(); ++i) {
      if (of.nodes[i].admin.empty()) continue;
      const auto view = co_await look_at_cluster(of, i);
      trouble = view ? trouble_in(*view, of.nodes.size()) : "no answer";
      if (!trouble.empty()) trouble = of.nodes[i].name + " says: " + trouble;
    }
    if (trouble.empty()) co_return done;
    if (event_loop::clock::now() > deadline) co_return error{errc::deadline_exceeded, trouble};
    co_await of.loop.sleep_for(200ms);
  }
}

}  // namespace throng::verify
