// SPDX-License-Identifier: Apache-2.0
// BATCH PLAN: which rows a batch of units leaves behind, and which units are refused; decided in memory, before
// anything is written, so that a batch of any size is a few statements.
//
//   units ─┐
//          ├─► plan_batch() ─► outcomes, and for each table at most one change a row
//   facts ─┘   (what the database has of the rows that a unit may be refused for)
//
// The facts may be optimistic: without `messages` and `events` every insert is taken to be new. If it isn't, the
// database says so (a duplicate key), nothing of the batch is kept, and it is planned again with those facts read.
// Pure. The plan points into the units and the facts.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "storage/model/key_range.hpp"
#include "storage/model/records.hpp"
#include "storage/model/result.hpp"
#include "storage/mysql/row_changes.hpp"
#include "storage/vschema/table_routes.hpp"

namespace throng::mysql {

/// Where the rows of this shard's tables belong.
struct placement {
  table_routes routes;
  key_range range;
  /// Lookup rows that lie here are kept in the transaction of what they point at; others are the router's business.
  bool keeps(std::string_view domain) const { return range.contains(routes.of_domain(domain)); }
  bool keeps(const token_hash& hash) const { return range.contains(routes.of_token_hash(hash)); }
};

using message_key = std::pair<std::uint64_t, std::int64_t>;                     // channel, ts
using event_key = std::tuple<std::uint64_t, std::uint64_t, seq_t>;              // kind, id, seq
using pair_key = std::pair<std::uint64_t, std::uint64_t>;                       // user, channel, either way
using directory_key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;  // team, kind, id

struct batch_facts {
  std::span<const epoch_t> epochs;  // by slot, all slot_count of them; only those that a unit names have to be right
  std::set<message_key> messages;   // those of the batch's inserts that are there already
  std::set<event_key> events;

  // For the batch's put_workspaces: who has the domains that lie here, and which domains their workspaces have now.
  struct domain_fact {
    std::uint64_t owner = 0;
    bool is_free_to_take = false;  // reserved long ago, and there is no such workspace
  };
  std::map<std::string, domain_fact, std::less<>> domains;
  std::map<std::uint64_t, std::string> domain_of;
  std::map<token_hash, std::uint64_t> token_owners;  // of the batch's put_tokens whose hash lies here
};

struct batch_plan {
  std::vector<result<>> outcomes;  // of the units, in order

  row_changes<std::uint64_t, workspace_record> workspaces;
  row_changes<std::string_view, workspace_record> domains;  // the lookup rows: a domain's workspace
  row_changes<directory_key, directory_record> directory;
  row_changes<std::uint64_t, user_record> users;
  row_changes<pair_key, membership_record> memberships;  // user, channel
  row_changes<std::uint64_t, channel_record> channels;
  row_changes<pair_key, member_record> members;  // channel, user
  row_changes<message_key, message_record> messages;
  row_changes<event_key, event_record> events;
  row_changes<token_hash, token_record> tokens;                    // those that lie here have a lookup row too
  std::vector<std::pair<std::uint64_t, token_hash>> moved_tokens;  // (owner, hash) that are another's now
  row_changes<std::uint64_t, app_record> apps;
  std::vector<const trim_rows*> trims;  // after everything else of the batch

  bool writes() const;
  /// It inserts posts, and does nothing else.
  bool is_only_new_posts() const;

 private:
  bool writes_beside_posts() const;
};

/// Tells no one: lineages are read, and those that a refusal breaks are only remembered until the end of the batch.
batch_plan plan_batch(std::span<const commit_unit> units, const batch_facts& facts, const placement& where);

}  // namespace throng::mysql
