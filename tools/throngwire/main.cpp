// SPDX-License-Identifier: Apache-2.0
// throngwire FILE: the wires between the processes of tools/cluster, through which its `cut` and `heal` work. FILE says
// which there are and which are cut (wire_plan.hpp); SIGHUP: read it again. What it follows is in FILE.applied.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tools/throngwire/wire_loop.hpp"

namespace {

using namespace throng;

std::atomic<bool> has_news{true}, is_over{false};
static_assert(std::atomic<bool>::is_always_lock_free);

std::string contents_of(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// Whoever waits for it sees all of it or nothing.
bool publish(const std::string& file, const std::string& text) {
  const auto draft = file + ".new";
  if (std::ofstream out(draft); !(out << text).flush()) return false;
  std::error_code failed;
  std::filesystem::rename(draft, file, failed);
  return !failed;
}

bool complain(const std::string& why) {
  std::fprintf(stderr, "throngwire: %s\n", why.c_str());
  return false;
}

bool follow(wire_loop& wires, const std::string& file) {
  const auto text = contents_of(file);
  auto plan = parse_wire_plan(text);
  if (!plan) return complain(file + ": " + plan.failure().detail);
  if (auto followed = wires.follow(std::move(*plan)); !followed) return complain(followed.failure().detail);
  return publish(file + ".applied", text) || complain("can't write " + file + ".applied");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fputs("usage: throngwire FILE\n", stderr);
    return 2;
  }
  const std::string file = arguments[1];
  std::signal(SIGHUP, [](int) { has_news = true; });
  for (int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { is_over = true; });
  wire_loop wires;
  for (bool is_first = true; !is_over; is_first = false) {
    if (has_news.exchange(false) && !follow(wires, file) && is_first) return 1;
    wires.run_once();
  }
  return 0;
}
