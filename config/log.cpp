// SPDX-License-Identifier: Apache-2.0
#include "config/log.hpp"

#include <condition_variable>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "config/log_queue.hpp"
#include "config/plain_text.hpp"

namespace throng::log {

namespace {

constexpr std::size_t line_bytes_max = 8_KiB;

/// For what was logged through `out` so far; replaced by init().
class line_sink {
 public:
  line_sink(std::FILE* out, log_format format, std::string node) : sink_(out), format_(format), node_(std::move(node)) {
    // The payload is made of plain text below, so quotes and line ends can't break a line or forge one.
    const char* pattern = format == log_format::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})"
                                                     : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
    sink_.set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc, "\n"));
  }

  void write(const log_line& line) {
    auto text = payload(line.text);
    spdlog::details::log_msg message(line.time, spdlog::source_loc{}, "throng", name(line.level), text);
    sink_.log(message);
  }

 private:
  static spdlog::level::level_enum name(log_level level) {
    switch (level) {
      case log_level::debug:
        return spdlog::level::debug;
      case log_level::info:
        return spdlog::level::info;
      case log_level::warn:
        return spdlog::level::warn;
      default:
        return spdlog::level::err;
    }
  }

  std::string payload(std::string_view text) const {
    if (format_ == log_format::text) return node_.empty() ? std::string(text) : node_ + " " + std::string(text);
    std::string json = node_.empty() ? "\"message\":\"" : "\"node\":\"" + node_ + "\",\"message\":\"";
    for (char c : text) {
      if (c == '"' || c == '\\') json += '\\';
      json += c;
    }
    return json += '"';
  }

  spdlog::sinks::stdout_sink_base<spdlog::details::console_nullmutex> sink_;
  log_format format_;
  std::string node_;
};

/// The one log of the process. Never destroyed: destructors of statics may log.
class logger {
 public:
  void start(const configuration& settings, std::FILE* out) {
    stop();
    {
      std::scoped_lock guard(write_lock_);
      sink_.emplace(out, settings.log.format, settings.node);
    }
    std::scoped_lock guard(lock_);
    queue_ = log_queue(settings.log.waiting_lines_max);
    told_dropped_ = 0;
    running_ = true;
    writer_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      std::scoped_lock guard(lock_);
      if (!running_) return;
      running_ = false;
    }
    wake_.notify_one();
    writer_.join();
  }

  void accept(log_line line) {
    {
      std::scoped_lock guard(lock_);
      if (running_) {
        bool was_empty = queue_.empty();
        bool kept = queue_.push(std::move(line));
        if (!kept) dropped_.fetch_add(1, std::memory_order_relaxed);
        if (!kept || !was_empty) return;  // the writer is awake already
      } else {
        write(line);
        return;
      }
    }
    wake_.notify_one();
  }

  void count_dropped() noexcept { dropped_.fetch_add(1, std::memory_order_relaxed); }
  figures read() const noexcept { return {written_.load(), dropped_.load()}; }

 private:
  void run() noexcept {
    std::unique_lock guard(lock_);
    for (;;) {
      wake_.wait(guard, [this] { return !queue_.empty() || !running_; });
      if (queue_.empty()) return;
      auto lines = queue_.take();
      auto missed = queue_.dropped() - std::exchange(told_dropped_, queue_.dropped());
      guard.unlock();
      for (const auto& line : lines) write(line);
      if (missed > 0) tell_missed(missed);
      guard.lock();
    }
  }

  void tell_missed(std::uint64_t lines) noexcept {
    try {
      write({std::chrono::system_clock::now(), log_level::warn, fmt::format("log dropped {} lines", lines)});
    } catch (...) {
      // Out of memory: the figures tell it.
    }
  }

  void write(const log_line& line) noexcept {
    try {
      std::scoped_lock guard(write_lock_);
      if (!sink_) sink_.emplace(stderr, log_format::text, "");
      sink_->write(line);
      written_.fetch_add(1, std::memory_order_relaxed);
    } catch (...) {
      count_dropped();  // there is nowhere to say it but the figures
    }
  }

  std::mutex lock_;  // queue_, running_, told_dropped_; taken before write_lock_
  std::condition_variable wake_;
  log_queue queue_{0};
  bool running_ = false;
  std::uint64_t told_dropped_ = 0;
  std::thread writer_;

  std::mutex write_lock_;  // sink_
  std::optional<line_sink> sink_;

  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> dropped_{0};
};

logger& the_logger() {
  static auto* one = new logger;
  return *one;
}

}  // namespace

void init(const configuration& settings, std::FILE* out) {
  static const bool at_exit = std::atexit([] { stop(); }) == 0;
  static_cast<void>(at_exit);  // best effort: main() calls stop() itself
  the_logger().start(settings, out);
  detail::threshold.store(settings.log.level, std::memory_order_relaxed);
}

void stop() noexcept {
  try {
    the_logger().stop();
  } catch (...) {
    // A lock or join that fails leaves the writer as it is; the process is about to end.
  }
}

figures read_figures() noexcept { return the_logger().read(); }

void detail::write(log_level level, fmt::string_view format, fmt::format_args args) noexcept {
  try {
    fmt::basic_memory_buffer<char> text;
    fmt::vformat_to(std::back_inserter(text), format, args);
    auto now = std::chrono::system_clock::now();
    the_logger().accept({now, level, make_plain({text.data(), text.size()}, line_bytes_max)});
  } catch (...) {
    the_logger().count_dropped();
  }
}

}  // namespace throng::log
