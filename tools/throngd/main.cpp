// SPDX-License-Identifier: Apache-2.0
// throngd: one node. Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <variant>
#include <vector>

#include "config/load.hpp"
#include "config/log.hpp"
#include "config/print.hpp"
#include "tools/throngd/command_line.hpp"
#include "tools/throngd/node_process.hpp"
#include "tools/throngd/node_storage.hpp"

extern char** environ;

namespace throng {

namespace {

constexpr int exit_fine = 0;
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

/// SIGTERM and SIGINT are taken by one thread with sigwait(), so that no handler interrupts anything.
sigset_t block_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is a full disk to the store, not the end of the process
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

const char* name_of(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

std::atomic<bool> has_drained{false};

/// Says why, if standard error takes it within a moment, and ends the process.
[[noreturn]] void stop_at_once(const std::string& node, int signal) {
  if (has_drained) ::_exit(exit_fine);  // nothing was cut short
  log::warn("node {} stops at once: {} again", node, name_of(signal));
  auto written = std::make_shared<std::promise<void>>();
  auto is_written = written->get_future();
  std::thread([written] {
    log::stop();
    written->set_value();
  }).detach();
  is_written.wait_for(std::chrono::milliseconds(200));
  ::_exit(exit_failed);
}

/// What the main thread waits for: a signal, or that the node is no member of its cluster any more.
using process_event = std::variant<int, expulsion>;

/// Takes the signals from the start on: the first while it starts ends the process, for nothing is served yet; the
/// first after that is next() of the main thread; the one after that stops at once.
class signal_thread {
 public:
  signal_thread(sigset_t signals, std::string node) {
    std::thread([this, signals, node = std::move(node)] {
      int signal = 0;
      sigwait(&signals, &signal);
      if (!is_serving_.exchange(true)) {
        log::info("node {} stops while it starts: {}", node, name_of(signal));
        log::stop();
        ::_exit(exit_fine);
      }
      add(signal);
      sigwait(&signals, &signal);
      stop_at_once(node, signal);
    }).detach();
  }
  /// False: it is being ended already.
  bool serve() { return !is_serving_.exchange(true); }
  void add(process_event event) {
    {
      std::lock_guard lock(mutex_);
      events_.push_back(event);
    }
    has_events_.notify_all();
  }
  process_event next() {
    std::unique_lock lock(mutex_);
    has_events_.wait(lock, [this] { return !events_.empty(); });
    const auto event = events_.front();
    events_.pop_front();
    return event;
  }
  /// A signal that came meanwhile; the rest is of a life that is over.
  std::optional<int> forget_all() {
    std::lock_guard lock(mutex_);
    std::optional<int> signal;
    for (const auto& each : std::exchange(events_, {}))
      if (const auto* is_signal = std::get_if<int>(&each)) signal = *is_signal;
    return signal;
  }

 private:
  std::atomic<bool> is_serving_{false};
  std::mutex mutex_;
  std::condition_variable has_events_;
  std::deque<process_event> events_;
};

constexpr std::chrono::seconds rebirth_pause{1};

using process_ptr = std::unique_ptr<node_process>;

/// The node's next life: everything new but its addresses. What is in the way then was not in the way before, and may
/// pass. Null: a signal came.
process_ptr be_born_again(const configuration& settings, signal_thread& events) {
  while (true) {
    if (events.forget_all()) return nullptr;
    auto started = node_process::start(settings, THRONG_VERSION, [&](expulsion why) { events.add(why); });
    if (started) return std::move(*started);
    log::error("node {} could not start again: {}", settings.node, started.failure().detail);
    std::this_thread::sleep_for(rebirth_pause);
  }
}

int run(const configuration& settings, const std::string& file) {
  auto signals = block_signals();
  log::init(settings);
  static signal_thread taken(signals, settings.node);  // its thread outlives this function
  auto started = node_process::start(settings, THRONG_VERSION, [](expulsion why) { taken.add(why); });
  if (!taken.serve()) ::pause();
  if (!started && started.code() == errc::invalid_arguments) {
    log::stop();
    std::fprintf(stderr, "%s: %s\n", file.c_str(), started.failure().detail.c_str());
    return exit_usage;
  }
  if (!started) {
    log::error("node {} could not start: {}", settings.node, started.failure().detail);
    log::stop();
    return exit_failed;
  }
  process_ptr process = std::move(*started);
  std::printf("%s\n", process->ready_line().c_str());
  std::fflush(stdout);

  auto again = settings;
  again.listen = process->listening();
  while (process) {
    const auto event = taken.next();
    if (const auto* signal = std::get_if<int>(&event)) {
      log::info("node {} drains: {}", settings.node, name_of(*signal));
      process->stop();
      break;
    }
    process->stop();
    process.reset();
    if (std::get<expulsion>(event) == expulsion::replaced) {
      log::error("node {} ends: another process runs under its name", settings.node);
      log::stop();
      return exit_failed;
    }
    process = be_born_again(again, taken);
  }
  has_drained = true;
  log::info("node {} has stopped", settings.node);
  log::stop();
  return exit_fine;
}

int main_of(const std::vector<std::string>& arguments) {
  auto parsed = parse_command_line(arguments);
  if (!parsed) {
    std::fprintf(stderr, "throngd: %s\n%s", parsed.failure().detail.c_str(), usage_text);
    return exit_usage;
  }
  using action_t = command_line::action_t;
  if (parsed->action == action_t::help) return std::fputs(usage_text, stdout), exit_fine;
  if (parsed->action == action_t::version) return std::puts("throngd " THRONG_VERSION), exit_fine;

  config_origins origins;
  auto loaded = load_configuration(parsed->configuration_file, environ, &origins);
  if (const auto* problem = std::get_if<config_problem>(&loaded)) {
    std::fprintf(stderr, "%s\n", to_text(*problem).c_str());
    return exit_usage;
  }
  const auto& settings = std::get<configuration>(loaded);
  if (const auto mistake = find_storage_mistake(settings, origins)) {
    std::fprintf(stderr, "%s\n", mistake->c_str());
    return exit_usage;
  }
  if (parsed->action == action_t::check) return exit_fine;
  if (parsed->action == action_t::print_configuration)
    return std::fputs(print_configuration(settings).c_str(), stdout), exit_fine;
  return run(settings, parsed->configuration_file);
}

}  // namespace

}  // namespace throng

int main(int argc, char** argv) { return throng::main_of({argv + 1, argv + argc}); }
