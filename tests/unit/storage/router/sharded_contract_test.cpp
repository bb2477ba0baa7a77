// SPDX-License-Identifier: Apache-2.0
// The router over 1, 2 and 4 shards is a store like any other.
#include "tests/unit/storage/router/sharded_harness.hpp"

namespace throng {
namespace {

/// whole(), with the storage that it is of.
class owned_whole final : public store {
 public:
  owned_whole(sqlite_shards& shards, const std::vector<std::string>& ranges)
      : shards_(shards),
        directory_(make_fixed_shard_directory(map_of(ranges))),
        storage_(start_storage(*directory_, shards.opener())) {}
  ~owned_whole() override {
    storage_.reset();
    shards_.close();
  }
  result<std::vector<result<>>> commit(std::span<const commit_unit> units) override { return all().commit(units); }
  result<> raise_fences(std::span<const fence> guards, fence_holder by) override {
    return all().raise_fences(guards, by);
  }
  result<std::vector<fence>> fences() override { return all().fences(); }
  std::unique_ptr<store_reader> make_reader() override { return all().make_reader(); }

 private:
  store& all() { return storage_->whole(); }
  sqlite_shards& shards_;
  std::unique_ptr<fixed_shard_directory> directory_;
  std::unique_ptr<sharded_storage> storage_;
};

struct one_shard {
  sqlite_shards shards;
  std::unique_ptr<store> open() { return std::make_unique<owned_whole>(shards, std::vector<std::string>{"-"}); }
};
struct two_shards {
  sqlite_shards shards;
  std::unique_ptr<store> open() {
    return std::make_unique<owned_whole>(shards, std::vector<std::string>{"-80", "80-"});
  }
};
struct four_shards {
  sqlite_shards shards;
  std::unique_ptr<store> open() {
    return std::make_unique<owned_whole>(shards, std::vector<std::string>{"-40", "40-80", "80-c0", "c0-"});
  }
};

}  // namespace
}  // namespace throng

#define THRONG_STORES throng::one_shard, throng::two_shards, throng::four_shards
#include "tests/unit/storage/store_contract.hpp"
