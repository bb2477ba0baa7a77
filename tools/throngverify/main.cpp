// SPDX-License-Identifier: Apache-2.0
// throngverify: lets many clients talk through a cluster while faults happen, and checks what Throng promises from
// their side. Exit codes: 0 all promises were kept, 1 one wasn't, or the run failed, 2 wrong usage.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "tools/throngverify/history_file.hpp"
#include "tools/throngverify/run.hpp"
#include "tools/throngverify/verdict.hpp"

namespace {

using namespace throng;

int show_usage() {
  std::printf(
      "throngverify [options]\n\n"
      "Starts a cluster (tools/cluster) and lets people talk through its public API while faults happen; with --url\n"
      "it takes one that is there, without faults. Then every history is read at every node and compared with all\n"
      "that the clients saw. Exit code 0: all promises were kept; 1: one wasn't, or the run failed; 2: wrong usage.\n\n"
      "%s",
      describe(verify::option_specs()).c_str());
  return 0;
}

int refuse(const error& why) {
  std::fprintf(stderr, "throngverify: %s\n", why.detail.c_str());
  return 2;
}

int fail(const error& why) {
  std::fprintf(stderr, "throngverify: %s\n",
               why.detail.empty() ? std::string(to_string(why.code)).c_str() : why.detail.c_str());
  return 1;
}

int tell(const verify::history& seen, const verify::check_report& report, bool wants_json) {
  if (wants_json)
    std::cout << verify::verdict_json(seen, report) << std::endl;
  else
    verify::print_verdict(std::cout, seen, report);
  return verify::exit_code(report);
}

int judge(const verify::options& how) {
  std::ifstream file(how.judge);
  if (!file) return refuse({errc::invalid_arguments, "can't read " + how.judge});
  auto seen = verify::read_history(file);
  if (!seen) return fail(seen.failure());
  return tell(*seen, verify::check(*seen), how.wants_json);
}

void print_counts(const verify::run_outcome& outcome) {
  const auto& counts = outcome.counts;
  std::cerr << "calls " << counts.calls << ", acknowledged " << counts.acknowledged << ", refused " << counts.refused
            << ", without a known outcome " << counts.unknown << ", posts given up " << counts.posts_given_up << '\n'
            << "sign-ins " << counts.sign_ins << ", of them resumed " << counts.resumes << "; failed "
            << counts.failed_sign_ins << "; gaps " << counts.gaps << '\n';
  for (const auto& [what, count] : counts.errors) std::cerr << "  " << count << " × " << what << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = parse_command_line({argv + 1, static_cast<std::size_t>(argc - 1)}, verify::option_specs());
  if (!line) return refuse(line.failure());
  if (line->has("--help")) return show_usage();
  if (line->has("--version")) {
    std::printf("throngverify %s\n", THRONG_VERSION);
    return 0;
  }
  const auto how = verify::read_options(*line);
  if (!how) return refuse(how.failure());
  if (!how->judge.empty()) return judge(*how);

  std::signal(SIGPIPE, SIG_IGN);
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) std::signal(each, [](int) { verify::interrupt_run(); });
  auto outcome = verify::run(*how, std::cerr);
  if (!outcome) return fail(outcome.failure());
  print_counts(*outcome);
  auto report = verify::check(outcome->seen);
  report.findings = outcome->found;
  const auto code = tell(outcome->seen, report, how->wants_json);
  const bool is_kept = how->keeps_folder || code != 0;
  auto folder = outcome->folder;
  if (is_kept && folder.empty())
    folder = how->folder.empty() ? std::filesystem::temp_directory_path().string() : how->folder;
  if (is_kept) {
    const auto file = folder + "/history-" + std::to_string(how->scene.seed) + ".jsonl";
    std::ofstream out(file);
    verify::write_history(out, outcome->seen);
    std::cerr << "the history is in " << file;
    if (!outcome->folder.empty()) std::cerr << ", the nodes' logs in " << folder << "/units";
    std::cerr << std::endl;
  } else if (!folder.empty()) {
    verify::remove_folder(folder);
  }
  return code;
}
