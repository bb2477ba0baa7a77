// SPDX-License-Identifier: Apache-2.0
// SHARD ROUND: one intervention of a supervisor in a shard: the servers it has locked, the record and the notes as it
// knows them, and its writes to them, each of which fails when someone else has written since. Throws step_failed and
// mysql::failure. A round that failed is dropped; the next one begins with a new look at everything.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/failover/supervisor_options.hpp"

namespace throng::failover {

/// A server can't be reached.
class server_away : public step_failed {
 public:
  using step_failed::step_failed;
};

class shard_round {
 public:
  shard_round(topology_store& topology, const supervisor_options& how, shard_record record, shard_notes notes)
      : how(how), topology_(topology), record_(std::move(record)), notes_(std::move(notes)) {}

  const supervisor_options& how;
  const shard_record& record() const { return record_; }
  const shard_notes& notes() const { return notes_; }

  /// Connects to a server and locks it, once a round. Throws server_away if it can't be reached, also the next time.
  /// For a server that is locked already: any thread, and one thread at a time may use what it returns.
  server_session& on(const server_address& server);
  /// Throws if the record isn't as it was: another supervisor has taken over. After all locks, before the first change.
  void confirm() const;

  /// Raises the term, as a claim before changes on the servers or together with the change `edit` makes.
  template <class Edit>
  void raise_term(const std::string& reason, Edit edit) {
    auto next = record_;
    ++next.term;
    edit(next);
    write(std::move(next), reason);
  }
  void raise_term(const std::string& reason) {
    raise_term(reason, [](shard_record&) {});
  }
  /// Within the term that this round raised.
  void name_primary(const server_address& primary, const std::string& reason);

  template <class Edit>
  void note(Edit edit) {
    auto next = notes_;
    edit(next);
    if (next != notes_) write(std::move(next));
  }

 private:
  void write(shard_record next, const std::string& reason);
  void write(shard_notes next);

  topology_store& topology_;
  shard_record record_;
  shard_notes notes_;
  std::map<server_address, std::unique_ptr<server_session>> sessions_;
  std::map<server_address, std::string> away_;
};

/// The shard's record and notes, as the topology has them now.
result<shard_record> read_record(topology_store& topology, const std::string& key);
result<shard_notes> read_notes(topology_store& topology, const shard_record& record);

}  // namespace throng::failover
