// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_record.hpp"

#include <array>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr std::array<std::string_view, 10> phase_names{"creating",   "copying",   "running",    "switching",
                                                       "switched",   "reversing", "completing", "completed",
                                                       "cancelling", "cancelled"};
constexpr std::array<std::string_view, 5> action_names{"verify", "switch", "reverse", "complete", "cancel"};

error wrong(const topology_entry& entry, const std::string& what) {
  return {errc::invalid_json, entry.key + ": " + what};
}

void append_ranges(json_writer& w, std::string_view name, const std::vector<key_range>& ranges) {
  w.key(name).begin_array();
  for (const auto& range : ranges) w.value(to_text(range));
  w.end_array();
}

std::optional<std::vector<key_range>> ranges_of(json_value object, std::string_view name) {
  const auto list = object.find(name);
  if (!list.is_array()) return std::nullopt;
  std::vector<key_range> ranges;
  bool is_fine = true;
  list.for_each_element([&](json_value each) {
    const auto text = each.as_string();
    if (const auto range = text ? parse_key_range(*text) : std::nullopt)
      ranges.push_back(*range);
    else
      is_fine = false;
  });
  if (!is_fine) return std::nullopt;
  return ranges;
}

std::string_view advice(reshard_phase now, reshard_action action) {
  using enum reshard_phase;
  if (is_over(now)) return "there is no reshard";
  switch (now) {
    case creating:
    case copying:
      return "wait until the copy is done (status)";
    case switching:
    case reversing:
      return "wait until the switch is done (status)";
    case running:
      return action == reshard_action::reverse ? "it isn't switched" : "switch it first, or cancel it";
    case switched:
      return action == reshard_action::cancel ? "reverse it first, or complete it" : "it is switched already";
    default:
      return "wait until it is over (status)";
  }
}

}  // namespace

std::string_view to_string(reshard_phase phase) { return phase_names[static_cast<std::size_t>(phase)]; }

std::optional<reshard_phase> reshard_phase_of(std::string_view text) {
  for (std::size_t i = 0; i < phase_names.size(); ++i)
    if (phase_names[i] == text) return static_cast<reshard_phase>(i);
  return std::nullopt;
}

bool is_over(reshard_phase phase) { return phase == reshard_phase::completed || phase == reshard_phase::cancelled; }

bool is_served_by_targets(reshard_phase phase) {
  using enum reshard_phase;
  return phase == switched || phase == reversing || phase == completing || phase == completed;
}

std::string_view to_string(reshard_action action) { return action_names[static_cast<std::size_t>(action)]; }

result<reshard_phase> phase_for(reshard_phase now, reshard_action action) {
  using enum reshard_phase;
  switch (action) {
    case reshard_action::verify:
      if (now == running || now == switched) return now;
      break;
    case reshard_action::switch_writes:
      if (now == running) return switching;
      break;
    case reshard_action::reverse:
      if (now == switched) return reversing;
      break;
    case reshard_action::complete:
      if (now == switched) return completing;
      break;
    case reshard_action::cancel:
      if (now == creating || now == copying || now == running) return cancelling;
      break;
  }
  return error{errc::conflict, std::string(to_string(action)) + " isn't possible while the reshard is " +
                                   std::string(to_string(now)) + ": " + std::string(advice(now, action))};
}

std::string reshard_key(std::string_view keyspace) { return "reshard/" + std::string(keyspace); }

std::string to_json(const reshard_record& record) {
  std::string out;
  json_writer w(out);
  w.begin_object();
  w.member("id", std::to_string(record.id)).member("phase", to_string(record.phase));
  append_ranges(w, "sources", record.sources);
  append_ranges(w, "targets", record.targets);
  append_ranges(w, "registered", record.registered);
  w.member("drops_data", record.drops_data).member("rows_per_second", record.rows_per_second);
  w.key("pauses_us").begin_array();
  for (const auto pause : record.pauses_micros) w.value(pause);
  w.end_array();
  w.member("reason", record.reason).end_object();
  return out;
}

result<reshard_record> parse_reshard_record(const topology_entry& entry) {
  const auto parsed = parse_json(entry.value);
  if (!parsed) return wrong(entry, parsed.failure().detail);
  const auto root = parsed->root();
  if (!root.is_object()) return wrong(entry, "expected a JSON object");

  reshard_record record;
  record.version = entry.version;
  const auto id = root.find("id").as_string();
  if (!id || id->empty() || id->size() > 20 || id->find_first_not_of("0123456789") != std::string_view::npos)
    return wrong(entry, "expected \"id\", a number as a text");
  for (const char digit : *id) record.id = record.id * 10 + static_cast<std::uint64_t>(digit - '0');
  const auto phase_text = root.find("phase").as_string();
  const auto phase = phase_text ? reshard_phase_of(*phase_text) : std::nullopt;
  if (!phase) return wrong(entry, "expected a \"phase\" such as \"running\"");
  record.phase = *phase;
  auto sources = ranges_of(root, "sources");
  auto targets = ranges_of(root, "targets");
  if (!sources || !targets || !covers_exactly(*sources, *targets))
    return wrong(entry, "expected \"sources\" and \"targets\", lists of ranges that cover the same");
  record.sources = std::move(*sources);
  record.targets = std::move(*targets);
  auto registered = ranges_of(root, "registered");
  if (!registered) return wrong(entry, "expected \"registered\", a list of ranges");
  record.registered = std::move(*registered);
  record.drops_data = root.find("drops_data").as_bool().value_or(false);
  if (const auto rate = root.find("rows_per_second").as_int(); rate && *rate > 0)
    record.rows_per_second = static_cast<std::uint64_t>(*rate);
  root.find("pauses_us").for_each_element([&](json_value each) {
    const auto micros = each.as_int();
    if (micros && *micros >= 0 && record.pauses_micros.size() < reshard_record::pauses_max)
      record.pauses_micros.push_back(static_cast<std::uint64_t>(*micros));
  });
  if (const auto reason = root.find("reason").as_string()) record.reason = *reason;
  return record;
}

}  // namespace throng
