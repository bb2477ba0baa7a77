// SPDX-License-Identifier: Apache-2.0
// What the nodes of a cluster answered to one shell command, made into one reply. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/admin/shell_reply.hpp"
#include "storage/model/time.hpp"

namespace throng {

/// A node's reply, whatever it says.
struct shell_part {
  std::string node;
  std::string text;
  std::chrono::microseconds took{0};
  wall_time came_at{};
};

struct shell_parts {
  std::vector<shell_part> answered;  // by the nodes' names
  std::vector<std::string> partial;  // "n3: no answer in 1 s"
};

/// A part that is taken apart: `ok` replies only.
class parsed_part {
 public:
  explicit parsed_part(const shell_part& from);
  bool is_ok() const { return root().find("ok").as_bool().value_or(false); }
  json_value root() const { return document_ ? document_->root() : json_value(); }
  const std::string& node() const { return from_.node; }
  const shell_part& part() const { return from_; }
  /// "n2: conflict: another trace is under way"
  std::string failure() const;

 private:
  const shell_part& from_;
  std::unique_ptr<const json_document> document_;  // on the heap, because values point to it
};

struct parsed_parts {
  std::vector<parsed_part> good;
  std::vector<std::string> partial;  // those without an answer, and those with a failure
  std::string first_failure;         // the reply, if no part is good
};
parsed_parts parsed(const shell_parts& all);

shell_table table_of(json_value reply);

/// One table of all, with a column NODE behind the others (unless they have one), ordered by what the parts' rows are
/// ordered by, and cut to `limit`. Its note says "20 of 153 entities" if the parts say how many there are.
shell_table merged_table(const std::vector<parsed_part>& parts, std::size_t limit, std::string_view what);
/// merged_table() as a reply; the first failure if no node has anything but one.
std::string merged_reply(const shell_parts& all, std::size_t limit, std::string_view what);

}  // namespace throng
