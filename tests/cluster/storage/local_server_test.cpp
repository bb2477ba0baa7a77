// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/local_server.hpp"

#include <fstream>
#include <future>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.hpp"

using namespace throng;
using mysql::local_server;

namespace {

constexpr auto deadline = std::chrono::seconds(60);

std::unique_ptr<local_server> started(const std::filesystem::path& folder,
                                      const mysql::local_server_options& options = {}) {
  auto server = local_server::start(folder, options);
  if (!server) FAIL(server.failure().detail);
  return std::move(*server);
}

template <class Condition>
bool comes_true(Condition condition) {
  for (auto end = std::chrono::steady_clock::now() + deadline; std::chrono::steady_clock::now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace

TEST_CASE("local server: what was committed outlives kill -9 and a restart, at the same address") {
  temporary_folder folder;
  auto server = started(folder.path());
  server->connect_as_root().run("CREATE DATABASE kept");
  server->connect_as_root("kept").run("CREATE TABLE one(id INT PRIMARY KEY)");
  server->connect_as_root("kept").run("INSERT INTO one VALUES(42)");
  auto address = server->address();
  server->kill9();
  CHECK_FALSE(server->is_running());
  CHECK_THROWS_AS(server->connect_as_root(), mysql::failure);
  auto again = server->restart();
  REQUIRE_MESSAGE(again.ok(), again.failure().detail);
  CHECK(server->address() == address);
  CHECK(server->connect_as_root("kept").number("SELECT id FROM one") == 42);
}

TEST_CASE("local server: a folder that holds a database is taken up again") {
  temporary_folder folder;
  {
    auto server = started(folder.path());
    server->connect_as_root().run("CREATE DATABASE kept");
    REQUIRE(server->stop().ok());
  }
  auto server = started(folder.path());
  CHECK(server->connect_as_root().number("SELECT COUNT(*) FROM information_schema.schemata "
                                         "WHERE schema_name = 'kept'") == 1);
}

TEST_CASE("local server: several start in parallel, each with its own port and id") {
  temporary_folder folder;
  std::vector<std::future<std::unique_ptr<local_server>>> starting;
  for (std::uint32_t id = 1; id <= 3; ++id)
    starting.push_back(std::async(std::launch::async, [&folder, id] {
      mysql::local_server_options options;
      options.server_id = id;
      options.is_replica_ready = true;
      return started(folder.path() / std::to_string(id), options);
    }));
  // Their threads have ended when get() returns, and the servers must not end with them.
  std::vector<std::unique_ptr<local_server>> servers;
  for (auto& one : starting) servers.push_back(one.get());
  for (std::uint32_t id = 1; id <= 3; ++id) {
    auto& server = *servers[id - 1];
    CHECK(server.port() < 32768);
    auto db = server.connect_as_root();
    CHECK(db.number("SELECT @@server_id") == id);
    CHECK(db.number("SELECT @@read_only") == 1);
    CHECK(db.number("SELECT @@rpl_semi_sync_slave_enabled") == 1);
  }
}

TEST_CASE("local server: a paused one takes connections' bytes and answers nothing until it goes on") {
  temporary_folder folder;
  auto server = started(folder.path());
  auto options = local_server::root();
  options.connect_timeout = std::chrono::seconds(1);
  options.io_timeout = std::chrono::seconds(1);
  server->pause();
  CHECK(server->is_running());
  CHECK_THROWS_AS(mysql::connection(server->address(), options), mysql::failure);
  server->resume();
  CHECK(server->wait_until_ready(deadline).ok());
}

TEST_CASE("local server: the error of one that can't start has what its log says") {
  temporary_folder folder;
  mysql::local_server_options options;
  options.more = {"--no-such-option=1"};
  auto server = local_server::start(folder.path(), options);
  REQUIRE_FALSE(server.ok());
  CHECK(server.failure().detail.find("no-such-option") != std::string::npos);
}

TEST_CASE("local server: a taken port is said") {
  temporary_folder folder;
  auto first = started(folder.path() / "first");
  mysql::local_server_options options;
  options.port = first->port();
  auto second = local_server::start(folder.path() / "second", options);
  REQUIRE_FALSE(second.ok());
  CHECK(second.failure().detail.find("Address already in use") != std::string::npos);
}

TEST_CASE("local server: it dies with its program, though that is killed") {
  temporary_folder folder;
  auto pid_file = folder.path() / "pid";
  // What a program that ended long ago left behind; the next one removes it.
  auto gone = fork();
  if (gone == 0) _exit(0);
  REQUIRE(waitpid(gone, nullptr, 0) == gone);
  auto left_behind = std::filesystem::temp_directory_path() / ("throng-mariadb-" + std::to_string(gone) + "-left");
  std::filesystem::create_directories(left_behind / "data");
  // A program of its own: this one's binary, asked for the case below.
  setenv("THRONG_TEST_FOLDER", folder.path().c_str(), 1);
  auto child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "cluster_storage", "--no-skip=true", "--test-case=local server: (start one and wait)",
          nullptr);
    _exit(127);
  }
  REQUIRE(child > 0);
  REQUIRE(comes_true([&] { return std::filesystem::exists(pid_file); }));
  CHECK_FALSE(std::filesystem::exists(left_behind));
  pid_t server = 0;
  std::ifstream(pid_file) >> server;
  REQUIRE(server > 0);
  CHECK(kill(server, 0) == 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  // Its new parent reaps it, which may take a moment; a zombie has nothing left in its memory map.
  CHECK(comes_true([&] {
    std::ifstream maps("/proc/" + std::to_string(server) + "/maps");
    return !maps || maps.peek() == std::ifstream::traits_type::eof();
  }));
}

TEST_CASE("local server: (start one and wait)" * doctest::skip()) {
  const auto* folder = std::getenv("THRONG_TEST_FOLDER");
  REQUIRE(folder);
  auto server = started(std::filesystem::path(folder) / "server");
  std::ofstream(std::filesystem::path(folder) / "pid.new") << server->pid();
  std::filesystem::rename(std::filesystem::path(folder) / "pid.new", std::filesystem::path(folder) / "pid");
  for (;;) ::pause();
}

TEST_CASE("accounts: the application's may do everything in its database, and nothing on a read-only server") {
  temporary_folder folder;
  auto server = started(folder.path());
  auto root = server->connect_as_root();
  mysql::account application{"app", "it's \\ secret"}, supervisor{"boss", "more secret"};
  REQUIRE(mysql::create_accounts(root, application, supervisor).ok());
  REQUIRE(mysql::create_accounts(root, application, supervisor).ok());  // again: as it was
  CHECK(root.number("SELECT @@gtid_binlog_pos = ''") == 1);             // not replicated

  mysql::connect_options as_application{application.user, application.password, ""};
  mysql::connect_options as_supervisor{supervisor.user, supervisor.password, ""};
  mysql::connection app(server->address(), as_application);
  app.run("CREATE DATABASE throng");
  app.run("CREATE TABLE throng.one(id INT PRIMARY KEY)");
  CHECK(app.run("INSERT INTO throng.one VALUES(1)") == 1);
  auto code_of = [&](const std::string& sql) {
    try {
      app.run(sql);
      return mysql::failure(0, "worked");
    } catch (const mysql::failure& why) {
      return why;
    }
  };
  CHECK(code_of("SET GLOBAL read_only=1").is_access_denied());
  CHECK(code_of("CREATE DATABASE other").is_access_denied());

  mysql::connection boss(server->address(), as_supervisor);
  boss.run("SET GLOBAL read_only=1");
  CHECK(code_of("INSERT INTO throng.one VALUES(2)").is_read_only());
  boss.run("SET GLOBAL read_only=0");
  CHECK(app.run("INSERT INTO throng.one VALUES(2)") == 1);
}
