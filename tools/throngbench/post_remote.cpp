// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <mutex>

#include "actors/proto/records.pb.h"
#include "tools/throngbench/latency_histogram.hpp"
#include "tools/throngbench/post_sides.hpp"
#include "tools/throngbench/process_usage.hpp"
#include "tools/throngbench/town.hpp"

namespace throng {

result<remote_poster> remote_poster::make(http_url url, std::string token, const post_plan& with) {
  remote_poster made(std::move(url), std::move(token));
  api_client api(made.url_);
  const auto name = "bench-" + std::to_string(now_ns() / 1'000'000) + "-";
  for (std::size_t i = 0; i < with.channels; ++i) {
    auto id = api.call_for("channel.id", "conversations.create", made.token_, {{"name", name + std::to_string(i)}});
    if (!id) return id.failure();
    made.channels_.push_back(std::move(*id));
  }
  return made;
}

result<figures> remote_poster::measure(const post_plan& with) const {
  const std::string text(with.bytes, 'x');
  std::mutex mutex;
  latency_histogram latencies;
  std::atomic<std::size_t> posted{0};
  const auto started = now_ns(), end = started + static_cast<std::int64_t>(with.seconds) * 1'000'000'000;
  auto post_until_end = [&](api_client& api, std::size_t) -> result<> {
    while (now_ns() < end) {
      const auto before = now_ns();
      const auto& channel = channels_[posted.fetch_add(1) % channels_.size()];
      auto answer = api.call("chat.postMessage", token_, {{"channel", channel}, {"text", text}});
      if (!answer) return answer.failure();
      std::lock_guard lock(mutex);
      latencies.add(now_ns() - before);
    }
    return done;
  };
  if (auto all = in_parallel(url_, with.outstanding, with.outstanding, post_until_end); !all) return all.failure();
  const auto seconds = static_cast<double>(now_ns() - started) / 1e9;
  figures round;
  round.set("posts_per_s", static_cast<double>(latencies.count()) / seconds);
  round.set("p50_ms", latencies.percentile_ms(0.50));
  round.set("p99_ms", latencies.percentile_ms(0.99));
  return round;
}

message_record remote_poster::plain_row(const post_plan& with) {
  MessageData data;
  data.set_text(std::string(with.bytes, 'x'));
  message_record row;
  row.user = bench_poster;
  row.data = data.SerializeAsString();
  return row;
}

}  // namespace throng
