// SPDX-License-Identifier: Apache-2.0
// link: throng_storage
// Any bytes as the name of a key range, as a shard's record, as a serving entry and as storage.mysql.shards: what is
// taken can be written and read again, and a map has a shard for every slot.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "storage/topology/shard_bootstrap.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace throng;
  const std::string text(reinterpret_cast<const char*>(data), size);

  if (const auto range = parse_key_range(text)) {
    require(parse_key_range(to_text(*range)) == range);
    require(slot_count_of(*range) > 0 && range->contains(range->begin));
  }
  if (const auto record = parse_shard_record({"shards/throng/-80", text, 1})) {
    require(record->name() == "-80");
    require(parse_shard_record({"shards/throng/-80", to_json(*record), 1}).value() == *record);
  }
  if (const auto serving = parse_serving({"serving/throng", text, 1}))
    require(parse_serving({"serving/throng", serving_to_json(*serving), 1}).value() == *serving);
  if (auto shards = parse_bootstrap(text, "throng")) {
    const auto map = shard_map::make(std::move(shards).value(), {}, 1).value();
    for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
      const auto place = first_ksid_of({static_cast<std::uint16_t>(slot)});
      require(map.of(place).range.contains(place));
    }
  }
  return 0;
}
