// SPDX-License-Identifier: Apache-2.0
// ADMIN SERVER: what the admin port answers.
//   GET  /healthz      200 while the process lives
//   GET  /readyz       200 while it serves, 503 while it starts, drains or can't write
//   GET  /metrics      Prometheus
//   POST /shell        a command line as the body, with the admin token (the operator role) or the viewer token (looks
//                      only); see net/admin/shell_reply.hpp
//   GET  /shell/words  commands and kinds, for completion
#pragma once

#include "net/admin/admin_services.hpp"
#include "net/admin/shell.hpp"
#include "net/transport/http.hpp"

namespace throng {

class admin_server {
 public:
  explicit admin_server(admin_services& services) : services_(services), shell_(services) {}

  /// For server::listen(); this object must outlive the listener.
  http_handler handler();
  /// Ends what the shell still does on its worker. Blocks. Before the listener goes.
  void stop() { shell_.stop(); }

 private:
  void answer(http_request request, http_responder responder);
  void run_shell(http_request request, http_responder responder);
  /// Who the token says it is; nothing for one that is neither the operators' nor the viewers'.
  std::optional<shell::caller> caller_of(const http_request& request) const;

  admin_services& services_;
  shell shell_;
};

}  // namespace throng
