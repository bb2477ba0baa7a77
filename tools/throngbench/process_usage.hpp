// SPDX-License-Identifier: Apache-2.0
// What a process uses, as the kernel counts it.
#pragma once

#include <cstdint>
#include <sys/types.h>

namespace throng {

/// User and system time of all its threads since its start, in nanoseconds. 0 if it is gone.
std::int64_t cpu_ns(pid_t process);
/// Its resident memory. 0 if it is gone.
std::int64_t resident_bytes(pid_t process);
/// CLOCK_MONOTONIC, which is the same in all processes.
std::int64_t now_ns();

/// Runs this thread, and what it starts, on one core. Does nothing if there is no such core.
void run_on_core(int core);
int core_count();
/// Raises the limit of descriptors as far as it goes; what it is then.
std::uint64_t raise_descriptor_limit();

}  // namespace throng
