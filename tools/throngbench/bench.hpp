// SPDX-License-Identifier: Apache-2.0
// The benchmarks by name. A new one is a function and a line in benches() (bench.cpp). Each measures its own yardstick
// in the same run, in rounds that alternate with its own, and reports medians.
#pragma once

#include <span>
#include <string_view>

#include "tools/common/command_line.hpp"
#include "tools/throngbench/report.hpp"

namespace throng {

struct bench {
  std::string_view name;
  std::string_view help;
  std::span<const option_spec> options;
  /// Errors: invalid_arguments for a wrong option, anything else for what failed while it ran.
  result<bench_report> (*run)(const command_line& line);
};

std::span<const bench> benches();

result<bench_report> run_post_bench(const command_line& line);
result<bench_report> run_read_bench(const command_line& line);
result<bench_report> run_fanout_bench(const command_line& line);
result<bench_report> run_idle_bench(const command_line& line);
result<bench_report> run_links_bench(const command_line& line);
result<bench_report> run_failover_bench(const command_line& line);
result<bench_report> run_migrate_bench(const command_line& line);
std::span<const option_spec> post_options();
std::span<const option_spec> read_options();
std::span<const option_spec> fanout_options();
std::span<const option_spec> idle_options();
std::span<const option_spec> links_options();
std::span<const option_spec> failover_options();
std::span<const option_spec> migrate_options();

/// Reads whole numbers out of a command line, keeps the first failure, and notes them as parameters of the report.
class number_reader {
 public:
  number_reader(const command_line& line, figures& params) : line_(line), params_(params) {}
  /// `option` is "--name"; the parameter is called `name`, with underscores.
  std::size_t operator()(std::string_view option, std::uint64_t smallest, std::uint64_t largest);
  const result<>& outcome() const { return outcome_; }

 private:
  const command_line& line_;
  figures& params_;
  result<> outcome_ = done;
};

}  // namespace throng
