// SPDX-License-Identifier: Apache-2.0
// EVIDENCE: what shows a violation: the few events of the history that are about the same thing, and names for a
// sentence. Each looks through the whole history, so it is for what is found, not for what is compared.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/throngverify/run_facts.hpp"

namespace throng::verify {

inline constexpr std::size_t evidence_events_max = 24;

/// "op-17. (post of ann to C12)".
std::string describe(const run_facts& facts, op_id op);
std::string describe(const run_facts& facts, socket_index socket);
std::string who(const run_facts& facts, client_index client);

/// All phases of these operations, some sightings of them on sockets and in histories, and `others`; in order.
std::vector<std::size_t> evidence(const run_facts& facts, const std::vector<op_id>& ops,
                                  const std::vector<std::size_t>& others = {});

/// One event as one line: time, who, what.
std::string line_of(const history& log, std::size_t event);

}  // namespace throng::verify
