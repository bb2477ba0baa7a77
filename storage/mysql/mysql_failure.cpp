// SPDX-License-Identifier: Apache-2.0
// What MySQL's and MariaDB's error numbers mean to us. Below 1000 the operating system speaks through the server, from
// 2000 to 2999 the client library; the rest is the server.
#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "storage/mysql/mysql_connection.hpp"

namespace throng::mysql {

namespace {

bool is_one_of(int code, std::initializer_list<int> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

failure::failure(int code, std::string message) : code_(code), message_(std::move(message)) {}

error failure::to_error() const {
  return {is_no_room() ? errc::storage_full : errc::service_unavailable,
          message_ + " (MySQL error " + std::to_string(code_) + ")"};
}

bool failure::is_connection_lost() const noexcept {
  return is_one_of(code_, {
                              1053, 1077, 1079,        // the server is shutting down
                              1152, 1184, 1927, 4031,  // it closed the connection: aborted, killed, idle
                              1158, 1159, 1160, 1161,  // it could not read or write the network
                              1317,                    // interrupted: KILL, or on its way down
                              2002, 2003, 2004, 2005,  // nobody there
                              2006, 2012, 2013, 2055,  // gone, lost
                              2014, 2027,              // replies out of order: what they belong to is unknown
                          });
}

bool failure::is_conflict_of_locks() const noexcept {
  return is_one_of(code_, {
                              1205,  // lock wait timeout (the transaction stays open)
                              1213,  // deadlock
                              1020,  // innodb_snapshot_isolation: the row has changed
                              3572,  // NOWAIT
                          });
}

bool failure::is_read_only() const noexcept { return is_one_of(code_, {1290, 1792, 1836}); }

bool failure::is_stale_statement() const noexcept {
  return is_one_of(code_,
                   {
                       1146,        // MDEV-26048: a trigger that came or went leaves statements that look for its table
                       1243, 1412,  // unknown statement, table definition changed
                       1615, 2030,  // must be prepared again, not prepared
                   });
}

bool failure::is_duplicate_key() const noexcept { return is_one_of(code_, {1062, 1586}); }

bool failure::is_null_refused() const noexcept { return code_ == 1048; }

bool failure::is_no_room() const noexcept {
  if (is_one_of(code_, {3, 20, 28, 1021, 1041, 1114})) return true;
  // InnoDB and the binary log wrap what the system said: "Got error 28 …", "(errno: 28 …)", "(Errcode: 28 …)".
  std::string_view text = message_;
  for (std::string_view said : {"error 28 ", "errno: 28 ", "Errcode: 28 "})
    if (text.find(said) != text.npos) return true;
  return false;
}

bool failure::is_table_full() const noexcept { return code_ == 1114; }

bool failure::is_too_many_connections() const noexcept { return is_one_of(code_, {1040, 1203, 1226}); }

bool failure::is_too_many_statements() const noexcept { return code_ == 1461; }

bool failure::is_access_denied() const noexcept {
  return is_one_of(code_, {1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698});
}

bool failure::is_timeout() const noexcept { return is_one_of(code_, {1969, 3024}); }
bool failure::is_too_large() const noexcept { return is_one_of(code_, {1153, 2020}); }
bool failure::is_unknown_database() const noexcept { return code_ == 1049; }
bool failure::is_unknown_table() const noexcept { return is_one_of(code_, {1051, 1109, 1146}); }

}  // namespace throng::mysql
