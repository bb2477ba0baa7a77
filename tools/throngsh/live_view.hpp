// SPDX-License-Identifier: Apache-2.0
// LIVE VIEW: a screen that is drawn anew with each answer, until a key ends it: `top` on a terminal. One thread.
#pragma once

#include <functional>
#include <string>

namespace throng {

/// Draws what `next` gives again and again, until q or Ctrl-C is pressed, or `next` fails. REQUIRES: standard input and
/// output are a terminal. False if the last one failed; its text is shown all the same.
struct live_frame {
  bool is_ok = false;
  std::string text;
};
bool show_live(const std::function<live_frame()>& next);

}  // namespace throng
