// SPDX-License-Identifier: Apache-2.0
// READ ROUTER: the reader pool of all shards: gives each job to the READ POOL of the shard that it mostly reads.
#pragma once

#include <memory>

#include "storage/reader_pool.hpp"
#include "storage/router/read_pool.hpp"
#include "storage/router/shard_table.hpp"

namespace throng {

class read_router final : public reader_pool {
 public:
  explicit read_router(const shard_tables& tables) : tables_(tables) {}

  void read(ksid_t near, job work) override { send({near, std::move(work), false, {}}); }
  /// As read(), with a reader of the shard that has `place` and of no other.
  void read_at(ksid_t place, job work) { send({place, std::move(work), true, {}}); }
  /// Again, for what a pool that went had still waiting.
  void resend(read_job job);
  std::size_t waiting() const override;
  void stop() override;

 private:
  void send(read_job job);

  const shard_tables& tables_;
};

}  // namespace throng
