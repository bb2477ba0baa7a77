// SPDX-License-Identifier: Apache-2.0
// The lookup rows of one shard, written one by one on a connection of their own. Any thread.
#pragma once

#include <mutex>

#include "storage/lookups.hpp"
#include "storage/mysql/batch_plan.hpp"
#include "storage/mysql/primary_link.hpp"

namespace throng::mysql {

class lookups final : public lookup_writer {
 public:
  lookups(primary_link link, const placement& where, std::chrono::milliseconds patience);

  result<> reserve_domain(std::string_view domain, team_id team, wall_time now,
                          const domain_reservation* instead_of) override;
  result<> forget_domain(std::string_view domain, team_id team) override;
  result<> put_token_owner(const token_hash& hash, std::uint64_t owner) override;
  result<> erase_token(std::uint64_t owner, const token_hash& hash) override;

 private:
  template <class Work>
  result<> write(Work work);

  const placement& where_;
  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  primary_link link_;
};

}  // namespace throng::mysql
