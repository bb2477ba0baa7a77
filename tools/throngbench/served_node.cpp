// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/served_node.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <random>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/throngbench/process_usage.hpp"

namespace throng {

namespace {

constexpr std::chrono::seconds start_patience{30};
constexpr std::chrono::seconds stop_patience{30};

error trouble(std::string sentence) { return {errc::service_unavailable, std::move(sentence)}; }

std::string random_token() {
  std::random_device random;
  std::string text = "bench-";
  for (int i = 0; i < 32; ++i) text += "0123456789abcdef"[random() % 16];
  return text;
}

/// The first line that comes out of `fd`.
result<std::string> first_line(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + start_patience;
  std::string line;
  while (true) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd one{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&one, 1, static_cast<int>(left)) == 0) return trouble("throngd was not ready in time");
    char byte = 0;
    const auto count = ::read(fd, &byte, 1);
    if (count == 0) return trouble("throngd ended before it was ready; what it said is above");
    if (count < 0) continue;
    if (byte == '\n') return line;
    line += byte;
  }
}

std::string value_in(const std::string& line, std::string_view name) {
  auto at = line.find(name);
  if (at == line.npos) return {};
  at += name.size();
  return line.substr(at, line.find(' ', at) - at);
}

}  // namespace

result<scratch_folder> scratch_folder::make(const std::string& parent) {
  auto pattern =
      ((parent.empty() ? std::filesystem::temp_directory_path() : std::filesystem::path(parent)) / "throngbench-XXXXXX")
          .string();
  if (!::mkdtemp(pattern.data())) return trouble("can't make " + pattern + ": " + std::strerror(errno));
  return scratch_folder(pattern);
}

scratch_folder::~scratch_folder() {
  if (path_.empty()) return;
  std::error_code ignored;  // best effort: a left-over folder harms no figure
  std::filesystem::remove_all(path_, ignored);
}

std::string throngd_beside() {
  std::error_code ignored;
  return (std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "throngd").string();
}

served_node::served_node(node_settings settings, scratch_folder folder)
    : settings_(std::move(settings)), folder_(std::move(folder)), admin_token_(random_token()) {}

result<std::unique_ptr<served_node>> served_node::start(const node_settings& settings) {
  auto folder = scratch_folder::make(settings.folder);
  if (!folder) return folder.failure();
  std::unique_ptr<served_node> node(new served_node(settings, std::move(*folder)));
  std::ofstream(node->folder_.path() / "throng.yaml")
      << "node: bench\ndata: " << (node->folder_.path() / "data").string()
      << "\nlisten: {client: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", node: \"127.0.0.1:0\"}\n"
         "storage: {kind: sqlite}\ntopology: {kind: embedded}\nrate_limits: {enabled: false}\nlog: {level: warn}\n"
      << settings.extra_yaml;
  if (auto launched = node->launch(); !launched) return launched.failure();
  return node;
}

result<> served_node::launch() {
  if (::access(settings_.program.c_str(), X_OK) != 0)
    return trouble("there is no program " + settings_.program + "; build throngd, or give --throngd");
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return trouble(std::strerror(errno));
  unique_fd reading(out[0]), writing(out[1]);
  const auto file = (folder_.path() / "throng.yaml").string();
  process_ = ::fork();
  if (process_ < 0) return trouble(std::strerror(errno));
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (settings_.core >= 0) run_on_core(settings_.core);
    ::dup2(writing.value(), STDOUT_FILENO);
    ::setenv("THRONG_ADMIN_TOKEN", admin_token_.c_str(), 1);
    ::execl(settings_.program.c_str(), "throngd", "--config", file.c_str(), nullptr);
    ::_exit(127);
  }
  writing.reset();
  auto line = first_line(reading.value());
  if (!line) return line.failure();
  auto url = parse_http_url(value_in(*line, " client="));
  if (!line->starts_with("ready ") || !url) return trouble("not a ready line: " + *line);
  client_ = std::move(*url);
  return done;
}

void served_node::end() {
  if (process_ < 0) return;
  ::kill(process_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + stop_patience;
  while (::waitpid(process_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
      break;
    }
    ::usleep(10'000);
  }
  process_ = -1;
}

result<> served_node::restart() {
  end();
  return launch();
}

served_node::~served_node() { end(); }

}  // namespace throng
