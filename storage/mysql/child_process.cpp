// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/child_process.hpp"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <future>
#include <mutex>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace throng {

namespace {

// PR_SET_PDEATHSIG fires when the thread that forked ends, not when its program does. So one thread forks for all, and
// lives as long as the program.
class forking_thread {
 public:
  static forking_thread& instance() {
    static auto* one = new forking_thread;  // never destroyed: its thread is detached
    return *one;
  }

  pid_t run(std::packaged_task<pid_t()> task) {
    auto answer = task.get_future();
    {
      std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    more_.notify_one();
    return answer.get();
  }

 private:
  forking_thread() {
    std::thread([this] { work(); }).detach();
  }

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [this] { return !tasks_.empty(); });
      auto next = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      next();
    }
  }

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<std::packaged_task<pid_t()>> tasks_;  // as many as threads that wait for theirs
};

/// In the child, where only async-signal-safe calls are allowed.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // it died before the line above
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  auto nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0U, 0);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

std::filesystem::path find_program(const std::string& name) {
  const auto* path = std::getenv("PATH");
  auto folders = std::string(path ? path : "") + ":/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/libexec";
  for (std::size_t from = 0; from < folders.size();) {
    auto end = std::min(folders.find(':', from), folders.size());
    auto candidate = std::filesystem::path(folders.substr(from, end - from)) / name;
    if (candidate.is_absolute() && access(candidate.c_str(), X_OK) == 0) return candidate;
    from = end + 1;
  }
  return {};
}

result<pid_t> start_child(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  auto output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) return error{errc::fatal_error, "can't write " + log.string() + ": " + std::strerror(errno)};
  std::vector<char*> raw;
  for (const auto& one : arguments) raw.push_back(const_cast<char*>(one.c_str()));
  raw.push_back(nullptr);
  auto child = forking_thread::instance().run(std::packaged_task<pid_t()>([&] {
    auto parent = getpid();
    auto forked = fork();
    if (forked == 0) become(raw.data(), output, parent);
    return forked < 0 ? -errno : forked;
  }));
  close(output);
  if (child < 0) return error{errc::fatal_error, std::string("can't start a process: ") + std::strerror(-child)};
  return child;
}

}  // namespace throng
