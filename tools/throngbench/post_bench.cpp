// SPDX-License-Identifier: Apache-2.0
// post: asks CHANNELs of a node in this process to post into an empty store, with so many asks outstanding; or a
// running node by HTTP, with --url. The yardstick writes the same rows, with the batch size that was observed, into an
// empty store: with SQLite by store.commit() alone, with MySQL by a bare multi-row INSERT on as many connections.
#include <algorithm>
#include <array>
#include <thread>

#include "tools/throngbench/bench.hpp"
#include "tools/throngbench/bench_storage.hpp"
#include "tools/throngbench/post_sides.hpp"

namespace throng {

namespace {

constexpr auto options = join(
    std::array{
        option_spec{"--seconds", "N", "how long each round measures", "5"},
        option_spec{"--rounds", "N", "rounds, each with its yardstick", "3"},
        option_spec{"--outstanding", "N", "posts asked and not yet answered", "64"},
        option_spec{"--channels", "N", "channels that are posted to in turn", "1000"},
        option_spec{"--bytes", "N", "length of a post's text", "200"},
        option_spec{"--threads", "N",
                    "of the node's scheduler; 0: one a core, and with --store mysql one less, for the server", "0"},
        option_spec{"--url", "URL", "post to this running node by chat.postMessage instead of to one in this process"},
        option_spec{"--token", "TOKEN", "of a person who makes the channels there and posts; with --url"},
    },
    storage_options);

result<> run_remote_rounds(const command_line& line, const post_plan& with, bench_storage& storage, rounds& ours,
                           rounds& theirs) {
  auto url = parse_http_url(line.text("--url"));
  if (!url) return url.failure();
  auto node = remote_poster::make(std::move(*url), line.text("--token"), with);
  if (!node) return node.failure();
  for (std::size_t i = 0; i < with.rounds; ++i) {
    auto posts = node->measure(with);
    if (!posts) return posts.failure();
    auto inserts = measure_bare_inserts(with, storage, with.outstanding, remote_poster::plain_row(with));
    if (!inserts) return inserts.failure();
    ours.add(*posts);
    theirs.add(*inserts);
  }
  return done;
}

result<> run_local_rounds(const post_plan& with, bench_storage& storage, rounds& ours, rounds& theirs) {
  for (std::size_t i = 0; i < with.rounds; ++i) {
    auto posts = measure_node_posts(with, storage);
    if (!posts) return posts.failure();
    auto inserts = measure_bare_inserts(with, storage, posts->units_per_batch, std::move(posts->row));
    if (!inserts) return inserts.failure();
    ours.add(posts->round);
    theirs.add(*inserts);
  }
  return done;
}

}  // namespace

std::span<const option_spec> post_options() { return options; }

result<bench_report> run_post_bench(const command_line& line) {
  bench_report report;
  report.bench = "post";
  number_reader number(line, report.params);
  post_plan with;
  with.seconds = number("--seconds", 1, 600);
  with.rounds = number("--rounds", 1, 100);
  with.outstanding = number("--outstanding", 1, 10'000);
  with.channels = number("--channels", 1, 100'000);
  with.bytes = number("--bytes", 1, 40'000);
  with.threads = number("--threads", 0, 256);
  if (!number.outcome()) return number.outcome().failure();

  const bool is_remote = !line.text("--url").empty();
  if (is_remote && with.outstanding > remote_poster::connections_max)
    return error{errc::invalid_arguments, "with --url, --outstanding is at most " +
                                              std::to_string(remote_poster::connections_max) +
                                              ": each is a connection"};

  auto storage = bench_storage::make(line);
  if (!storage) return storage.failure();
  if (with.threads == 0 && (*storage)->where())
    with.threads = std::max<std::size_t>(2, std::thread::hardware_concurrency()) - 1;
  rounds ours, theirs;
  auto outcome = is_remote ? run_remote_rounds(line, with, **storage, ours, theirs)
                           : run_local_rounds(with, **storage, ours, theirs);
  if (!outcome) return outcome.failure();
  report.measured = ours.medians();
  report.yardstick = theirs.medians();
  report.ratio = *report.measured.find("posts_per_s") / *report.yardstick.find("posts_per_s");
  report.ratio_says = "posts a second to those of the yardstick; higher is better, 1 is its limit";
  report.yardstick_says =
      (*storage)->where()
          ? "a bare prepared multi-row INSERT of the same rows into the same server, with the observed batch size and "
            "as "
            "many connections; its p50 and p99 are of a batch"
          : "store.commit() of the same rows with the observed batch size; its p50 and p99 are of a batch";
  report.notes = {"Both wait for the disk at each commit. CPU is that of the whole process, with the asking side."};
  return report;
}

}  // namespace throng
