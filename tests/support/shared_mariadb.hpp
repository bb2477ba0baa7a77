// SPDX-License-Identifier: Apache-2.0
// One MariaDB for all test cases of a program that don't hurt it, each with a database of its own.
#pragma once

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "storage/mysql/local_server.hpp"
#include "tests/support/temporary_folder.hpp"

namespace throng {

class shared_mariadb {
 public:
  static mysql::local_server& server() {
    static shared_mariadb one;
    return *one.server_;
  }

  /// The name of a new, empty database.
  static std::string make_database() {
    static std::atomic<int> count{0};
    auto name = "test_" + std::to_string(++count);
    server().connect_as_root().run("CREATE DATABASE " + name);
    return name;
  }

 private:
  shared_mariadb() {
    mysql::local_server_options options;
    options.is_durable = false;
    options.more = {"--max-allowed-packet=16M"};
    auto started = mysql::local_server::start(folder_.path(), options);
    if (!started) throw std::runtime_error(started.failure().detail);
    server_ = std::move(*started);
  }

  temporary_folder folder_;  // goes after the server
  std::unique_ptr<mysql::local_server> server_;
};

}  // namespace throng
