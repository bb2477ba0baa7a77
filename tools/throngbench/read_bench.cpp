// SPDX-License-Identifier: Apache-2.0
// read: asks CHANNELs of a node in this process for a page of history each, with so many asks outstanding. The
// yardstick is a bare prepared SELECT of the same rows.
#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/read_sides.hpp"

namespace throng {

namespace {

constexpr auto options = join(
    std::array{
        option_spec{"--seconds", "N", "how long each round measures warm pages", "3"},
        option_spec{"--rounds", "N", "rounds, each with its yardstick", "3"},
        option_spec{"--outstanding", "N", "pages asked and not yet answered; the store has 2 readers", "2"},
        option_spec{"--channels", "N", "channels that are read in turn", "500"},
        option_spec{"--messages", "N", "messages in each", "200"},
        option_spec{"--bytes", "N", "length of a message's text", "200"},
        option_spec{"--limit", "N", "messages on a page", "50"},
    },
    storage_options);

}  // namespace

std::span<const option_spec> read_options() { return options; }

result<bench_report> run_read_bench(const command_line& line) {
  bench_report report;
  report.bench = "read";
  number_reader number(line, report.params);
  read_plan with{};
  with.seconds = number("--seconds", 1, 600);
  with.rounds = number("--rounds", 1, 100);
  with.outstanding = number("--outstanding", 1, 10'000);
  with.channels = number("--channels", 1, 100'000);
  with.messages = number("--messages", 1, 100'000);
  with.bytes = number("--bytes", 1, 40'000);
  with.limit = number("--limit", 1, 999);
  if (!number.outcome()) return number.outcome().failure();
  auto storage = bench_storage::make(line);
  if (!storage) return storage.failure();
  if (auto filled = fill_for_reads(with, **storage); !filled) return filled.failure();

  rounds ours, theirs;
  for (std::size_t i = 0; i < with.rounds; ++i) {
    auto pages = measure_node_reads(with, **storage);
    if (!pages) return pages.failure();
    auto bare = measure_bare_reads(with, **storage);
    if (!bare) return bare.failure();
    ours.add(*pages);
    theirs.add(*bare);
  }
  report.measured = ours.medians();
  report.yardstick = theirs.medians();
  report.ratio = *report.measured.find("pages_per_s") / *report.yardstick.find("pages_per_s");
  report.ratio_says = "warm pages a second to those of the yardstick; higher is better, 1 is its limit";
  report.yardstick_says = "a bare prepared SELECT of the same rows on 2 connections, each column taken";
  report.notes = {
      "A page of history also asks for the threads that hang on its posts, and is made into messages.",
      "Cold: each channel's page once, after the database was restarted and the system's cache dropped; it wakes the "
      "CHANNEL, which reads its newest posts."};
  return report;
}

}  // namespace throng
