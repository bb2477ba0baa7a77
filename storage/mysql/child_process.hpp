// SPDX-License-Identifier: Apache-2.0
// Starts a program that dies with this one. Private to storage/mysql/local_server.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "storage/model/result.hpp"

namespace throng {

/// Its absolute path, looked for in PATH and where servers are kept; empty if there is none.
std::filesystem::path find_program(const std::string& name);

/// The new process, in a process group of its own; input is empty, output is appended to `log`. It gets SIGKILL when
/// this program ends, however that happens. The caller reaps it. A program that can't be run ends with status 127.
result<pid_t> start_child(const std::vector<std::string>& arguments, const std::filesystem::path& log);

}  // namespace throng
