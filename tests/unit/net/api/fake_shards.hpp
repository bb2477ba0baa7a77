// SPDX-License-Identifier: Apache-2.0
// Several stores as one sharded storage, as far as scatters go: answered on the caller's thread; a shard can be away.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "net/api/api_services.hpp"
#include "storage/sqlite/sqlite_store.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

class fake_shards final : public sharded_storage {
 public:
  explicit fake_shards(const std::vector<std::string>& ranges) {
    std::vector<shard_record> records;
    for (const auto& range : ranges) {
      auto opened = open_sqlite_store((folder_.path() / (range + ".db")).string(), {});
      if (!opened) throw std::runtime_error(opened.failure().detail);
      stores_.emplace(range, std::move(*opened));
      shard_record record;
      record.range = parse_key_range(range).value();
      record.primary = "127.0.0.1:1";
      record.servers = record.in_sync = {record.primary};
      records.push_back(record);
    }
    directory_ = make_fixed_shard_directory(shard_map::make(records, {}, 1).value());
    access_.reset(new shard_access{*this, *directory_});
  }

  const shard_access* access() const { return access_.get(); }
  store& of(const std::string& range) { return *stores_.at(range); }
  std::string away;  // the shard that doesn't answer

  commit_queue& commits() override { throw std::logic_error("no commits here"); }
  reader_pool& reads() override { throw std::logic_error("no reads here"); }
  store& whole() override { throw std::logic_error("no whole here"); }
  std::vector<shard_figures> figures() const override { return {}; }
  void stop() override {}
  void scatter(shard_query query, std::chrono::milliseconds,
               std::function<void(std::vector<shard_answer>, std::vector<std::string>)> done) override {
    std::vector<shard_answer> answers;
    std::vector<std::string> missing;
    for (auto& [range, rows] : stores_) {
      if (range == away)
        missing.push_back(range);
      else
        answers.push_back({range, {}, query(*rows->make_reader())});
    }
    done(std::move(answers), std::move(missing));
  }

 private:
  temporary_folder folder_;
  std::map<std::string, std::unique_ptr<store>> stores_;
  std::unique_ptr<fixed_shard_directory> directory_;
  std::unique_ptr<shard_access> access_;
};

}  // namespace throng::test
