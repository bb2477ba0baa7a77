// SPDX-License-Identifier: Apache-2.0
// A real agent of Consul for a test, on ports of its own; it dies with the test. In memory, so that it comes back empty
// after kill -9, or on disk below a folder, so that it comes back with what it had.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "cluster/consul_client.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

class consul_agent {
 public:
  enum class memory { volatile_memory, disk };

  /// Returns when it can be written to. Throws with a sentence if there is no Consul, or it doesn't start.
  explicit consul_agent(memory kind = memory::volatile_memory) : kind_(kind) {
    pick_ports();
    write_configuration();
    start();
  }
  ~consul_agent() { kill9(); }
  consul_agent(const consul_agent&) = delete;
  consul_agent& operator=(const consul_agent&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(ports_[0]); }
  /// Short sessions and pauses, so that a test needn't wait.
  consul_options options() const {
    consul_options wanted;
    wanted.agents = {address()};
    wanted.session_ttl_min = std::chrono::milliseconds(1000);
    return wanted;
  }
  void kill9() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void pause() {
    ::kill(pid_, SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);  // until it really stands still
  }
  void resume() { ::kill(pid_, SIGCONT); }
  void start() {
    auto program = find_program();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("can't fork");
    if (pid_ == 0) run(program);
    wait_until_ready();
  }

 private:
  static std::string find_program() {
    std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
    std::string cache = std::getenv("XDG_CACHE_HOME") ? std::getenv("XDG_CACHE_HOME") : "";
    std::string home = std::getenv("HOME") ? std::getenv("HOME") : "/root";
    path += ":" + (cache.empty() ? home + "/.cache" : cache) + "/throng/bin";  // tools/setup_consul
    for (std::size_t begin = 0; begin <= path.size();) {
      auto end = std::min(path.find(':', begin), path.size());
      auto program = path.substr(begin, end - begin) + "/consul";
      if (::access(program.c_str(), X_OK) == 0) return program;
      begin = end + 1;
    }
    throw std::runtime_error("there is no consul in PATH, and none that tools/setup_consul got: run it");
  }

  static bool is_free(std::uint16_t port) {
    for (int kind : {SOCK_STREAM, SOCK_DGRAM}) {
      int probe = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = htons(port);
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bool is_bound = ::bind(probe, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
      ::close(probe);
      if (!is_bound) return false;
    }
    return true;
  }
  /// Below 32768, where the system takes none for outgoing connections.
  void pick_ports() {
    std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<int> any(12'000, 32'000);
    for (auto& port : ports_) {
      std::uint16_t drawn = 0;
      do drawn = static_cast<std::uint16_t>(any(random));
      while (std::ranges::find(ports_, drawn) != ports_.end() || !is_free(drawn));
      port = drawn;
    }
  }

  void write_configuration() const {
    std::ofstream out(folder_.path() / "consul.json");
    out << R"({"bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "disable_update_check": true,
      "session_ttl_min": "1s", "log_level": "warn", "raft_protocol": 3, "performance": {"raft_multiplier": 1},
      "ports": {"dns": -1, "grpc": -1, "https": -1, "http": )"
        << ports_[0] << R"(, "server": )" << ports_[1] << R"(, "serf_lan": )" << ports_[2] << R"(, "serf_wan": )"
        << ports_[3] << "}";
    if (kind_ == memory::disk)
      out << R"(, "server": true, "bootstrap_expect": 1, "data_dir": ")" << (folder_.path() / "data").string() << '"';
    out << "}";
  }

  [[noreturn]] void run(const std::string& program) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto log = (folder_.path() / "log").string();
    ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    ::dup2(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDOUT_FILENO);
    ::dup2(STDOUT_FILENO, STDERR_FILENO);
    auto file = "-config-file=" + (folder_.path() / "consul.json").string();
    const char* dev = kind_ == memory::volatile_memory ? "-dev" : nullptr;
    ::execl(program.c_str(), "consul", "agent", file.c_str(), dev, static_cast<char*>(nullptr));
    ::_exit(127);
  }

  void wait_until_ready() {
    auto patient = options();
    patient.call_timeout = std::chrono::milliseconds(1000);
    consul_client client(patient);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        throw std::runtime_error("Consul ended at once: " + end_of_log());
      }
      auto written = client.ask({.method = "PUT", .target = "/v1/kv/is-ready", .body = "x"});
      // Registrations need the agent's own node in the catalog, which comes a little later.
      auto node = client.ask({.target = "/v1/catalog/nodes"});
      if (written && node && node->body.size() > 10) return;
      client.pause(std::chrono::milliseconds(50), {});
    }
    throw std::runtime_error("Consul doesn't get ready: " + end_of_log());
  }
  std::string end_of_log() const {
    std::ifstream in(folder_.path() / "log");
    std::string text(std::istreambuf_iterator<char>(in), {});
    return text.size() > 1000 ? text.substr(text.size() - 1000) : text;
  }

  memory kind_;
  temporary_folder folder_;
  std::array<std::uint16_t, 4> ports_{};
  pid_t pid_ = -1;
};

}  // namespace throng
