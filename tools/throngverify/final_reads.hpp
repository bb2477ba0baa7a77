// SPDX-License-Identifier: Apache-2.0
// FINAL READS: every channel's history and members as every node tells them, and every person's list of channels, when
// nothing changes any more. Histories go into the record; lists that disagree are findings.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/throngverify/scene.hpp"

namespace throng::verify {

/// The members' ids of a channel as that node tells them, sorted, asked by one of `people` who may. Errors: what it
/// said last.
task<result<std::vector<std::string>>> members_at(scene& of, std::size_t channel, std::size_t node,
                                                  std::span<const scene_person> people, event_loop::time latest);

/// Until all is read, or `latest`.
task<void> read_everything(scene& of, std::vector<std::string>& findings, event_loop::time latest);

}  // namespace throng::verify
