// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/live_view.hpp"

#include <cstdio>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace throng {

namespace {

constexpr char ctrl_c = 3;
constexpr const char* home_and_clear = "\x1b[H\x1b[2J";

/// Keys come at once and aren't shown, Ctrl-C too; as before when it goes.
class raw_keys {
 public:
  raw_keys() : is_raw_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!is_raw_) return;
    auto raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  raw_keys(const raw_keys&) = delete;
  raw_keys& operator=(const raw_keys&) = delete;
  ~raw_keys() {
    if (is_raw_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }

  /// What was pressed since; doesn't wait.
  bool ends() const {
    pollfd keys{STDIN_FILENO, POLLIN, 0};
    while (::poll(&keys, 1, 0) > 0) {
      char key = 0;
      if (::read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q' || key == ctrl_c) return true;
    }
    return false;
  }

 private:
  termios before_{};
  const bool is_raw_;
};

}  // namespace

bool show_live(const std::function<live_frame()>& next) {
  const raw_keys keys;
  while (true) {
    const auto frame = next();
    std::fputs(home_and_clear, stdout);
    std::fwrite(frame.text.data(), 1, frame.text.size(), stdout);
    if (frame.is_ok) std::fputs("q ends this\n", stdout);
    std::fflush(stdout);
    if (!frame.is_ok) return false;
    if (keys.ends()) return true;
  }
}

}  // namespace throng
