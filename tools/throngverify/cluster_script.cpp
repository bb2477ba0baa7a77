// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/cluster_script.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;  // POSIX leaves its declaration to the program

namespace throng::verify {

namespace {

/// The nodes are as an operator has them, but for what would rule a run: limits of calls, and how long a lost device
/// still counts as present.
std::vector<std::string> environment_for(const cluster_paths& paths) {
  std::vector<std::string> all{"THRONGD=" + paths.throngd, "THRONGSH=" + paths.throngsh,
                               "THRONGWIRE=" + paths.throngwire, "THRONG_RATE_LIMITS_ENABLED=false",
                               "THRONG_PRESENCE_FLAP_DELAY=2s"};
  for (char** each = environ; *each; ++each) {
    const std::string_view variable = *each;
    const bool is_replaced =
        variable.starts_with("THRONGD=") || variable.starts_with("THRONGSH=") || variable.starts_with("THRONGWIRE=");
    // What is meant for tests a node would refuse as unknown settings.
    if (!is_replaced && !variable.starts_with("THRONG_TEST_")) all.emplace_back(variable);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (auto& each : words) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto begin = text.rfind('\n');
  return std::string(begin == text.npos ? text : text.substr(begin + 1));
}

/// -1 if it can't be started.
pid_t start(std::vector<std::string> words, std::vector<std::string> environment, int out) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
  // A terminal's Ctrl-C is for this program, which then ends what it has started in order.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  pid_t process = -1;
  const auto words_of = pointers_to(words);
  const auto variables = pointers_to(environment);
  if (::posix_spawn(&process, words.front().c_str(), &actions, &attributes, words_of.data(), variables.data()) != 0)
    process = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return process;
}

}  // namespace

task<result<std::string>> cluster_script::run(std::vector<std::string> words, event_loop::clock::duration patience) {
  const auto deadline = event_loop::clock::now() + patience;
  std::string name = "tools/cluster";
  for (const auto& each : words) name += " " + each;
  words.insert(words.begin(), paths_.script);
  words.insert(words.end(), {"--data", paths_.data});
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) co_return error{errc::internal_error, std::strerror(errno)};
  unique_fd reading(ends[0]), writing(ends[1]);
  const auto process = start(std::move(words), environment_for(paths_), writing.value());
  writing.reset();
  if (process < 0) co_return error{errc::internal_error, "can't start " + paths_.script};
  auto pipe = async_socket::adopt(loop_, std::move(reading));
  std::string said;
  bool is_late = false;
  while (true) {
    auto more = co_await pipe.receive(said, deadline);
    if (!more) break;
    if (*more) continue;
    is_late = true;
    ::kill(-process, SIGKILL);  // it and what it waits for; the cluster's own processes are in another session
    break;
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  if (is_late) co_return error{errc::request_timeout, name + " took too long"};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    co_return error{errc::internal_error, name + ": " + last_line(said)};
  co_return said;
}

std::string cluster_script::admin_token() const {
  std::ifstream file(std::filesystem::path(paths_.data) / "units/n1/data/admin.token");
  std::string token;
  file >> token;
  return token;
}

std::vector<node_door> parse_doors(std::string_view up_said) {
  constexpr std::string_view between = " serves clients at ", behind = ", operators at ";
  std::vector<node_door> doors;
  while (!up_said.empty()) {
    const auto line = up_said.substr(0, up_said.find('\n'));
    up_said.remove_prefix(std::min(up_said.size(), line.size() + 1));
    const auto middle = line.find(between), last = line.find(behind);
    if (middle == line.npos || last == line.npos) continue;
    const auto client = parse_http_url(line.substr(middle + between.size(), last - middle - between.size()));
    if (client)
      doors.push_back({std::string(line.substr(0, middle)), *client, std::string(line.substr(last + behind.size()))});
  }
  return doors;
}

cluster_paths paths_beside() {
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  return {(folder.parent_path() / "tools/cluster").string(),
          (folder / "throngd").string(),
          (folder / "throngsh").string(),
          (folder / "throngwire").string(),
          {}};
}

}  // namespace throng::verify
