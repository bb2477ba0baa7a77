// SPDX-License-Identifier: Apache-2.0
#include "storage/unit_bytes.hpp"

namespace throng {

namespace {

std::size_t bytes_of(const put_workspace& op) { return op.row.domain.size() + op.row.data.size(); }
std::size_t bytes_of(const put_directory& op) { return op.row.data.size(); }
std::size_t bytes_of(const put_user& op) { return op.row.data.size(); }
std::size_t bytes_of(const put_membership&) { return 0; }
std::size_t bytes_of(const erase_membership&) { return 0; }
std::size_t bytes_of(const put_channel& op) { return op.row.data.size(); }
std::size_t bytes_of(const put_member&) { return 0; }
std::size_t bytes_of(const erase_member&) { return 0; }
std::size_t bytes_of(const insert_message& op) { return op.row.client_msg_id.size() + op.row.data.size(); }
std::size_t bytes_of(const put_message& op) { return op.row.client_msg_id.size() + op.row.data.size(); }
std::size_t bytes_of(const insert_event& op) { return op.row.data.size(); }
std::size_t bytes_of(const put_token& op) { return op.row.scopes.size(); }
std::size_t bytes_of(const put_app& op) { return op.row.data.size(); }
std::size_t bytes_of(const trim_rows&) { return 0; }

}  // namespace

std::size_t row_bytes(const write_op& op) {
  return std::visit([](const auto& one) { return bytes_of(one); }, op);
}

std::size_t unit_bytes(const commit_unit& unit) {
  auto bytes = sizeof(commit_unit);
  for (const auto& op : unit.ops) bytes += sizeof(write_op) + row_bytes(op);
  return bytes;
}

}  // namespace throng
