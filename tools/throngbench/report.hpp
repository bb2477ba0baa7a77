// SPDX-License-Identifier: Apache-2.0
// REPORT: what a benchmark found, by name, with the unit in the name ("p99_ms"). Rounds are gathered and their medians
// reported, since other work on a machine disturbs some of them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace throng {

/// Named numbers in the order in which they were first set.
class figures {
 public:
  void set(std::string_view name, double value);
  /// Null if there is none.
  const double* find(std::string_view name) const;
  const std::vector<std::pair<std::string, double>>& all() const { return all_; }

 private:
  std::vector<std::pair<std::string, double>> all_;
};

/// The same figures of several rounds.
class rounds {
 public:
  void add(const figures& one) { all_.push_back(one); }
  figures medians() const;

 private:
  std::vector<figures> all_;
};

struct bench_report {
  std::string bench;
  figures params, measured, yardstick;
  double ratio = 0;
  std::string ratio_says;          // what was divided by what, and which way is better
  std::string yardstick_says;      // what the yardstick is
  std::vector<std::string> notes;  // sentences
};

/// {"bench":…,"params":{…},"figures":{…},"yardstick":{…},"ratio":…}
std::string to_json(const bench_report& report);
/// A table for a person; figures that the yardstick has too stand beside it.
std::string to_text(const bench_report& report);

/// Of an unordered list; the lower one of the two in the middle. 0 for none.
double median(std::vector<double> values);

}  // namespace throng
