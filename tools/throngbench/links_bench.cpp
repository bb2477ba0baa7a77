// SPDX-License-Identifier: Apache-2.0
// links: what it costs to carry an envelope from one node to another, in two processes on this machine, as plain and as
// TLS links; and what a sender holds for a receiver that stands still. The yardstick is the cheapest that CAF itself
// can do: two actors, messages of 100 strings. It resends nothing, numbers nothing, and takes no parcel from a thread.
#include <array>

#include "tools/common/node_certificates.hpp"
#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/links_sides.hpp"

namespace throng {

namespace {

constexpr std::array options{
    option_spec{"--seconds", "S", "of load, each size, each kind, each round", "2"},
    option_spec{"--rounds", "N", "medians of so many", "5"},
    option_spec{"--round-trips", "N", "of single envelopes, each round", "2000"},
};

void note(figures& into, const std::string& prefix, const std::string& size, const links_outcome& outcome) {
  into.set(prefix + "cpu_us_" + size, outcome.cpu_us);
  into.set(prefix + "envelopes_per_s_" + size, outcome.envelopes_per_s);
  into.set(prefix + "round_trip_p50_us_" + size, outcome.p50_us);
  into.set(prefix + "round_trip_p99_us_" + size, outcome.p99_us);
}

}  // namespace

std::span<const option_spec> links_options() { return options; }

result<bench_report> run_links_bench(const command_line& line) {
  bench_report report;
  report.bench = "links";
  number_reader number(line, report.params);
  links_plan plain;
  plain.seconds = number("--seconds", 1, 600);
  const auto count = number("--rounds", 1, 100);
  plain.round_trips = number("--round-trips", 10, 1'000'000);
  if (!number.outcome()) return number.outcome().failure();

  const node_certificates authority;
  auto secure = plain;
  secure.receiver_tls = authority.issue("receiver");
  secure.sender_tls = authority.issue("sender");

  rounds ours, theirs;
  for (std::size_t round = 0; round < count; ++round) {
    figures one, bare;
    for (const auto& [bytes, size] : {std::pair{200u, std::string("200b")}, std::pair{2048u, std::string("2kb")}}) {
      plain.bytes = secure.bytes = bytes;
      const auto yardstick = measure_bare_batches(plain);
      if (!yardstick) return yardstick.failure();
      note(bare, "", size, *yardstick);
      const auto links = measure_links(plain);
      if (!links) return links.failure();
      note(one, "", size, *links);
      const auto tls = measure_links(secure);
      if (!tls) return tls.failure();
      note(one, "tls_", size, *tls);
    }
    const auto stopped = measure_stopped_receiver(plain);
    if (!stopped) return stopped.failure();
    one.set("stopped_receiver_growth_mb", stopped->growth_mb);
    one.set("stopped_receiver_waiting_mb", stopped->waiting_mb);
    one.set("stopped_receiver_caught_up_ms", stopped->caught_up_ms);
    ours.add(one);
    theirs.add(bare);
  }
  report.measured = ours.medians();
  report.yardstick = theirs.medians();
  const auto& best = *report.yardstick.find("cpu_us_200b");
  report.ratio = best > 0 ? *report.measured.find("cpu_us_200b") / best : 0;
  report.ratio_says = "CPU per envelope of 200 B, plain; lower is better";
  report.yardstick_says = "two bare CAF actors, 100 strings a message, 200 messages unacknowledged";
  report.notes.push_back("CPU is that of both processes together.");
  return report;
}

}  // namespace throng
