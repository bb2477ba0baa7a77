// SPDX-License-Identifier: Apache-2.0
// A process that a test forks to kill it. It dies with the test, also when that fails.
#pragma once

#include <csignal>
#include <optional>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace throng {

class child_process {
 public:
  /// Runs `work` in the child, which ends after it.
  template <class Work>
  explicit child_process(Work work) {
    int pipe[2];
    if (::pipe(pipe) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("can't fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(pipe[0]);
      said() = pipe[1];
      work();
      ::_exit(3);
    }
    ::close(pipe[1]);
    heard_ = pipe[0];
  }
  ~child_process() {
    kill9();
    ::close(heard_);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  /// In the child.
  static void tell(char what) {
    if (::write(said(), &what, 1) != 1) ::_exit(5);
  }
  /// What the child told; none if it ended before.
  std::optional<char> told() {
    char what = 0;
    return ::read(heard_, &what, 1) == 1 ? std::optional(what) : std::nullopt;
  }
  void kill9() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  static int& said() {
    static int descriptor = -1;
    return descriptor;
  }
  pid_t pid_ = -1;
  int heard_ = -1;
};

}  // namespace throng
