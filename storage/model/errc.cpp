// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "storage/model/assert.hpp"
#include "storage/model/errc.hpp"

namespace throng {

std::string_view to_string(errc code) {
  switch (code) {
#define THRONG_NAME_CODE(name, number) \
  case errc::name: return #name;
    THRONG_ERROR_CODES(THRONG_NAME_CODE)
#undef THRONG_NAME_CODE
  }
  return "internal_error";
}

std::optional<errc> errc_of(std::uint16_t number) {
  switch (number) {
#define THRONG_KNOWN_CODE(name, number) \
  case number: return errc::name;
    THRONG_ERROR_CODES(THRONG_KNOWN_CODE)
#undef THRONG_KNOWN_CODE
  }
  return std::nullopt;
}

void fail_assertion(const char* expression, const char* file, int line) {
  throw broken_invariant(std::string(file) + ":" + std::to_string(line) + ": broken invariant: " + expression);
}

}  // namespace throng
