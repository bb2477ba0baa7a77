// SPDX-License-Identifier: Apache-2.0
#include "tools/throngd/options.hpp"

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

TEST_CASE("options: no node may sleep on locks, and a reshard for no longer than it may read") {
  configuration settings;
  settings.storage.mysql.idle_transaction_timeout = 3s;
  settings.storage.mysql.statement_timeout = 4s;
  CHECK(mysql_options_of(settings).connect.idle_transaction_max == 3s);
  CHECK(mysql_admin_account_of(settings).idle_transaction_max == 11s);
  settings.storage.mysql.vtgate = true;
  CHECK(mysql_options_of(settings).connect.idle_transaction_max == 0s);
}
