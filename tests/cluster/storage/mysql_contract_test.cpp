// SPDX-License-Identifier: Apache-2.0
#include "tests/cluster/storage/mysql_harness.hpp"

#define THRONG_STORES throng::mysql_harness
#include "tests/unit/storage/store_contract.hpp"
