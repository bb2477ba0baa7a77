// SPDX-License-Identifier: Apache-2.0
// THRONG_ASSERT: for what can't be. It stays on in release builds and throws broken_invariant, which ends the actor
// it happens in; the supervisor decides what comes next. Outside an actor it ends the process.
#pragma once

#include <stdexcept>

namespace throng {

struct broken_invariant : std::logic_error {
  using std::logic_error::logic_error;
};

[[noreturn]] void fail_assertion(const char* expression, const char* file, int line);

}  // namespace throng

#define THRONG_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::throng::fail_assertion(#expression, __FILE__, __LINE__))
