// SPDX-License-Identifier: Apache-2.0
#include "storage/reshard/reshard_record.hpp"

#include <set>

#include <doctest/doctest.h>

#include "storage/reshard/reshard_status.hpp"

using namespace throng;

namespace {

key_range range(std::string_view text) { return parse_key_range(text).value(); }

topology_entry entry(std::string value) { return {reshard_key("throng"), std::move(value), 7}; }

}  // namespace

TEST_CASE("reshard record: what is written is read back") {
  reshard_record record;
  record.id = 0xFFFF'FFFF'FFFF'FFFF;
  record.phase = reshard_phase::switched;
  record.sources = {range("-")};
  record.targets = {range("-80"), range("80-")};
  record.registered = {range("80-")};
  record.drops_data = true;
  record.rows_per_second = 500;
  record.pauses_micros = {20'000, 31'000};
  record.reason = "the targets serve";
  record.version = 7;
  const auto read = parse_reshard_record(entry(to_json(record)));
  REQUIRE(read);
  CHECK(*read == record);
}

TEST_CASE("reshard record: a damaged one is refused with its key") {
  for (const auto* bad :
       {"", "[]", "{}", R"({"id":"x"})", R"({"id":"1","phase":"flying","sources":[],"targets":[],"registered":[]})",
        R"({"id":"1","phase":"running","sources":["-"],"targets":["-80"],"registered":[]})",
        R"({"id":"1","phase":"running","sources":["-"],"targets":["-80","80-"],"registered":[8]})"}) {
    const auto read = parse_reshard_record(entry(bad));
    REQUIRE_FALSE(read);
    CHECK(read.code() == errc::invalid_json);
    CHECK(read.failure().detail.starts_with("reshard/throng: "));
  }
}

TEST_CASE("reshard record: each phase has a name of its own") {
  std::set<std::string_view> names;
  for (unsigned i = 0; i <= static_cast<unsigned>(reshard_phase::cancelled); ++i) {
    const auto phase = static_cast<reshard_phase>(i);
    names.insert(to_string(phase));
    CHECK(reshard_phase_of(to_string(phase)) == phase);
  }
  CHECK(names.size() == 10);
  CHECK_FALSE(reshard_phase_of("flying"));
}

TEST_CASE("reshard record: verbs work in their phases only, and say what comes first") {
  using enum reshard_phase;
  CHECK(*phase_for(running, reshard_action::switch_writes) == switching);
  CHECK(*phase_for(switched, reshard_action::reverse) == reversing);
  CHECK(*phase_for(switched, reshard_action::complete) == completing);
  CHECK(*phase_for(switched, reshard_action::verify) == switched);
  for (const auto phase : {creating, copying, running}) CHECK(*phase_for(phase, reshard_action::cancel) == cancelling);

  const auto why = [](reshard_phase now, reshard_action action) { return phase_for(now, action).failure().detail; };
  CHECK(why(copying, reshard_action::switch_writes) ==
        "switch isn't possible while the reshard is copying: wait until the copy is done (status)");
  CHECK(why(switched, reshard_action::cancel) ==
        "cancel isn't possible while the reshard is switched: reverse it first, or complete it");
  CHECK(why(running, reshard_action::complete) ==
        "complete isn't possible while the reshard is running: switch it first, or cancel it");
  CHECK(why(completed, reshard_action::reverse) ==
        "reverse isn't possible while the reshard is completed: there is no reshard");
}

TEST_CASE("reshard record: the side that serves feeds the other") {
  reshard_record record;
  record.sources = {range("-")};
  record.targets = {range("-80"), range("80-")};
  for (const auto phase : {reshard_phase::copying, reshard_phase::running, reshard_phase::switching}) {
    record.phase = phase;
    CHECK(record.from() == record.sources);
    CHECK(record.to() == record.targets);
  }
  for (const auto phase : {reshard_phase::switched, reshard_phase::reversing}) {
    record.phase = phase;
    CHECK(record.from() == record.targets);
    CHECK(record.to() == record.sources);
  }
}

TEST_CASE("reshard status: the histogram counts each pause once") {
  std::vector<std::uint64_t> pauses;
  for (std::uint64_t i = 1; i <= 100; ++i) pauses.push_back(i * 1000);
  pauses.push_back(2'000'000);
  const auto histogram = histogram_of(pauses);
  CHECK(histogram.count == 101);
  CHECK(histogram.p50_us == 51'000);
  CHECK(histogram.p99_us == 100'000);
  CHECK(histogram.max_us == 2'000'000);
  std::size_t sum = 0;
  for (const auto& bucket : histogram.buckets) sum += bucket.count;
  CHECK(sum == 101);
  CHECK(histogram.buckets.front().count == 5);
  CHECK(histogram.buckets.back().count == 1);
  CHECK(histogram_of({}).count == 0);
  CHECK(to_text(histogram_of(std::vector<std::uint64_t>{20'500})) ==
        "1, last 20.5 ms, p50 20.5 ms, p99 20.5 ms, max 20.5 ms: <=50 ms 1");
}
