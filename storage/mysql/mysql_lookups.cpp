// SPDX-License-Identifier: Apache-2.0
#include "storage/mysql/mysql_lookups.hpp"

#include <utility>

#include "storage/mysql/batch_sql.hpp"

namespace throng::mysql {

namespace {

std::string micros_of(wall_time time) { return std::to_string(time.time_since_epoch().count()); }
std::string literal(const token_hash& hash) {
  return mysql::literal(std::string_view{reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace

lookups::lookups(primary_link link, const placement& where, std::chrono::milliseconds patience)
    : where_(where), patience_(patience), link_(std::move(link)) {}

/// In a transaction that a reshard's freeze waits for. Each of these may be repeated, so a lost COMMIT is no riddle.
template <class Work>
result<> lookups::write(Work work) {
  std::lock_guard one_at_a_time(mutex_);
  return repeat_on<unit>(link_, {primary_link::clock::now() + patience_}, [&](connection& db) -> result<> {
    db.run("START TRANSACTION");
    auto written = db.number("SELECT 1 + state FROM shard_guard WHERE id = 0 LOCK IN SHARE MODE") == 1
                       ? work(db)
                       : result<>(error{errc::wrong_owner, "the shard is being resharded"});
    db.run(written ? "COMMIT" : "ROLLBACK");
    return written;
  });
}

result<> lookups::reserve_domain(std::string_view domain, team_id team, wall_time now,
                                 const domain_reservation* instead_of) {
  auto quoted = literal(domain);
  auto owner_ksid = std::to_string(where_.routes.of_key(team.value));
  auto owner = std::to_string(team.value) + ", workspace_ksid = " + owner_ksid + ", reserved = " + micros_of(now);
  return write([&](connection& db) -> result<> {
    auto found = db.query("SELECT workspace, reserved FROM workspace_domains WHERE domain = " + quoted + " FOR UPDATE");
    if (!found.next()) {
      db.run("INSERT INTO workspace_domains(domain, workspace, workspace_ksid, reserved, ksid) VALUES(" + quoted +
             ", " + std::to_string(team.value) + ", " + owner_ksid + ", " + micros_of(now) + ", " +
             std::to_string(where_.routes.of_domain(domain)) + ")");
      return done;
    }
    domain_reservation has{found.id<team_id>(), found.time()};
    if (has.team != team && !(instead_of && has == *instead_of))
      return error{errc::domain_taken, "another workspace has the domain " + std::string(domain)};
    db.run("UPDATE workspace_domains SET workspace = " + owner + " WHERE domain = " + quoted);
    return done;
  });
}

result<> lookups::forget_domain(std::string_view domain, team_id team) {
  return write([&](connection& db) -> result<> {
    db.run("DELETE FROM workspace_domains WHERE domain = " + literal(domain) +
           " AND workspace = " + std::to_string(team.value));
    return done;
  });
}

result<> lookups::put_token_owner(const token_hash& hash, std::uint64_t owner) {
  return write([&](connection& db) -> result<> {
    db.run("INSERT INTO token_owners(hash, owner, owner_ksid, ksid) VALUES(" + literal(hash) + ", " +
           std::to_string(owner) + ", " + std::to_string(where_.routes.of_key(owner)) + ", " +
           std::to_string(where_.routes.of_token_hash(hash)) +
           ") ON DUPLICATE KEY UPDATE owner = VALUES(owner), owner_ksid = VALUES(owner_ksid)");
    return done;
  });
}

result<> lookups::erase_token(std::uint64_t owner, const token_hash& hash) {
  return write([&](connection& db) -> result<> {
    db.run("DELETE FROM tokens WHERE owner = " + std::to_string(owner) + " AND hash = " + literal(hash));
    return done;
  });
}

}  // namespace throng::mysql
