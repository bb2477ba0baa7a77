// SPDX-License-Identifier: Apache-2.0
#include "storage/sqlite/sqlite_store.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>

#include "config/log.hpp"
#include "storage/sqlite/file_lock.hpp"
#include "storage/sqlite/sqlite_database.hpp"
#include "storage/sqlite/sqlite_reader.hpp"
#include "storage/sqlite/sqlite_schema.hpp"
#include "storage/sqlite/sqlite_writer.hpp"

namespace throng {

namespace {

namespace fs = std::filesystem;

// Measured against 8 and 16 KiB with posts of 300 bytes in 1,000 channels (sqlite_throughput_test.cpp): 10 to 15 % less
// CPU a post, because a post rewrites its whole page in the WAL.
constexpr std::size_t page_bytes = 4096;

class sqlite_store final : public store {
 public:
  sqlite_store(fs::path file, const sqlite_options& options, sqlite::file_lock lock,
               std::unique_ptr<sqlite::database> db)
      : file_(std::move(file)), options_(options), lock_(std::move(lock)), db_(std::move(db)), writer_(*db_) {}

  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override {
    return write<std::vector<result<>>>([&] {
      try {
        return writer_.commit(units);
      } catch (const sqlite::failure& why) {
        if (why.is_failed_sync()) overwrite_or_end(why);
        throw;
      }
    });
  }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return write<unit>([&] { return writer_.raise_fences(guards, by); });
  }
  result<std::vector<fence>> fences() override {
    return write<std::vector<fence>>([&] { return writer_.fences(); });
  }
  std::unique_ptr<store_reader> make_reader() override {
    return sqlite::make_reader(file_, {options_.reader_cache_bytes, options_.busy_timeout_ms});
  }

 private:
  /// A COMMIT whose sync fails is rolled back by SQLite, but its frames are in the WAL, whole: a process that opened
  /// the file before they were overwritten (after kill −9, say) would find them committed, against our answer. The next
  /// commit goes over the same place; so one is made here. If its sync fails too, nobody can tell what the disk keeps:
  /// the process ends before anybody is answered, and what the file says at the next start is true.
  void overwrite_or_end(const sqlite::failure& first) {
    log::error("the store {}: {}; writing once more", file_.string(), first.what());
    try {
      sqlite::transaction over(*db_);
      db_->run("PRAGMA user_version = " + std::to_string(++overwrites_));
      over.commit();
    } catch (const sqlite::failure& second) {
      log::error("the store {}: {}; ending, because the disk doesn't say what it has stored", file_.string(),
                 second.what());
      log::stop();
      std::_Exit(1);
    }
  }

  /// raise_fences() is called at the start, and commit() by the queue's thread; they need not be the same.
  template <class Value, class Work>
  result<Value> write(Work work) {
    std::lock_guard one_at_a_time(mutex_);
    try {
      return work();
    } catch (const sqlite::failure& why) {
      return why.to_error();
    }
  }

  fs::path file_;
  sqlite_options options_;
  sqlite::file_lock lock_;  // outlives the connection
  std::unique_ptr<sqlite::database> db_;
  sqlite::writer writer_;
  std::mutex mutex_;
  std::uint32_t overwrites_ = 0;
};

/// Makes the folder, for its owner only, if it isn't there.
result<> make_folder(const fs::path& file) {
  auto folder = file.parent_path();
  std::error_code failed;
  if (folder.empty() || fs::is_directory(folder, failed)) return done;
  fs::create_directories(folder, failed);
  if (!failed) fs::permissions(folder, fs::perms::owner_all, failed);
  if (failed) return error{errc::service_unavailable, "can't make its folder: " + failed.message()};
  return done;
}

result<> check_pages(sqlite::database& db, std::size_t bytes_max) {
  auto bytes = db.number("PRAGMA page_count") * db.number("PRAGMA page_size");
  if (static_cast<std::size_t>(bytes) > bytes_max) return done;
  auto found = db.words("PRAGMA quick_check(1)");
  if (found == "ok") return done;
  return error{errc::fatal_error, "it is damaged: " + found + "; restore it from a backup"};
}

/// How the one writing connection works. Pages of the file aren't mapped into memory: an I/O error would be a SIGBUS
/// then, which ends the process instead of failing the read.
void configure(sqlite::database& db, const sqlite_options& options) {
  db.run("PRAGMA synchronous = FULL");
  db.run("PRAGMA cache_size = -" + std::to_string(options.writer_cache_bytes / 1024));
  db.run("PRAGMA temp_store = MEMORY");
  db.run("PRAGMA trusted_schema = OFF");
  auto file_page_bytes = static_cast<std::size_t>(db.number("PRAGMA page_size"));
  db.number("PRAGMA wal_autocheckpoint = " + std::to_string(options.checkpoint_bytes / file_page_bytes));
  db.number("PRAGMA journal_size_limit = " + std::to_string(options.checkpoint_bytes));
  if (options.file_bytes_max != 0)
    db.number("PRAGMA max_page_count = " + std::to_string(options.file_bytes_max / file_page_bytes));
}

result<> prepare(sqlite::database& db, const sqlite_options& options) {
  if (auto ours = sqlite::check_is_ours(db); !ours) return ours;
  if (auto sound = check_pages(db, options.check_bytes_max); !sound) return sound;
  db.run("PRAGMA page_size = " + std::to_string(page_bytes));  // counts only before the first write
  if (db.words("PRAGMA journal_mode = WAL") != "wal")
    return error{errc::service_unavailable, "its folder doesn't support a write-ahead log"};
  configure(db, options);
  return sqlite::migrate(db, sqlite::migrations());
}

result<std::unique_ptr<store>> open(const fs::path& file, const sqlite_options& options) {
  if (auto made = make_folder(file); !made) return made.failure();
  auto lock = sqlite::file_lock::take(fs::path(file) += ".lock");
  if (!lock) return lock.failure();
  if (!sqlite::make_private_file(file))
    return error{errc::service_unavailable, std::string("can't make it: ") + std::strerror(errno)};
  try {
    auto db = std::make_unique<sqlite::database>(file, sqlite::database::mode::read_write, options.busy_timeout_ms);
    if (auto ready = prepare(*db, options); !ready) return ready.failure();
    std::error_code ignored;  // best effort: another owner's file may be shared on purpose
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write, ignored);
    return std::unique_ptr<store>(std::make_unique<sqlite_store>(file, options, std::move(*lock), std::move(db)));
  } catch (const sqlite::failure& why) {
    if (why.is_not_a_database()) return error{errc::fatal_error, "it is not a SQLite database"};
    if (why.is_corrupt())
      return error{errc::fatal_error, std::string("it is damaged: ") + why.what() + "; restore it from a backup"};
    return why.to_error();
  }
}

}  // namespace

result<std::unique_ptr<store>> open_sqlite_store(const fs::path& file, const sqlite_options& options) {
  auto opened = open(file, options);
  if (opened) return opened;
  return error{opened.code(), "the store " + file.string() + " can't be opened: " + opened.failure().detail};
}

}  // namespace throng
