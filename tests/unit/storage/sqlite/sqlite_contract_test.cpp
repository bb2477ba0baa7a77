// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/sqlite/sqlite_harness.hpp"

#define THRONG_STORES throng::sqlite_harness
#include "tests/unit/storage/store_contract.hpp"
