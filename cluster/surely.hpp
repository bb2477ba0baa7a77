// SPDX-License-Identifier: Apache-2.0
// surely(): a callback that is called exactly once, whatever becomes of those who were to call it. Actors drop the
// messages that they haven't handled when they end; who asked must hear of it all the same.
#pragma once

#include <functional>
#include <memory>
#include <utility>

namespace throng {

/// `done` (which may be empty) hears the first value, or `otherwise` when the last copy goes away uncalled.
template <class T>
std::function<void(T)> surely(std::function<void(T)> done, T otherwise) {
  struct promise {
    promise(std::function<void(T)> callback, T fallback) : call(std::move(callback)), otherwise(std::move(fallback)) {}
    promise(const promise&) = delete;
    promise& operator=(const promise&) = delete;
    ~promise() {
      if (call) call(std::move(otherwise));
    }
    std::function<void(T)> call;
    T otherwise;
  };
  auto kept = std::make_shared<promise>(std::move(done), std::move(otherwise));
  return [kept = std::move(kept)](T value) {
    if (auto call = std::exchange(kept->call, nullptr)) call(std::move(value));
  };
}

}  // namespace throng
