// SPDX-License-Identifier: Apache-2.0
#include "net/transport/outbox.hpp"

#include <algorithm>
#include <utility>

#include "storage/model/assert.hpp"

namespace throng {

void outbox::append(shared_frame frame, kind_t kind) {
  bytes_ += static_cast<std::uint32_t>(frame->size());
  entries_.push_back({std::move(frame), kind});
}

bool outbox::push(shared_frame frame, delivery kind) {
  if (is_closed_ || frame->empty() || !has_room(frame->size())) return false;
  append(std::move(frame), static_cast<kind_t>(kind));
  return true;
}

bool outbox::push_own(shared_frame bytes, bool is_control) {
  if (is_closed_ || bytes->empty()) return false;
  append(std::move(bytes), is_control ? kind_t::control : kind_t::own);
  return true;
}

std::size_t outbox::gather(iovec* out, std::size_t count) const {
  std::size_t used = 0;
  std::size_t skip = head_sent_;
  for (std::size_t i = head_; i < entries_.size() && used < count; ++i, ++used) {
    const std::string& bytes = *entries_[i].frame;
    // writev's interface is not const-correct; nothing writes through it.
    out[used] = {const_cast<char*>(bytes.data()) + skip, bytes.size() - skip};
    skip = 0;
  }
  return used;
}

bool outbox::consume(std::size_t bytes) {
  THRONG_ASSERT(bytes <= bytes_);
  bytes_ -= static_cast<std::uint32_t>(bytes);
  pinned_bytes_ -= std::min(pinned_bytes_, static_cast<std::uint32_t>(bytes));
  bool has_finished_control = false;
  while (bytes > 0) {
    entry& head = entries_[head_];
    const std::size_t left = head.frame->size() - head_sent_;
    if (bytes < left) {
      head_sent_ += static_cast<std::uint32_t>(bytes);
      break;
    }
    bytes -= left;
    has_finished_control |= head.kind == kind_t::control;
    head.frame.reset();
    head_sent_ = 0;
    ++head_;
  }
  compact();
  return has_finished_control;
}

// Idle costs nothing: an empty queue gives its memory back once it held more than a handful.
void outbox::compact() {
  if (empty()) {
    head_ = 0;
    entries_.clear();
    if (entries_.capacity() > 4) std::vector<entry>().swap(entries_);
  } else if (head_ >= 32 && head_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + head_);
    head_ = 0;
  }
}

template <class Predicate>
std::size_t outbox::remove_if(Predicate goes) {
  std::size_t offset = 0;  // of the entry's first unsent byte
  std::size_t removed = 0;
  std::size_t to = head_;
  for (std::size_t from = head_; from < entries_.size(); ++from) {
    entry& e = entries_[from];
    const std::size_t size = e.frame->size() - (from == head_ ? head_sent_ : 0);
    const bool is_seen = (from == head_ && head_sent_ > 0) || offset < pinned_bytes_;
    offset += size;
    if (!is_seen && goes(e.kind)) {
      bytes_ -= static_cast<std::uint32_t>(size);
      ++removed;
    } else {
      if (to != from) entries_[to] = std::move(e);
      ++to;
    }
  }
  entries_.resize(to);
  compact();
  return removed;
}

std::size_t outbox::drop(delivery kind) {
  return remove_if([kind](kind_t k) { return k == static_cast<kind_t>(kind); });
}

std::size_t outbox::discard() {
  return remove_if([](kind_t k) { return k != kind_t::own && k != kind_t::control; });
}

}  // namespace throng
