// SPDX-License-Identifier: Apache-2.0
// A history as JSON lines, so that a run that failed can be judged again, looked into with `jq`, and kept as a test:
//   {"throngverify":1,"seed":"42","replay":"…"}
//   {"name":"message"}                                     the texts, numbered from 1 in this order
//   {"client":"ann","user":"U1"}                           the clients, the same
//   {"t":1234,"what":"post","phase":"invoked","client":1,"op":7,"channel":"C4"}   members that are 0 or "" are left out
//   {"events":1,"is_complete":true}                        the end; without it the file was cut
// What is read is checked: numbers refer to what is there. Bounds: events_read_max, and 1 MiB a line.
#pragma once

#include <cstddef>
#include <iosfwd>

#include "storage/model/result.hpp"
#include "tools/throngverify/history.hpp"

namespace throng::verify {

inline constexpr std::size_t events_read_max = 20'000'000;

/// The stream's state says whether it worked.
void write_history(std::ostream& out, const history& from);

/// errc::invalid_arguments; the detail names the line.
result<history> read_history(std::istream& in);

}  // namespace throng::verify
