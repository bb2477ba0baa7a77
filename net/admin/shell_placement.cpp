// SPDX-License-Identifier: Apache-2.0
// The shell's commands that change where slots and entities are.
#include "net/admin/shell.hpp"
#include "net/admin/shell_reply.hpp"

namespace throng {

std::vector<shell::command> shell::placement_commands() { return {}; }

void shell::on_placement(std::function<std::string(cluster_admin&)> job, answer reply) {
  if (!services_.placement)
    return reply(failure_reply({errc::not_found, "this node is alone: there is nowhere to move anything"}));
  auto run = [placement = services_.placement, job = std::move(job), reply] {
    std::string answered;
    try {
      answered = job(*placement);
    } catch (const std::exception& thrown) {  // ends this command, not the process
      answered = failure_reply({errc::internal_error, thrown.what()});
    }
    reply(std::move(answered));
  };
  if (!worker_.submit(std::move(run))) reply(failure_reply({errc::overloaded, "too many commands wait to be done"}));
}

}  // namespace throng
