// SPDX-License-Identifier: Apache-2.0
#include "cluster/membership/pin_records.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr int tries_max = 16;
constexpr std::array kinds{entity_kind::channel, entity_kind::session, entity_kind::presence, entity_kind::workspace,
                           entity_kind::user};

std::optional<pin_record> read_pin(json_value each) {
  const auto kind = each.find("kind").as_string();
  const auto id = each.find("id").as_string();
  const auto node = each.find("node").as_string();
  if (!kind || !id || !node || node->empty()) return std::nullopt;
  const auto known = std::ranges::find(kinds, *kind, [](auto one) { return to_string(one); });
  pin_record pin;
  const auto [end, failure] = std::from_chars(id->data(), id->data() + id->size(), pin.key.id);
  if (known == kinds.end() || failure != std::errc{} || end != id->data() + id->size()) return std::nullopt;
  pin.key.kind = *known;
  pin.node = *node;
  return pin;
}

/// The pins with that change made.
result<> apply_change(std::vector<pin_record>& pins, entity_key key, const std::optional<std::string>& node) {
  const auto at = std::ranges::find(pins, key, &pin_record::key);
  if (!node) {
    if (at == pins.end()) return error{errc::not_found, to_text(key) + " is not pinned"};
    pins.erase(at);
  } else if (at != pins.end()) {
    at->node = *node;
  } else if (pins.size() >= pins_max) {
    return error{errc::overloaded, "there are " + std::to_string(pins_max) + " pins already"};
  } else {
    pins.push_back({key, *node});
  }
  return done;
}

}  // namespace

std::string to_json(const std::vector<pin_record>& pins) {
  auto sorted = pins;
  std::ranges::sort(sorted);
  std::string text;
  json_writer out(text);
  out.begin_object().key("pins").begin_array();
  for (const auto& each : sorted)
    out.begin_object()
        .member("kind", to_string(each.key.kind))
        .member("id", std::to_string(each.key.id))
        .member("node", each.node)
        .end_object();
  out.end_array().end_object();
  return text;
}

result<std::vector<pin_record>> parse_pin_records(const topology_entry& entry) {
  auto document = parse_json(entry.value);
  if (!document) return error{errc::invalid_json, entry.key + ": " + document.failure().detail};
  const auto list = document->root().find("pins");
  if (!list.is_array()) return error{errc::invalid_json, entry.key + " must have a list of pins"};
  std::vector<pin_record> pins;
  bool is_sound = true;
  list.for_each_element([&](json_value each) {
    auto pin = read_pin(each);
    is_sound &= pin.has_value();
    if (pin) pins.push_back(std::move(*pin));
  });
  if (!is_sound) return error{errc::invalid_json, entry.key + ": each pin must have a kind, an id and a node"};
  if (pins.size() > pins_max) return error{errc::invalid_json, entry.key + " has too many pins"};
  std::ranges::sort(pins);
  if (std::ranges::adjacent_find(pins, {}, &pin_record::key) != pins.end())
    return error{errc::invalid_json, entry.key + " has two pins of one entity"};
  return pins;
}

result<> change_pin(topology_store& topology, entity_key key, const std::optional<std::string>& node) {
  for (int i = 0; i < tries_max; ++i) {
    auto entry = topology.get(pins_key);
    if (!entry) return entry.failure();
    auto pins = *entry ? parse_pin_records(**entry) : std::vector<pin_record>();
    if (!pins) return pins.failure();
    const auto before = *pins;
    if (auto changed = apply_change(*pins, key, node); !changed) return changed.failure();
    if (before == *pins) return done;
    auto put = topology.put(pins_key, to_json(*pins), *entry ? (*entry)->version : 0);
    if (put) return done;
    if (put.code() != errc::conflict) return put.failure();
  }
  return error{errc::conflict, "others change the pins all the time; try again"};
}

}  // namespace throng
