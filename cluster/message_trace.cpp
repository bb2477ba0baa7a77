// SPDX-License-Identifier: Apache-2.0
#include "cluster/message_trace.hpp"

#include <algorithm>

#include <google/protobuf/message.h>

namespace throng {

void message_trace::start(std::optional<entity_key> key, std::size_t count_max, steady_time until) {
  std::lock_guard lock(mutex_);
  key_ = key;
  count_max_ = std::min(count_max, records_max);
  until_ = until;
  records_.clear();
  is_on_.store(count_max_ > 0, std::memory_order_relaxed);
}

void message_trace::record(const envelope& message, std::uint32_t mailbox, steady_time now, wall_time wall) {
  std::lock_guard lock(mutex_);
  if (!is_on()) return;
  if (now >= until_) {
    is_on_.store(false, std::memory_order_relaxed);
    return;
  }
  if (key_ && *key_ != message.to) return;
  records_.push_back(
      {wall, message.to, message.from, message.message->GetTypeName(), message.reply != nullptr, mailbox});
  if (records_.size() >= count_max_) is_on_.store(false, std::memory_order_relaxed);
}

std::vector<trace_record> message_trace::read() const {
  std::lock_guard lock(mutex_);
  return records_;
}

}  // namespace throng
