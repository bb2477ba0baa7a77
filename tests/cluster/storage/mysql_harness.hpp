// SPDX-License-Identifier: Apache-2.0
// A MySQL store of the shard "-" in a database of its own, on the server that the program's test cases share.
#pragma once

#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "storage/mysql/mysql_store.hpp"
#include "storage/topology/shard_directory.hpp"
#include "tests/support/shared_mariadb.hpp"

namespace throng {

struct mysql_harness {
  std::string database = shared_mariadb::make_database();
  std::unique_ptr<fixed_shard_directory> directory =
      make_fixed_shard_directory(shard_map::single(shared_mariadb::server().address()));
  mysql_options options = make_options();

  mysql_harness() = default;
  mysql_harness(const mysql_harness&) = delete;
  mysql_harness& operator=(const mysql_harness&) = delete;
  ~mysql_harness() {
    try {
      admin().run("DROP DATABASE IF EXISTS " + database);
    } catch (const mysql::failure&) {  // the server goes with the program
    }
  }

  result<std::unique_ptr<store>> try_open() const { return open_mysql_store(*directory, {}, options); }
  std::unique_ptr<store> open() const {
    auto opened = try_open();
    if (!opened) FAIL(opened.failure().detail);
    return std::move(*opened);
  }
  mysql::connection admin() const { return shared_mariadb::server().connect_as_root(database); }

 private:
  mysql_options make_options() const {
    mysql_options made;
    made.connect = mysql::local_server::root();
    made.connect.database = database;
    return made;
  }
};

}  // namespace throng
