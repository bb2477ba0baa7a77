// SPDX-License-Identifier: Apache-2.0
// Decoders of what HTTP clients call a form: x-www-form-urlencoded (and queries), and multipart/form-data. Pure; they
// copy each byte at most once, and stop at `fields_max`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

struct form_field {
  std::string name;
  std::string value;
  bool is_file = false;  // multipart with a file name
};

/// "a=1&b=two+words%21". Fields without a name are left out. Errors: invalid_form_data (a bad percent escape),
/// invalid_arguments (more than `fields_max`).
result<std::vector<form_field>> decode_urlencoded(std::string_view text, std::size_t fields_max);

/// RFC 7578, and what real clients make of it: the closing boundary may be missing (the last part then ends with the
/// body), lines may end with a bare LF, a preamble and an epilogue are skipped. Errors: invalid_form_data,
/// invalid_arguments (more than `fields_max`).
result<std::vector<form_field>> decode_multipart(std::string_view body, std::string_view boundary,
                                                 std::size_t fields_max);

/// The value of `; name=value` or `; name="value"` in a header such as Content-Type; empty if it isn't there.
std::string header_parameter(std::string_view header, std::string_view name);

}  // namespace throng
