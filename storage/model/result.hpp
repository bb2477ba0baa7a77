// SPDX-License-Identifier: Apache-2.0
// result<T>: a value, or an expected error. Impossible states are THRONG_ASSERT's, not an error's.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "storage/model/errc.hpp"

namespace throng {

/// `detail` is a sentence for a person: what was wrong, with the value that was. It may be empty.
struct error {
  errc code = errc::internal_error;
  std::string detail;
  friend bool operator==(const error&, const error&) = default;
};

struct unit {
  friend constexpr bool operator==(unit, unit) = default;
};

template <class T = unit>
class [[nodiscard]] result {
 public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(error failure) : state_(std::in_place_index<1>, std::move(failure)) {}
  result(errc code) : state_(std::in_place_index<1>, error{code, {}}) {}

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// REQUIRES: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// REQUIRES: !ok().
  const error& failure() const { return std::get<1>(state_); }
  errc code() const { return failure().code; }

 private:
  std::variant<T, error> state_;
};

/// The answer of an operation without a value: `return done;`.
inline constexpr unit done{};

}  // namespace throng
