// SPDX-License-Identifier: Apache-2.0
#include "config/log.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "config/log_queue.hpp"

using namespace throng;

namespace {

struct bad {};

/// Runs `lines` with the log going to a temporary file, and hands back what was written.
template <class Lines>
std::string logged(const configuration& settings, Lines lines) {
  std::FILE* out = std::tmpfile();
  REQUIRE(out != nullptr);
  log::init(settings, out);
  lines();
  log::stop();
  std::rewind(out);
  std::string text(1 << 20, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), out));
  log::init(configuration{});  // back to standard error before the file goes away
  log::stop();
  std::fclose(out);
  return text;
}

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

template <>
struct fmt::formatter<bad> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(const bad&, fmt::format_context& context) const -> decltype(context.out()) {
    throw std::runtime_error("can't");
  }
};

TEST_CASE("log: a line has time, level, node and text") {
  configuration c;
  c.node = "n7";
  auto text = logged(c, [] { log::info("channel {} refused post: {} ({})", 42, "body_too_long", std::string("x")); });
  REQUIRE(text.size() > 24);
  CHECK(text[10] == 'T');
  CHECK(text[23] == 'Z');
  CHECK(text.substr(24) == " info n7 channel 42 refused post: body_too_long (x)\n");
}

TEST_CASE("log: a JSON line stays one object, whatever it quotes") {
  configuration c;
  c.log.format = log_format::json;
  auto text = logged(c, [] { log::warn("said {}", "\"a\\b\"\n\x1b\xff"); });
  CHECK(lines_of(text) == 1);
  CHECK(text.ends_with(R"(,"level":"warning","node":"n1","message":"said \"a\\b\"\\n\\x1b\\xff"})"
                       "\n"));
  CHECK(text.starts_with("{\"time\":\"20"));
}

TEST_CASE("log: a line below the level is neither written nor counted") {
  configuration c;
  c.log.level = log_level::warn;
  auto before = log::read_figures();
  CHECK(logged(c, [] {
          log::info("no");
          log::debug("no");
        }).empty());
  CHECK(log::read_figures().dropped == before.dropped);
  log::init(configuration{});
  log::stop();
  CHECK(log::enabled(log_level::info));
}

TEST_CASE("log: an argument that can't be formatted loses its line and nothing else") {
  auto before = log::read_figures().dropped;
  auto text = logged(configuration{}, [] {
    log::info("lost {}", bad{});
    log::info("kept");
  });
  CHECK(text.ends_with(" info n1 kept\n"));
  CHECK(lines_of(text) == 1);
  CHECK(log::read_figures().dropped == before + 1);
}

TEST_CASE("log: a huge line is cut") {
  auto text = logged(configuration{}, [] { log::info("{}", std::string(100'000, 'x')); });
  CHECK(text.size() < 9'000);
  CHECK(text.ends_with("…\n"));
}

TEST_CASE("log: lines of many threads are all there, each whole") {
  constexpr int threads = 4, each = 200;
  configuration c;
  c.log.waiting_lines_max = 10'000;
  auto text = logged(c, [] {
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; ++t) {
      writers.emplace_back([t] {
        for (int i = 0; i < each; ++i) log::info("thread {} line {} end", t, i);
      });
    }
    for (auto& w : writers) w.join();
  });
  CHECK(lines_of(text) == threads * each);
  std::size_t ends = 0;
  for (auto at = text.find(" end\n"); at != std::string::npos; at = text.find(" end\n", at + 1)) ++ends;
  CHECK(ends == threads * each);
}

TEST_CASE("log: a writer that is stuck holds up nobody, and what was dropped is told") {
  // A pipe that nobody reads until the end: the writer thread blocks in it once its 64 KiB are full.
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::FILE* out = fdopen(ends[1], "w");
  configuration c;
  c.log.waiting_lines_max = 64;
  auto dropped_before = log::read_figures().dropped;
  log::init(c, out);
  for (int i = 0; i < 20'000; ++i) log::info("line {} {}", i, std::string(100, 'x'));
  CHECK(log::read_figures().dropped > dropped_before);

  std::string text;
  std::thread reader([&] {
    char buffer[4096];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  });
  log::stop();
  log::init(configuration{});
  log::stop();
  std::fclose(out);
  reader.join();
  close(ends[0]);
  CHECK(text.find("log dropped ") != std::string::npos);
}

TEST_CASE("log_queue: debug goes first, then info, then warnings") {
  log_queue queue(16);
  auto fill = [&](log_level level) {
    std::size_t kept = 0;
    while (queue.push({{}, level, "x"})) ++kept;
    return kept;
  };
  CHECK(fill(log_level::debug) == 8);
  CHECK(fill(log_level::info) == 4);
  CHECK(fill(log_level::warn) == 2);
  CHECK(fill(log_level::error) == 2);
  CHECK(queue.dropped() == 4);
  CHECK(queue.take().size() == 16);
  CHECK(queue.empty());
  CHECK(fill(log_level::debug) == 8);
}
