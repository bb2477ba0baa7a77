// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/cluster_view.hpp"

#include "storage/json/json.hpp"
#include "storage/model/keyspace.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

std::string text_of(json_value value) { return std::string(value.as_string().value_or("")); }

}  // namespace

std::optional<cluster_view> parse_cluster_view(const std::string& answer) {
  const auto document = parse_json(answer);
  if (!document || !document->root().find("columns").is_array()) return std::nullopt;
  std::vector<std::string> columns;
  document->root().find("columns").for_each_element([&](json_value name) { columns.push_back(text_of(name)); });
  cluster_view view;
  document->root().find("rows").for_each_element([&](json_value row) {
    cluster_view::member each;
    std::size_t at = 0;
    row.for_each_element([&](json_value cell) {
      const auto& column = at < columns.size() ? columns[at] : std::string();
      if (column == "NODE") each.name = text_of(cell);
      if (column == "STATE") each.state = text_of(cell);
      if (column == "LINK") each.link = text_of(cell);
      if (column == "SLOTS") each.slots = cell.as_int().value_or(0);
      if (column == "MOVING") each.moving = cell.as_int().value_or(0);
      ++at;
    });
    view.members.push_back(std::move(each));
  });
  const auto note = text_of(document->root().find("note"));
  const auto end = note.find(" coordinates");
  if (end != note.npos) view.coordinator = note.substr(0, end);
  return view;
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
