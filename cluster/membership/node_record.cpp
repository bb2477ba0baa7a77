// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/node_record.hpp"

#include "storage/json/json.hpp"

namespace throng {

std::string to_json(const node_record& record) {
  std::string text;
  json_writer out(text);
  out.begin_object()
      .member("name", record.who.name)
      .member("node", record.who.node.value)
      .member("incarnation", record.who.incarnation)
      .member("link", record.who.link_address)
      .member("admin", record.who.admin_address)
      .member("client", record.who.client_url)
      .member("weight", record.weight)
      .member("draining", record.is_draining)
      .member("applied", record.applied)
      .member("moving", record.moving);
  out.key("unreachable").begin_array();
  for (auto node : record.unreachable) out.value(node.value);
  out.end_array();
  out.key("lasting").begin_array();
  for (auto node : record.lasting) out.value(node.value);
  out.end_array();
  out.key("unmet").begin_array();
  for (auto node : record.unmet) out.value(node.value);
  out.end_array();
  out.key("gone").begin_array();
  for (auto each : record.gone)
    out.begin_object().member("node", each.node.value).member("incarnation", each.incarnation).end_object();
  out.end_array().end_object();
  return text;
}

namespace {

/// Reads members of one object, and remembers the first that isn't as it should be.
class object_reader {
 public:
  explicit object_reader(json_value object) : object_(object) {}

  std::string text(std::string_view name) {
    auto found = object_.find(name).as_string();
    if (!found) fail(name, "a text");
    return std::string(found.value_or(""));
  }
  std::uint64_t number(std::string_view name, std::uint64_t max = INT64_MAX) {
    return number_of(name, object_.find(name), max);
  }
  std::uint64_t number_of(std::string_view name, json_value value, std::uint64_t max) {
    auto found = value.as_int();
    if (found && *found >= 0 && static_cast<std::uint64_t>(*found) <= max) return static_cast<std::uint64_t>(*found);
    fail(name, "a number from 0 to " + std::to_string(max));
    return 0;
  }
  bool flag(std::string_view name) {
    auto found = object_.find(name).as_bool();
    if (!found) fail(name, "true or false");
    return found.value_or(false);
  }
  json_value list(std::string_view name) {
    auto found = object_.find(name);
    if (!found.is_array()) fail(name, "a list");
    return found;
  }
  std::vector<node_index> nodes(std::string_view name) {
    std::vector<node_index> all;
    list(name).for_each_element(
        [&](json_value each) { all.push_back({static_cast<std::uint16_t>(number_of(name, each, UINT16_MAX))}); });
    return all;
  }
  bool has(std::string_view name) const { return static_cast<bool>(object_.find(name)); }
  void adopt(const object_reader& part) {
    if (problem_.empty()) problem_ = part.problem_;
  }
  const std::string& problem() const { return problem_; }

 private:
  void fail(std::string_view name, const std::string& expected) {
    if (problem_.empty()) problem_ = "\"" + std::string(name) + "\" must be " + expected;
  }
  json_value object_;
  std::string problem_;
};

}  // namespace

result<node_record> parse_node_record(const topology_entry& entry) {
  auto document = parse_json(entry.value);
  if (!document) return error{errc::invalid_json, entry.key + ": " + document.failure().detail};
  object_reader in(document->root());
  node_record record;
  record.who.name = in.text("name");
  record.who.node = {static_cast<std::uint16_t>(in.number("node", UINT16_MAX))};
  record.who.incarnation = in.number("incarnation");
  record.who.link_address = in.text("link");
  record.who.admin_address = in.text("admin");
  record.who.client_url = in.text("client");
  record.weight = static_cast<std::uint32_t>(in.number("weight", 1'000'000));
  record.is_draining = in.flag("draining");
  record.applied = in.number("applied");
  record.moving = in.number("moving");
  record.unreachable = in.nodes("unreachable");
  // Nodes of earlier versions don't write these.
  if (in.has("lasting")) record.lasting = in.nodes("lasting");
  if (in.has("unmet")) record.unmet = in.nodes("unmet");
  if (in.has("gone"))
    in.list("gone").for_each_element([&](json_value each) {
      object_reader one(each);
      const auto node = static_cast<std::uint16_t>(one.number("node", UINT16_MAX));
      record.gone.push_back({{node}, one.number("incarnation")});
      in.adopt(one);
    });
  record.version = entry.version;
  if (in.problem().empty() && record.who.node.value == 0)
    return error{errc::invalid_json, entry.key + ": node 0 can't be"};
  if (!in.problem().empty()) return error{errc::invalid_json, entry.key + ": " + in.problem()};
  return record;
}

}  // namespace throng
