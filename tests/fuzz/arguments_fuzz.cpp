// SPDX-License-Identifier: Apache-2.0
// The decoder of API arguments against arbitrary bytes: it must neither crash nor read outside, and what it accepts
// must keep its promises. The input's first line is the Content-Type, its second the query, the rest the body.
#include <cstdint>
#include <cstdlib>

#include "net/api/arguments.hpp"
#include "net/api/utf8.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take_line = [&rest] {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return line;
  };
  throng::argument_source source;
  source.method = "POST";
  source.content_type = take_line();
  source.query = take_line();
  source.body = rest;
  const throng::argument_limits limits;
  if (auto parsed = throng::parse_arguments(source, limits)) {
    for (const auto& each : parsed->all()) {
      if (each.name.empty() || each.name.size() > limits.name_bytes_max) std::abort();
      if (each.kind != throng::argument::kind_t::file && !throng::is_utf8(each.value)) std::abort();
    }
    if (parsed->all().size() > 2 * limits.arguments_max) std::abort();  // query and body count on their own
  }
  (void)throng::parse_authorization(source.content_type);
  return 0;
}
