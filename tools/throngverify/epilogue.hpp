// SPDX-License-Identifier: Apache-2.0
// EPILOGUE: how a run ends: the calls end, the cluster comes to rest, all clients come back and are told what is due;
// then what is there is read as a whole, by several people at every node. What should have come to an end within its
// time and didn't, and lists that disagree, are findings of its own; all else is the checker's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/throngverify/person.hpp"

namespace throng::verify {

using company = std::vector<std::unique_ptr<person>>;
using findings = std::vector<std::string>;  // "liveness: …", "members: …", "presence: …"

/// REQUIRES: no more faults.
task<findings> play_the_epilogue(scene& of, company& people);

}  // namespace throng::verify
