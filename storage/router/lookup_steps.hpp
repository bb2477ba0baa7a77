// SPDX-License-Identifier: Apache-2.0
// LOOKUP STEPS: what must be written in other shards before a unit may be committed, and after it: who has a domain,
// whose a token is (storage/lookups.hpp). One object goes with one unit; each step runs on the threads of the shard
// that it concerns, and starts the next.
//
//   a domain   own row ─► has it already: nothing to do
//                     └─► reserve ─► taken ─► by whom? ─► does that workspace still have it? ─► reserve in its place
//   a token    whose is it now? ─► write its owner
//   …the unit is committed…      ─► forget the former domain, erase the former owner's token
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/commit_queue.hpp"
#include "storage/lookups.hpp"
#include "storage/reader_pool.hpp"
#include "storage/router/lane_book.hpp"

namespace throng {

/// How a step reaches a shard. Neither blocks.
class shard_doors {
 public:
  virtual ~shard_doors() = default;
  /// Runs on the store of the slot's lane, behind what waits there; `done` on its thread.
  virtual void run_at(slot_id slot, lane_task task, commit_queue::callback done) = 0;
  /// As reader_pool::read(), with a reader of the shard that has `place` and of no other.
  virtual void read_at(ksid_t place, reader_pool::job work) = 0;
};

class lookup_steps : public std::enable_shared_from_this<lookup_steps> {
 public:
  lookup_steps(shard_doors& doors, const table_routes& routes, const commit_unit& unit);

  /// Calls `ready` once: with errc::domain_taken, with what else went wrong, or when the unit may be committed.
  void before(commit_queue::callback ready);
  /// REQUIRES: the unit was committed. Calls `ready` when what it replaced is gone, or couldn't be reached: what is
  /// left over isn't believed by anybody who reads.
  void after(std::function<void()> ready);

  struct claimed_domain {
    std::string domain;
    team_id team;
  };
  const std::vector<claimed_domain>& domains() const { return domains_; }

 private:
  struct claimed_token {
    token_hash hash;
    std::uint64_t owner;
  };
  using self_ptr = std::shared_ptr<lookup_steps>;

  void next();
  void finish(result<> outcome);
  void look_at_own(const claimed_domain& claim);
  void reserve(const claimed_domain& claim, std::optional<domain_reservation> instead_of);
  void ask_who_has(const claimed_domain& claim);
  void ask_whether_it_has(const claimed_domain& claim, const domain_reservation& holder);
  void ask_whose(const claimed_token& claim);
  void write_owner(const claimed_token& claim);
  template <class Answer>
  void read(ksid_t place, std::function<result<Answer>(store_reader&)> query, std::function<void(result<Answer>)> then);
  void clear_next();

  shard_doors& doors_;
  const table_routes& routes_;
  std::vector<claimed_domain> domains_;
  std::vector<claimed_token> tokens_;
  std::size_t domains_done_ = 0, tokens_done_ = 0;
  unsigned tries_ = 0;
  std::vector<claimed_domain> former_domains_;
  std::vector<claimed_token> former_tokens_;
  commit_queue::callback ready_;
  std::function<void()> cleared_;
};

}  // namespace throng
