// SPDX-License-Identifier: Apache-2.0
#include "net/admin/shell_reply.hpp"

namespace throng {

namespace {

void write_tree(json_writer& out, const shell_tree& tree) {
  out.begin_object().member("name", tree.name);
  if (!tree.children.empty()) {
    out.key("children").begin_array();
    for (const auto& each : tree.children) write_tree(out, each);
    out.end_array();
  }
  out.end_object();
}

}  // namespace

std::string table_reply(const shell_table& table) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("ok", true).key("columns").begin_array();
  for (const auto& each : table.columns) out.value(each);
  out.end_array().key("rows").begin_array();
  for (const auto& row : table.rows) {
    out.begin_array();
    for (const auto& cell : row) {
      if (cell.is_number)
        out.raw(cell.text);
      else
        out.value(cell.text);
    }
    out.end_array();
  }
  out.end_array();
  if (!table.note.empty()) out.member("note", table.note);
  if (!table.order.empty()) {
    out.key("order").begin_array();
    for (const auto each : table.order) out.value(each);
    out.end_array();
  }
  if (table.total) out.member("total", *table.total);
  out.end_object();
  return text;
}

std::string tree_reply(const shell_tree& tree) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("ok", true).key("tree");
  write_tree(out, tree);
  out.end_object();
  return text;
}

std::string value_reply(std::string_view json) {
  std::string text;
  json_writer(text).begin_object().member("ok", true).raw_member("value", json).end_object();
  return text;
}

std::string failure_reply(const error& failure) {
  std::string text;
  json_writer out(text);
  out.begin_object().member("ok", false).member("error", to_string(failure.code));
  if (!failure.detail.empty()) out.member("detail", failure.detail);
  out.end_object();
  return text;
}

std::string with_partial(std::string reply, const std::vector<std::string>& partial) {
  if (partial.empty() || !reply.ends_with('}')) return reply;
  reply.pop_back();
  reply += ",\"partial\":";
  json_writer out(reply);
  out.begin_array();
  for (const auto& each : partial) out.value(each);
  out.end_array();
  return reply + "}";
}

std::string done_reply(std::string_view note) {
  std::string text;
  json_writer(text).begin_object().member("ok", true).member("note", note).end_object();
  return text;
}

}  // namespace throng
