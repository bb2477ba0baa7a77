// SPDX-License-Identifier: Apache-2.0
// throngbench: measures one thing, beside a yardstick of its own in the same run. Exit codes: 0 fine, 1 it failed,
// 2 wrong usage.
#include <algorithm>
#include <cstdio>

#include "tools/throngbench/bench.hpp"

namespace {

using namespace throng;

int show_usage() {
  std::printf("throngbench NAME [options]\n\n");
  for (const auto& each : benches())
    std::printf("%.*s: %.*s\n%s\n", static_cast<int>(each.name.size()), each.name.data(),
                static_cast<int>(each.help.size()), each.help.data(), describe(each.options).c_str());
  std::printf("  --json  one JSON object instead of a table\n");
  return 0;
}

int refuse(const std::string& why) {
  std::fprintf(stderr, "throngbench: %s\n", why.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help") return show_usage();
  if (name == "--version") {
    std::printf("throngbench %s\n", THRONG_VERSION);
    return 0;
  }
  const auto all = benches();
  const auto chosen = std::ranges::find(all, name, &bench::name);
  if (chosen == all.end())
    return refuse(
        "throngbench NAME [options]; NAME is post, read, fanout, idle, links, failover or migrate; --help says more");

  std::vector<option_spec> known(chosen->options.begin(), chosen->options.end());
  known.push_back({"--json", "", "one JSON object instead of a table"});
  known.push_back({"--help", "", "print this and leave"});
  const auto line = parse_command_line({argv + 2, static_cast<std::size_t>(argc - 2)}, known);
  if (!line) return refuse(line.failure().detail);
  if (line->has("--help")) {
    std::printf("throngbench %s\n%s", argv[1], describe(known).c_str());
    return 0;
  }
  if (!line->words.empty()) return refuse("what is `" + line->words.front() + "`?");

  const auto report = chosen->run(*line);
  if (!report) {
    if (report.code() == errc::invalid_arguments) return refuse(report.failure().detail);
    std::fprintf(stderr, "throngbench: %s\n",
                 report.failure().detail.empty() ? std::string(to_string(report.code())).c_str()
                                                 : report.failure().detail.c_str());
    return 1;
  }
  std::fputs(line->has("--json") ? (to_json(*report) + "\n").c_str() : to_text(*report).c_str(), stdout);
  return 0;
}
