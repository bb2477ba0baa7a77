// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/topology_file.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace throng::sqlite {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t application_id = 0x54487470;  // "THtp": a store's file (sqlite_schema.hpp) isn't taken for one
constexpr std::int64_t schema_version = 1;
constexpr int busy_timeout_ms = 2000;  // another program that looks into the file

// versions.last is the largest version ever given out, also to keys that are gone, so that none is given out again.
constexpr auto schema = R"sql(
CREATE TABLE entries(
  key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, version INTEGER NOT NULL, this_run INTEGER NOT NULL);
CREATE TABLE versions(last INTEGER NOT NULL);
INSERT INTO versions VALUES(0);
)sql";

result<> make_folder(const fs::path& file) {
  auto folder = file.parent_path();
  std::error_code failed;
  if (folder.empty() || fs::is_directory(folder, failed)) return done;
  fs::create_directories(folder, failed);
  if (!failed) fs::permissions(folder, fs::perms::owner_all, failed);
  if (failed) return error{errc::service_unavailable, "can't make its folder: " + failed.message()};
  return done;
}

/// Without a table it is new, or the process that made it ended too soon.
result<> check_is_ours(database& db, bool is_empty) {
  if (is_empty) return done;
  if (db.number("PRAGMA application_id") != application_id)
    return error{errc::fatal_error, "it is a SQLite database of another program"};
  if (auto version = db.number("PRAGMA user_version"); version > schema_version)
    return error{errc::fatal_error, "it has version " + std::to_string(version) +
                                        ", and this program knows versions up to " + std::to_string(schema_version) +
                                        "; start a newer one"};
  if (auto found = db.words("PRAGMA quick_check(1)"); found != "ok")
    return error{errc::fatal_error, "it is damaged: " + found + "; restore it from a backup"};
  return done;
}

result<> prepare(database& db) {
  bool is_empty = db.number("SELECT count(*) FROM sqlite_master") == 0;
  if (auto ours = check_is_ours(db, is_empty); !ours) return ours;
  db.words("PRAGMA journal_mode = DELETE");
  db.run("PRAGMA synchronous = EXTRA");  // the end of the journal, which is the commit, survives power loss too
  db.run("PRAGMA trusted_schema = OFF");
  transaction first(db);
  if (is_empty) {
    db.run(schema);
    db.run("PRAGMA application_id = " + std::to_string(application_id) +
           "; PRAGMA user_version = " + std::to_string(schema_version));
  }
  db.run("DELETE FROM entries WHERE this_run <> 0");
  first.commit();
  return done;
}

template <class Value, class Work>
result<Value> tried(Work work) {
  try {
    return work();
  } catch (const failure& why) {
    return why.to_error();
  }
}

/// From columns key, value, version.
topology_entry entry_of(rows& row) {
  topology_entry found;
  found.key = row.bytes();
  found.value = row.bytes();
  found.version = row.count();
  return found;
}

error conflict(std::string_view key, topology_version is, topology_version expected) {
  auto say = [](topology_version version) {
    return version == 0 ? std::string("isn't there") : "has version " + std::to_string(version);
  };
  return {errc::conflict,
          "the topology key " + std::string(key) + " " + say(is) +
              (expected == 0 ? ", and should be new" : ", and should have version " + std::to_string(expected))};
}

}  // namespace

result<std::unique_ptr<topology_file>> topology_file::open(const fs::path& file) {
  auto refused = [&](errc code, const std::string& why) {
    return error{code, "the topology " + file.string() + " can't be opened: " + why};
  };
  if (auto made = make_folder(file); !made) return refused(made.code(), made.failure().detail);
  auto lock = file_lock::take(fs::path(file) += ".lock");
  if (!lock) return refused(lock.code(), lock.failure().detail);
  if (!make_private_file(file))
    return refused(errc::service_unavailable, std::string("can't make it: ") + std::strerror(errno));
  try {
    auto db = std::make_unique<database>(file, database::mode::read_write, busy_timeout_ms);
    if (auto ready = prepare(*db); !ready) return refused(ready.code(), ready.failure().detail);
    return std::unique_ptr<topology_file>(new topology_file(std::move(*lock), std::move(db)));
  } catch (const failure& why) {
    if (why.is_not_a_database()) return refused(errc::fatal_error, "it is not a SQLite database");
    if (why.is_corrupt())
      return refused(errc::fatal_error, std::string("it is damaged: ") + why.what() + "; restore it from a backup");
    return refused(why.to_error().code, why.to_error().detail);
  }
}

topology_file::topology_file(file_lock lock, std::unique_ptr<database> db)
    : lock_(std::move(lock)),
      db_(std::move(db)),
      get_(*db_, "SELECT key, value, version FROM entries WHERE key = ?"),
      // No character of a key comes behind '~'.
      list_(*db_, "SELECT key, value, version FROM entries WHERE key >= ?1 AND key < ?1 || '~' ORDER BY key"),
      insert_(*db_, "INSERT INTO entries(value, version, this_run, key) VALUES(?, ?, ?, ?)"),
      update_(*db_, "UPDATE entries SET value = ?, version = ? WHERE key = ?"),
      erase_(*db_, "DELETE FROM entries WHERE key = ?"),
      raise_(*db_, "UPDATE versions SET last = last + 1"),
      raised_(*db_, "SELECT last FROM versions") {}

topology_version topology_file::version_of(std::string_view key) {
  auto found = get_.query(text{key});
  return found.next() ? entry_of(found).version : 0;
}

result<std::optional<topology_entry>> topology_file::get(std::string_view key) {
  return tried<std::optional<topology_entry>>([&]() -> std::optional<topology_entry> {
    auto found = get_.query(text{key});
    if (!found.next()) return std::nullopt;
    return entry_of(found);
  });
}

result<std::vector<topology_entry>> topology_file::list(std::string_view prefix) {
  return tried<std::vector<topology_entry>>([&] {
    std::vector<topology_entry> all;
    auto found = list_.query(text{prefix});
    while (found.next()) all.push_back(entry_of(found));
    return all;
  });
}

result<topology_version> topology_file::put(std::string_view key, std::string_view value, topology_version expected,
                                            lifetime kept) {
  return tried<topology_version>([&]() -> result<topology_version> {
    transaction one(*db_);
    auto current = version_of(key);
    if (current != expected) return conflict(key, current, expected);
    raise_.execute();
    topology_version raised = 0;
    if (auto found = raised_.query(); found.next()) raised = found.count();
    if (current == 0)
      insert_.execute(blob{value}, counter{raised}, kept == lifetime::this_run, text{key});
    else
      update_.execute(blob{value}, counter{raised}, text{key});
    one.commit();
    return raised;
  });
}

result<> topology_file::erase(std::string_view key, topology_version expected) {
  return tried<unit>([&]() -> result<> {
    transaction one(*db_);
    auto current = version_of(key);
    if (current != expected || current == 0) return conflict(key, current, expected);
    erase_.execute(text{key});
    one.commit();
    return done;
  });
}

}  // namespace throng::sqlite
