// SPDX-License-Identifier: Apache-2.0
// ARGUMENTS of one API call, however the client sent them: query, form, multipart or a JSON object, all at once where
// it does so. The body wins over the query, and the last of a name wins. Pure; bounded by the body's size and
// `argument_limits`. What a value means is argument_kinds.hpp's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

struct argument {
  enum class kind_t {
    text,     // a JSON string, or any field of a form
    number,   // a JSON number, as it was written
    boolean,  // "true" or "false"
    json,     // a JSON array or object, compact
    file,     // a part with a file name: bytes
  };
  std::string name;
  std::string value;
  kind_t kind = kind_t::text;
};

/// What of a request matters here.
struct argument_source {
  std::string_view method;        // "GET", "POST"
  std::string_view query;         // behind the '?'
  std::string_view content_type;  // empty: none
  std::string_view body;
};

struct argument_limits {
  std::size_t arguments_max = 200;  // guess: the longest method of the API has 30
  std::size_t name_bytes_max = 200;
  std::size_t body_bytes_max = 1024 * 1024;
  std::size_t json_depth_max = 64;
  std::size_t json_values_max = 20'000;
};

class arguments {
 public:
  /// Null if it isn't there. A JSON null counts as not there.
  const argument* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The text, or empty.
  std::string_view text(std::string_view name) const;
  void set(argument value);
  void erase(std::string_view name);
  const std::vector<argument>& all() const { return all_; }

 private:
  std::vector<argument> all_;
};

/// Errors: invalid_json, json_not_object, invalid_form_data, invalid_charset, missing_post_type, invalid_post_type,
/// invalid_arg_name, invalid_arguments (too many), request_too_large.
result<arguments> parse_arguments(const argument_source& source, const argument_limits& limits);

/// Well-formed JSON without the spaces and line ends between its tokens. The rest stays byte for byte.
std::string compact_json(std::string_view json);

/// What the Authorization header says; empty where it says nothing. The Bearer token wins over a `token` argument.
struct authorization {
  std::string token;
  std::string client_id;  // HTTP Basic
  std::string client_secret;
};
authorization parse_authorization(std::string_view header);

}  // namespace throng
