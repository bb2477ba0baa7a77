// SPDX-License-Identifier: Apache-2.0
// PROCESS PAIR: forks a receiver, which says its port, and a sender, which gets that port and says what it measured.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "storage/model/result.hpp"

namespace throng {

/// A forked process that lives for `live(pipe)`, and is killed with this.
struct piped_child {
  pid_t process = -1;
  int out[2] = {-1, -1};
  explicit piped_child(const std::function<int(int)>& live) {
    if (::pipe(out) != 0 || (process = ::fork()) < 0) return;
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(live(out[1]));
    }
    ::close(std::exchange(out[1], -1));
  }
  piped_child(const piped_child&) = delete;
  piped_child& operator=(const piped_child&) = delete;
  ~piped_child() {
    if (process > 0) {
      ::kill(process, SIGKILL);
      ::waitpid(process, nullptr, 0);
    }
    for (int fd : out)
      if (fd >= 0) ::close(fd);
  }
  template <class T>
  bool read(T& value) const {
    return process > 0 && ::read(out[0], &value, sizeof value) == sizeof value;
  }
};

/// `receive(tell_port)` runs until it is killed; `send(port, receiver)` returns plain data. Errors: service_unavailable
/// if one of them fails.
template <class Outcome>
result<Outcome> run_process_pair(const std::function<void(const std::function<void(std::uint16_t)>&)>& receive,
                                 const std::function<result<Outcome>(std::uint16_t, pid_t)>& send) {
  const piped_child receiver([&](int out) {
    receive([out](std::uint16_t port) { (void)!::write(out, &port, sizeof port); });
    return 1;
  });
  std::uint16_t port = 0;
  if (!receiver.read(port)) return error{errc::service_unavailable, "the receiver didn't start"};
  const piped_child sender([&](int out) {
    const auto outcome = send(port, receiver.process);
    if (!outcome) return 1;
    return ::write(out, &*outcome, sizeof(Outcome)) == sizeof(Outcome) ? 0 : 1;
  });
  Outcome outcome;
  if (!sender.read(outcome)) return error{errc::service_unavailable, "the sender failed"};
  return outcome;
}

}  // namespace throng
