// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "actors/channel/channel.hpp"
#include "cluster/node.hpp"
#include "cluster/slot_table.hpp"
#include "tools/throngbench/ask_crowd.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/read_sides.hpp"

namespace throng {

namespace {

constexpr std::size_t units_at_once = 500;

result<> commit_all(store& rows, std::vector<commit_unit>& units) {
  auto outcomes = rows.commit(units);
  if (!outcomes) return outcomes.failure();
  for (const auto& each : *outcomes)
    if (!each) return each.failure();
  units.clear();
  return done;
}

message_ptr make_question(const read_plan& with) {
  HistoryRequest request;
  request.mutable_caller()->set_team(bench_team.value);
  request.mutable_caller()->set_user(bench_poster.value);
  request.set_limit(static_cast<std::uint32_t>(with.limit));
  return share(std::move(request));
}

result<> read_pages(region& door, const read_plan& with, const bench_storage& storage, bool is_chilled,
                    figures& round) {
  // A CHANNEL that wakes reads its newest posts too, so that a cold page here is more than one query.
  ask_crowd crowd(door, make_question(with), with.channels, with.outstanding);
  const usage_so_far asleep(storage);
  if (auto asked = crowd.run(with.channels); !asked) return asked;
  if (is_chilled) {
    figures cold;
    usage_so_far(storage).note(asleep, with.channels, "page", cold);
    round.set("cold_p50_ms", crowd.latencies().percentile_ms(0.50));
    round.set("cold_p99_ms", crowd.latencies().percentile_ms(0.99));
    round.set("cold_round_trips_per_page", *cold.find("round_trips_per_page"));
  }
  if (auto again = crowd.run(with.channels); !again) return again;
  crowd.forget();
  const usage_so_far before(storage);
  std::thread timer([&] {
    std::this_thread::sleep_for(std::chrono::seconds(with.seconds));
    crowd.stop();
  });
  auto outcome = crowd.run(0);
  timer.join();
  if (!outcome) return outcome;
  const auto latencies = crowd.latencies();
  usage_so_far(storage).note(before, latencies.count(), "page", round);
  round.set("p50_ms", latencies.percentile_ms(0.50));
  round.set("p99_ms", latencies.percentile_ms(0.99));
  return done;
}

}  // namespace

result<> fill_for_reads(const read_plan& with, bench_storage& storage) {
  if (auto ready = storage.empty(); !ready) return ready;
  if (auto ready = storage.open(); !ready) return ready;
  auto& rows = storage.whole();
  if (auto added = add_bench_channels(rows, with.channels); !added) return added;
  MessageData data;
  data.set_text(std::string(with.bytes, 'x'));
  message_record row;
  row.user = bench_poster;
  row.data = data.SerializeAsString();
  row.ts = {1'700'000'000'000'000};
  std::vector<commit_unit> units;
  for (std::size_t i = 0; i < with.messages; ++i)
    for (std::size_t channel = 0; channel < with.channels; ++channel) {  // as posts come: never a channel at a time
      row.channel = bench_channel(channel);
      row.seq = i + 1;
      ++row.ts.micros;
      units.push_back({{slot_of(key_of(row.channel)), 1}, {insert_message{row}}});
      if (units.size() < units_at_once) continue;
      if (auto written = commit_all(rows, units); !written) return written;
    }
  if (auto written = commit_all(rows, units); !written) return written;
  storage.close();
  return done;
}

result<figures> measure_node_reads(const read_plan& with, bench_storage& storage) {
  auto is_chilled = storage.chill();
  if (!is_chilled) return is_chilled.failure();
  if (auto ready = storage.open(); !ready) return ready.failure();
  auto table = std::make_shared<slot_table>(slot_table::single_node({1}, {}));
  node::parts parts{node_index{1}, {}, table, system_time(), storage.commits(), storage.reads()};
  auto process = node::start(std::move(parts), {{entity_kind::channel, make_channel_factory({})}});
  figures round;
  auto outcome = read_pages(process->door(), with, storage, *is_chilled, round);
  process->stop();
  storage.close();
  if (!outcome) return outcome.failure();
  return round;
}

}  // namespace throng
