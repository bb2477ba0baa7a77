// SPDX-License-Identifier: Apache-2.0
// LOG: one line an event, on standard error, as text or JSON. Any thread may log; a line is formatted by its caller and
// written by one thread, so that a slow terminal or pipe never holds up an actor or an io thread. What waits is bounded
// (config/log_queue.hpp says what goes first). Before init() and after stop() lines are written by the caller.
//
// The format is fmt's, checked when compiled. fmt/core.h costs 0.07 s a file (std::string alone 0.11 s), spdlog 1 s:
// so spdlog stays in log.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <fmt/core.h>
#include <utility>

#include "config/log_level.hpp"

namespace throng {
struct configuration;
}

namespace throng::log {

/// Starts the writer thread. Not thread-safe; once, from main(), before other threads log. `out` is not closed.
void init(const configuration& settings, std::FILE* out = stderr);
/// Writes what waits and ends the writer thread; may be called without init(), and again. Also runs at exit().
void stop() noexcept;

struct figures {
  std::uint64_t written = 0, dropped = 0;
};
figures read_figures() noexcept;  // since the start; for /metrics

namespace detail {
inline std::atomic<log_level> threshold{log_level::info};
/// Never throws: a line that can't be formatted or kept is counted as dropped.
void write(log_level level, fmt::string_view format, fmt::format_args args) noexcept;
}  // namespace detail

/// To skip work that only a log line needs.
inline bool enabled(log_level level) noexcept { return level >= detail::threshold.load(std::memory_order_relaxed); }

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(log_level::debug)) detail::write(log_level::debug, format, fmt::make_format_args(args...));
}

template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(log_level::info)) detail::write(log_level::info, format, fmt::make_format_args(args...));
}

template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(log_level::warn)) detail::write(log_level::warn, format, fmt::make_format_args(args...));
}

template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (enabled(log_level::error)) detail::write(log_level::error, format, fmt::make_format_args(args...));
}

}  // namespace throng::log
