// SPDX-License-Identifier: Apache-2.0
// link: throng_storage
// Any bytes as a VSchema: either one line that says where and why not, or a schema whose parts fit together.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/vschema/table_routes.hpp"
#include "storage/vschema/vschema.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_one_line(const throng::error& failure, std::size_t lines) {
  const std::string_view detail = failure.detail;
  require(failure.code == throng::errc::invalid_arguments);
  require(detail.starts_with("v.json:") && detail.find('\n') == std::string::npos && detail.size() < 2000);
  const auto line = std::strtoull(detail.data() + 7, nullptr, 10);
  require(line >= 1 && line <= lines);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace throng;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t lines = 1;
  for (char c : text) lines += c == '\n';

  const auto parsed = parse_vschema(text, "v.json", "throng");
  if (!parsed) {
    require_one_line(parsed.failure(), lines);
    return 0;
  }
  for (const auto& [name, keyspace] : parsed->keyspaces)
    for (const auto& [table_name, table] : keyspace.tables)
      for (const auto& column : table.column_vindexes)
        require(!column.columns.empty() && keyspace.vindexes.contains(column.vindex));
  if (const auto routes = table_routes::make(*parsed); !routes)
    require_one_line(routes.failure(), lines);
  else
    require(routes->of_key(1) == 0xd46405367612b4b7);
  return 0;
}
