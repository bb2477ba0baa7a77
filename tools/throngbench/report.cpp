// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "storage/json/json.hpp"

namespace throng {

namespace {

/// Four digits that mean something, and whole numbers as they are.
std::string number(double value) {
  char text[40];
  const auto size = std::abs(value);
  if (!std::isfinite(value)) return "0";
  if (value == std::floor(value) && size < 1e15)
    std::snprintf(text, sizeof text, "%.0f", value);
  else
    std::snprintf(text, sizeof text, "%.*f",
                  size >= 1000  ? 0
                  : size >= 100 ? 1
                  : size >= 10  ? 2
                  : size >= 1   ? 3
                                : 4,
                  value);
  return text;
}

void write(json_writer& out, std::string_view name, const figures& all) {
  out.key(name).begin_object();
  for (const auto& [each, value] : all.all()) out.raw_member(each, number(value));
  out.end_object();
}

std::string right(std::string text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

void figures::set(std::string_view name, double value) {
  for (auto& each : all_)
    if (each.first == name) {
      each.second = value;
      return;
    }
  all_.emplace_back(name, value);
}

const double* figures::find(std::string_view name) const {
  for (const auto& each : all_)
    if (each.first == name) return &each.second;
  return nullptr;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

figures rounds::medians() const {
  figures out;
  for (const auto& round : all_)
    for (const auto& [name, _] : round.all()) {
      if (out.find(name)) continue;
      std::vector<double> values;
      for (const auto& each : all_)
        if (const auto* value = each.find(name)) values.push_back(*value);
      out.set(name, median(std::move(values)));
    }
  return out;
}

std::string to_json(const bench_report& report) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("bench", report.bench);
  write(out, "params", report.params);
  write(out, "figures", report.measured);
  write(out, "yardstick", report.yardstick);
  out.raw_member("ratio", number(report.ratio)).end_object();
  return text;
}

std::string to_text(const bench_report& report) {
  constexpr std::size_t name_width = 34, value_width = 14;
  std::string out = "throngbench " + report.bench + "\n ";
  for (const auto& [name, value] : report.params.all()) out += " " + name + "=" + number(value);
  out +=
      "\n\n  " + std::string(name_width, ' ') + right("throng", value_width) + right("yardstick", value_width) + "\n";
  auto line = [&](const std::string& name, const double* ours, const double* theirs) {
    out += "  " + name + std::string(name_width - std::min(name_width, name.size()), ' ');
    out += right(ours ? number(*ours) : "-", value_width) + right(theirs ? number(*theirs) : "-", value_width) + "\n";
  };
  for (const auto& [name, value] : report.measured.all()) line(name, &value, report.yardstick.find(name));
  for (const auto& [name, value] : report.yardstick.all())
    if (!report.measured.find(name)) line(name, nullptr, &value);
  out +=
      "\n  ratio " + number(report.ratio) + ": " + report.ratio_says + "\n  yardstick: " + report.yardstick_says + "\n";
  for (const auto& note : report.notes) out += "  " + note + "\n";
  out +=
      "  Medians of interleaved rounds. Other work on the machine moves single runs by a quarter and more; "
      "differences\n"
      "  below 15 % mean nothing, and ratios are firmer than absolute figures.\n";
  return out;
}

}  // namespace throng
