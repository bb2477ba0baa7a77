// SPDX-License-Identifier: Apache-2.0
#include "storage/router/read_router.hpp"

namespace throng {

void read_router::send(read_job job) {
  job.since = std::chrono::steady_clock::now();
  resend(std::move(job));
}

void read_router::resend(read_job job) {
  // A pool is retired after the table without it was set: the next look finds another.
  while (!tables_.current()->of(job.near).readers->read(job)) {
  }
}

std::size_t read_router::waiting() const {
  std::size_t all = 0;
  for (const auto& entry : tables_.current()->shards) all += entry.readers->read_figures().waiting;
  return all;
}

void read_router::stop() {
  auto table = tables_.current();
  for (const auto& entry : table->shards) entry.readers->stop();
}

}  // namespace throng
