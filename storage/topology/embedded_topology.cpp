// SPDX-License-Identifier: Apache-2.0
#include "storage/topology/embedded_topology.hpp"

#include <map>
#include <mutex>
#include <utility>

#include "config/log.hpp"
#include "storage/model/assert.hpp"
#include "storage/sqlite/topology_file.hpp"
#include "storage/topology/topology_key.hpp"
#include "storage/topology/watch_thread.hpp"

namespace throng {

namespace {

using sqlite::topology_file;

class embedded_topology final : public topology_store {
 public:
  explicit embedded_topology(std::unique_ptr<topology_file> file) : file_(std::move(file)) {}
  ~embedded_topology() override { THRONG_ASSERT(holders_.empty()); }

  result<std::optional<topology_entry>> get(std::string_view key) override {
    if (auto sound = check_topology_key(key); !sound) return sound.failure();
    std::lock_guard lock(mutex_);
    return file_->get(key);
  }
  result<std::vector<topology_entry>> list(std::string_view prefix) override {
    if (auto sound = check_topology_prefix(prefix); !sound) return sound.failure();
    std::lock_guard lock(mutex_);
    return file_->list(prefix);
  }
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override {
    std::lock_guard lock(mutex_);
    return write(key, value, expected, topology_file::lifetime::stays);
  }
  result<> erase(std::string_view key, topology_version expected) override;

  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override;
  result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                                       std::function<void()> lost) override;

 private:
  class holder;

  /// REQUIRES: mutex_ is held.
  result<topology_version> write(std::string_view key, std::string_view value, topology_version expected,
                                 topology_file::lifetime kept);
  void release(holder& one);
  /// Reads for a watch, and logs once when that fails and once when it works again. Watch thread only.
  std::optional<std::vector<topology_entry>> read_for_watch(std::string_view prefix);

  std::mutex mutex_;  // of all here but the watches
  std::unique_ptr<topology_file> file_;
  std::map<std::string, holder*, std::less<>> holders_;
  bool is_unreadable_ = false;
  watch_thread watches_;
};

class embedded_topology::holder final : public handle {
 public:
  holder(embedded_topology& store, std::string key, std::function<void()> lost)
      : store_(store), key_(std::move(key)), telling_(store.watches_.start({}, [lost = std::move(lost)] {
          if (lost) lost();
          return true;
        })) {}
  ~holder() override { store_.release(*this); }

  const std::string& key() const { return key_; }
  void tell() { telling_->wake(); }

 private:
  embedded_topology& store_;
  std::string key_;
  std::unique_ptr<watch_thread::watch> telling_;
};

result<topology_version> embedded_topology::write(std::string_view key, std::string_view value,
                                                  topology_version expected, topology_file::lifetime kept) {
  if (auto sound = check_topology_key(key); !sound) return sound.failure();
  if (auto sound = check_topology_value(key, value); !sound) return sound.failure();
  auto written = file_->put(key, value, expected, kept);
  if (written) watches_.wake(key);
  return written;
}

result<> embedded_topology::erase(std::string_view key, topology_version expected) {
  if (auto sound = check_topology_key(key); !sound) return sound;
  std::lock_guard lock(mutex_);
  if (auto erased = file_->erase(key, expected); !erased) return erased;
  watches_.wake(key);
  if (auto held = holders_.find(key); held != holders_.end()) {
    held->second->tell();
    holders_.erase(held);
  }
  return done;
}

std::optional<std::vector<topology_entry>> embedded_topology::read_for_watch(std::string_view prefix) {
  auto entries = list(prefix);
  if (entries.ok() == is_unreadable_) {
    is_unreadable_ = !entries;
    if (entries)
      log::info("the topology file can be read again");
    else
      log::error("the topology file can't be read: {}", entries.failure().detail);
  }
  if (!entries) return std::nullopt;
  return std::move(*entries);
}

std::unique_ptr<topology_store::handle> embedded_topology::watch(std::string prefix, watcher changed) {
  THRONG_ASSERT(check_topology_prefix(prefix).ok());
  auto started = watches_.start(prefix, [this, prefix, changed = std::move(changed)] {
    auto entries = read_for_watch(prefix);
    if (!entries) return false;
    changed(std::move(*entries));
    return true;
  });
  started->wake();
  return started;
}

/// The time to live doesn't matter: the file is locked by this process, and who opens it next drops what it held.
result<std::unique_ptr<topology_store::handle>> embedded_topology::hold(std::string_view key, std::string_view value,
                                                                        std::chrono::milliseconds,
                                                                        std::function<void()> lost) {
  if (auto sound = check_held_topology_value(key, value); !sound) return sound.failure();
  auto held = std::make_unique<holder>(*this, std::string(key), std::move(lost));
  std::unique_lock lock(mutex_);
  auto written = write(key, value, 0, topology_file::lifetime::this_run);
  if (written) holders_.emplace(key, held.get());
  lock.unlock();  // a holder that goes takes it
  if (!written) return written.failure();
  return std::unique_ptr<handle>(std::move(held));
}

void embedded_topology::release(holder& one) {
  std::lock_guard lock(mutex_);
  auto held = holders_.find(one.key());
  if (held == holders_.end() || held->second != &one) return;  // refused, or erased by somebody
  holders_.erase(held);
  auto entry = file_->get(one.key());
  result<> erased = entry ? result<>(done) : result<>(entry.failure());
  if (entry && *entry) erased = file_->erase(one.key(), (*entry)->version);
  if (!erased) log::error("the topology key {} wasn't released: {}", one.key(), erased.failure().detail);
  watches_.wake(one.key());
}

}  // namespace

result<std::unique_ptr<topology_store>> open_embedded_topology(const std::filesystem::path& file) {
  auto opened = topology_file::open(file);
  if (!opened) return opened.failure();
  return std::unique_ptr<topology_store>(std::make_unique<embedded_topology>(std::move(*opened)));
}

}  // namespace throng
