// SPDX-License-Identifier: Apache-2.0
// What Vitess's go/vt/key/key_test.go expects of names and ranges, and our rule that ends lie between slots.
#include "storage/model/key_range.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace throng {
namespace {

key_range range_of(std::string_view text) {
  const auto range = parse_key_range(text);
  REQUIRE_MESSAGE(range.has_value(), text);
  return *range;
}

std::vector<key_range> ranges_of(const std::vector<std::string_view>& texts) {
  std::vector<key_range> ranges;
  for (auto text : texts) ranges.push_back(range_of(text));
  return ranges;
}

std::vector<std::string> names_of(const std::vector<key_range>& ranges) {
  std::vector<std::string> names;
  for (const auto& range : ranges) names.push_back(to_text(range));
  return names;
}

TEST_CASE("key range: its name is read as Vitess reads it") {
  CHECK(range_of("-") == key_range{0, 0});
  CHECK(range_of("-80") == key_range{0, 0x8000000000000000});
  CHECK(range_of("80-") == key_range{0x8000000000000000, 0});
  CHECK(range_of("40-c0") == key_range{0x4000000000000000, 0xc000000000000000});
  CHECK(range_of("8010-8020") == key_range{0x8010000000000000, 0x8020000000000000});
  CHECK(range_of("C0-") == range_of("c0-"));
  CHECK(range_of("0") == range_of("-"));  // the shard of an unsharded keyspace
  CHECK(range_of("4000000000000000-8000000000000000") == range_of("40-80"));
}

TEST_CASE("key range: zero bytes at the end change nothing") {
  CHECK(range_of("-8000") == range_of("-80"));
  CHECK(range_of("-8000000000000000") == range_of("-80"));
  CHECK(range_of("00-80") == range_of("-80"));
  CHECK(to_text(range_of("-8000")) == "-80");
  CHECK(to_text(range_of("8000-8080")) == "80-8080");
  CHECK(to_text(range_of("0010-0100")) == "0010-01");
}

TEST_CASE("key range: what is no range of whole slots is refused") {
  // clang-format off
  for (const std::string text : {"", "1", "00", "80", "--", "---", "-80-", "40-80-c0", "4000000000000000", "x-", "-g0",
                                 "0x80-", " -80", "-80 ", "8-", "8-9", "801-", "-801", "80001-", "800001-", "8008-",
                                 "-8001", "8000000000000001-", "-800000000000000000", "80-40", "80-80", "8000-80",
                                 "80-00", "-00", "00-00", "4000000000000000--8000000000000000",
                                 "4000000000000000-3000000000000000"})
    // clang-format on
    CHECK_MESSAGE(!parse_key_range(text), text);
  CHECK(!parse_key_range(std::string_view("-80\0", 4)));
}

TEST_CASE("key range: even shards have Vitess's ranges") {
  const key_range all;
  CHECK(names_of(even_split(all, 1)) == std::vector<std::string>{"-"});
  CHECK(names_of(even_split(all, 2)) == std::vector<std::string>{"-80", "80-"});
  CHECK(names_of(even_split(all, 4)) == std::vector<std::string>{"-40", "40-80", "80-c0", "c0-"});
  CHECK(names_of(even_split(all, 7)) ==
        std::vector<std::string>{"-24", "24-49", "49-6d", "6d-92", "92-b6", "b6-db", "db-"});
  CHECK(even_split(all, 256)[1] == range_of("01-02"));
  CHECK(even_split(all, 512)[256] == range_of("8000-8080"));
  CHECK(even_split(all, 512)[510] == range_of("ff00-ff80"));
  CHECK(to_text(even_split(all, 512)[511]) == "ff80-");
  CHECK(to_text(even_split(all, slot_count)[1]) == "0010-0020");
}

TEST_CASE("key range: a part is split like the whole, down to single slots") {
  CHECK(names_of(even_split(range_of("80-c0"), 2)) == std::vector<std::string>{"80-a0", "a0-c0"});
  CHECK(names_of(even_split(range_of("c0-"), 2)) == std::vector<std::string>{"c0-e0", "e0-"});
  CHECK(names_of(even_split(range_of("80-81"), 2)) == std::vector<std::string>{"80-8080", "8080-81"});
  CHECK(names_of(even_split(range_of("8010-8030"), 2)) == std::vector<std::string>{"8010-8020", "8020-8030"});
  CHECK(even_split(range_of("8010-8030"), 3).empty());
  CHECK(even_split(range_of("-"), 0).empty());
  CHECK(even_split(range_of("-"), slot_count + 1).empty());
}

TEST_CASE("key range: only a reshard that keeps every keyspace id once is one") {
  const auto covers = [](const std::vector<std::string_view>& sources, const std::vector<std::string_view>& targets) {
    return covers_exactly(ranges_of(sources), ranges_of(targets));
  };
  CHECK(covers({"-"}, {"-80", "80-"}));
  CHECK(covers({"-80", "80-"}, {"0"}));
  CHECK(covers({"80-c0", "40-80"}, {"a0-c0", "40-a0"}));
  CHECK(covers({"-40", "80-"}, {"-40", "80-c0", "c0-"}));  // two at once that don't touch
  CHECK(!covers({"-"}, {"-80"}));
  CHECK(!covers({"-"}, {"-40", "80-"}));
  CHECK(!covers({"-80"}, {"-"}));
  CHECK(!covers({"-80"}, {"-40", "20-80"}));
  CHECK(!covers({"-80", "40-80"}, {"-80"}));
  CHECK(!covers({"-40", "80-"}, {"-80", "c0-"}));
  CHECK(!covers({}, {}));
  CHECK(!covers({"-"}, {}));
}

TEST_CASE("key range: splits of random ranges keep their slots, each in one part, evenly") {
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 300; ++round) {
    const auto first = static_cast<std::uint16_t>(random() % slot_count);
    const auto slots = 1 + random() % (slot_count - first);
    const key_range range{first_ksid_of({first}), first_ksid_of({static_cast<std::uint16_t>(first + slots)}) &
                                                      (first + slots == slot_count ? 0 : ~ksid_t{0})};
    REQUIRE(slot_count_of(range) == slots);
    CHECK(parse_key_range(to_text(range)) == range);

    const auto count = 1 + random() % std::min<std::size_t>(slots, 300);
    const auto parts = even_split(range, count);
    REQUIRE(parts.size() == count);
    CHECK(covers_exactly(std::vector{range}, parts));
    std::vector<std::uint32_t> sizes;
    for (const auto& part : parts) {
      sizes.push_back(slot_count_of(part));
      CHECK(range.contains(part));
      CHECK(parse_key_range(to_text(part)) == part);
    }
    const auto [least, most] = std::ranges::minmax(sizes);
    CHECK(least > 0);
    CHECK(most - least <= 16);  // one byte's worth
  }
}

}  // namespace
}  // namespace throng
