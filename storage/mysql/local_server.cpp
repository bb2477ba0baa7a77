// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/local_server.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "storage/mysql/child_process.hpp"

namespace throng::mysql {

namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto poll_every = std::chrono::milliseconds(5);
constexpr auto stop_timeout = std::chrono::seconds(30);
constexpr int port_tries = 20;

error no_mariadb(const std::string& program) {
  return {errc::fatal_error, "there is no " + program + " on this machine; install the package mariadb-server"};
}

fs::path server_program() {
  auto found = find_program("mariadbd");
  return found.empty() ? find_program("mysqld") : found;
}

/// The last part of a text file, to be shown in an error.
std::string tail_of(const fs::path& file) {
  constexpr std::streamoff bytes_max = 2000;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  auto size = static_cast<std::streamoff>(in.tellg());
  if (!in || size <= 0) return "(nothing)";
  in.seekg(size > bytes_max ? size - bytes_max : 0);
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr auto folder_prefix = "throng-mariadb-";  // the owner's process id follows

/// The folders of programs that were killed. One whose number another program has now stays, until that has ended.
void remove_left_behind() {
  std::error_code ignored;  // others remove the same, and more than tried isn't promised
  for (fs::directory_iterator all(fs::temp_directory_path(), ignored), end; !ignored && all != end;
       all.increment(ignored)) {
    const auto name = all->path().filename().string();
    if (!name.starts_with(folder_prefix)) continue;
    pid_t owner = 0;
    const auto* from = name.data() + std::string_view(folder_prefix).size();
    const auto [rest, wrong] = std::from_chars(from, name.data() + name.size(), owner);
    if (wrong != std::errc() || rest == name.data() + name.size() || *rest != '-' || owner <= 0) continue;
    std::error_code not_ours;
    if (kill(owner, 0) != 0 && errno == ESRCH) fs::remove_all(all->path(), not_ours);
  }
}

/// An empty database, made once (0.7 s) and then copied (0.03 s).
class template_folder {
 public:
  static template_folder& instance() {
    static template_folder one;
    return one;
  }
  ~template_folder() {
    std::error_code ignored;  // a leftover in the temporary folder is no harm
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  result<> copy_to(const fs::path& data) {
    std::lock_guard lock(mutex_);
    if (auto ready = make(); !ready) return ready;
    std::error_code why;
    fs::copy(folder_ / "data", data, fs::copy_options::recursive, why);
    if (why) return error{errc::fatal_error, "can't copy an empty database to " + data.string() + ": " + why.message()};
    return done;
  }

 private:
  result<> make() {
    if (is_made_) return done;
    auto program = find_program("mariadb-install-db");
    if (program.empty()) return no_mariadb("mariadb-install-db");
    remove_left_behind();
    auto name = (fs::temp_directory_path() / (folder_prefix + std::to_string(getpid()) + "-XXXXXX")).string();
    if (!mkdtemp(name.data())) return error{errc::fatal_error, "can't make a folder like " + name};
    folder_ = name;
    std::vector<std::string> arguments{program, "--no-defaults", "--datadir=" + (folder_ / "data").string(),
                                       // A server deletes the temporary tables that it finds there when it starts.
                                       "--tmpdir=" + folder_.string(), "--auth-root-authentication-method=normal",
                                       "--skip-test-db", "--innodb-log-file-size=8M"};
    if (geteuid() == 0) arguments.push_back("--user=root");
    auto child = start_child(arguments, folder_ / "log");
    if (!child) return child.failure();
    int status = 0;
    while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0)
      return error{errc::fatal_error, "mariadb-install-db failed; its log ends: " + tail_of(folder_ / "log")};
    is_made_ = true;
    return done;
  }

  std::mutex mutex_;
  fs::path folder_;
  bool is_made_ = false;
};

}  // namespace

local_server::local_server(fs::path folder, options wanted) : folder_(std::move(folder)), options_(std::move(wanted)) {}

local_server::~local_server() { kill9(); }

result<std::unique_ptr<local_server>> local_server::start(const fs::path& folder, const options& wanted) {
  if (server_program().empty()) return no_mariadb("mariadbd");
  std::unique_ptr<local_server> made(new local_server(fs::absolute(folder), wanted));
  auto data = made->folder_ / "data";
  std::error_code why;
  fs::create_directories(made->folder_, why);
  if (why) return error{errc::fatal_error, "can't make the folder " + folder.string() + ": " + why.message()};
  if (!fs::exists(data / "mysql"))
    if (auto copied = template_folder::instance().copy_to(data); !copied) return copied.failure();
  for (int tries = 1;; ++tries) {
    made->port_ = wanted.port;
    if (wanted.port == 0) {
      auto port = reserved_port::take();
      if (!port) return port.failure();
      made->reserved_ = std::move(port).value();
      made->port_ = made->reserved_.number();
    }
    made->address_ = "127.0.0.1:" + std::to_string(made->port_);
    auto launched = made->launch({});
    if (launched) return made;
    auto is_port_taken = launched.failure().detail.find("Address already in use") != std::string::npos;
    if (!is_port_taken || wanted.port != 0 || tries == port_tries) return launched.failure();
  }
}

result<> local_server::launch(const std::vector<std::string>& more) {
  // Lean (54 MB), for several of them run beside tests.
  auto durability = std::to_string(options_.is_durable ? 1 : 0);
  std::vector<std::string> arguments{server_program(),
                                     "--no-defaults",
                                     "--datadir=" + (folder_ / "data").string(),
                                     "--tmpdir=" + folder_.string(),
                                     "--socket=server.sock",  // in datadir: a longer path may not fit into an address
                                     "--pid-file=server.pid",
                                     "--port=" + std::to_string(port_),
                                     "--bind-address=127.0.0.1",
                                     "--server-id=" + std::to_string(options_.server_id),
                                     "--skip-name-resolve",
                                     "--performance-schema=OFF",
                                     "--character-set-server=utf8mb4",
                                     "--log-bin=binlog",
                                     "--relay-log=relaylog",
                                     "--binlog-format=ROW",
                                     "--binlog-annotate-row-events=OFF",  // the statements' text, for people
                                     "--log-slave-updates",
                                     "--gtid-strict-mode=ON",
                                     "--slave-parallel-threads=8",
                                     "--sync-binlog=" + durability,
                                     "--innodb-flush-log-at-trx-commit=" + durability,
                                     "--innodb-buffer-pool-size=" + std::to_string(options_.buffer_pool_mib) + "M",
                                     "--innodb-log-file-size=8M",
                                     "--innodb-log-buffer-size=2M",
                                     "--innodb-buffer-pool-dump-at-shutdown=0",
                                     "--innodb-buffer-pool-load-at-startup=0",
                                     "--innodb-purge-threads=1",
                                     "--innodb-read-io-threads=1",
                                     "--innodb-write-io-threads=1",
                                     "--table-open-cache=200",
                                     "--table-definition-cache=400",
                                     "--max-connections=200",
                                     "--key-buffer-size=1M",
                                     "--aria-pagecache-buffer-size=1M"};
  if (geteuid() == 0) arguments.push_back("--user=root");
  if (options_.is_replica_ready)
    for (const auto* one : {"--read-only=1", "--rpl-semi-sync-slave-enabled=1", "--init-rpl-role=SLAVE"})
      arguments.push_back(one);
  arguments.insert(arguments.end(), options_.more.begin(), options_.more.end());
  arguments.insert(arguments.end(), more.begin(), more.end());

  auto log = folder_ / "server.log";
  std::error_code ignored;  // there is none at the first start
  fs::rename(log, folder_ / "server.log.1", ignored);
  auto child = start_child(arguments, log);
  if (!child) return child.failure();
  pid_ = *child;
  return wait_until_ready(options_.start_timeout);
}

result<> local_server::wait_until_ready(std::chrono::milliseconds timeout) {
  auto deadline = steady_clock::now() + timeout;
  for (;;) {
    if (!is_running()) return error{errc::fatal_error, "MariaDB ended; its log ends: " + end_of_log()};
    try {
      // Another server may have the port; ours then ends soon, and its log says so.
      if (connect_as_root().words("SELECT @@pid_file") == (folder_ / "data/server.pid").string()) return done;
    } catch (const failure& not_yet) {
      // Full, or root has a password now: it answers.
      if (not_yet.is_too_many_connections() || not_yet.is_access_denied()) return done;
      if (steady_clock::now() > deadline)
        return error{errc::fatal_error, std::string("MariaDB doesn't answer: ") + not_yet.what()};
    }
    std::this_thread::sleep_for(poll_every);
  }
}

bool local_server::is_running() {
  if (pid_ == 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

void local_server::reap() {
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

void local_server::kill9() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  reap();
}

result<> local_server::stop() {
  if (!is_running()) return done;
  kill(pid_, SIGTERM);
  for (auto deadline = steady_clock::now() + stop_timeout; steady_clock::now() < deadline;) {
    if (!is_running()) return done;
    std::this_thread::sleep_for(poll_every);
  }
  kill9();
  return error{errc::request_timeout, "MariaDB didn't stop in time and was killed"};
}

result<> local_server::restart(const std::vector<std::string>& more) {
  kill9();
  return launch(more);
}

void local_server::pause() {
  if (pid_ == 0 || kill(pid_, SIGSTOP) != 0) return;
  siginfo_t stopped{};  // kill() may return before it stands still
  while (waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
}

void local_server::resume() {
  if (pid_ != 0) kill(pid_, SIGCONT);
}

connect_options local_server::root() {
  connect_options as;
  as.user = "root";
  as.io_timeout = std::chrono::seconds(60);
  return as;
}

connection local_server::connect_as_root(std::string database) const {
  auto as = root();
  as.database = std::move(database);
  return connection(address_, as);
}

std::string local_server::end_of_log() const { return tail_of(folder_ / "server.log"); }

result<> create_accounts(connection& as_root, const account& application, const account& supervisor,
                         const std::string& database) {
  try {
    as_root.run("SET SESSION sql_log_bin=0");
    for (const auto* one : {&application, &supervisor})
      as_root.run("CREATE USER IF NOT EXISTS " + as_root.quoted(one->user) + "@'%' IDENTIFIED BY " +
                  as_root.quoted(one->password));
    as_root.run("GRANT ALL PRIVILEGES ON `" + database + "`.* TO " + as_root.quoted(application.user) + "@'%'");
    as_root.run("GRANT ALL PRIVILEGES ON *.* TO " + as_root.quoted(supervisor.user) + "@'%' WITH GRANT OPTION");
    as_root.run("SET SESSION sql_log_bin=1");
    return done;
  } catch (const failure& why) {
    return why.to_error();
  }
}

}  // namespace throng::mysql
