// SPDX-License-Identifier: Apache-2.0
// REMOTE: the shell on the node's side, asked over the admin port. Blocking; one thread.
#pragma once

#include <string>
#include <string_view>

#include "tools/common/http_client.hpp"

namespace throng {

class remote {
 public:
  /// A node's trace may take a minute.
  static constexpr std::chrono::seconds patience{75};

  remote(http_url server, std::string token) : http_(std::move(server), patience), token_(std::move(token)) {}

  /// The JSON answer, whatever it says. Errors: service_unavailable, with a sentence.
  result<std::string> run(std::string_view line);
  /// What the shell knows; not_found if the node doesn't say.
  result<std::string> words();
  /// The name of the node that answers; empty if it doesn't say.
  std::string node_name();

 private:
  http_client http_;
  std::string token_;
};

/// The admin token: `given`, or else of the environment (THRONG_ADMIN_TOKEN), or of the first file that is there: of
/// `file`, if it is not empty, else of the places where a node started here keeps it. Errors: invalid_arguments.
result<std::string> find_admin_token(const std::string& given, const std::string& file);

}  // namespace throng
