// SPDX-License-Identifier: Apache-2.0
// How much a write weighs: what the COMMIT QUEUE's byte bound counts, and the bound of a single row.
#pragma once

#include <cstddef>

#include "storage/model/records.hpp"

namespace throng {

/// The strings of one write, which are all that a row can be large by.
std::size_t row_bytes(const write_op& op);

/// An estimate of the memory that a waiting unit holds.
std::size_t unit_bytes(const commit_unit& unit);

}  // namespace throng
