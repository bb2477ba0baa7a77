// SPDX-License-Identifier: Apache-2.0
#include "tools/common/event_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <sys/epoll.h>

namespace throng {

namespace {

/// So often is_over() is asked when nothing happens.
constexpr std::chrono::milliseconds idle_turn{50};

}  // namespace

event_loop::event_loop() : epoll_(std::make_shared<const unique_fd>(::epoll_create1(EPOLL_CLOEXEC))) {
  if (!*epoll_) throw std::runtime_error(std::string("epoll: ") + std::strerror(errno));
}

event_loop::~event_loop() {
  is_ending_ = true;
  // A chain's end takes its waits out of both.
  while (!ready_.empty()) ready_.front()->root_.destroy();
  while (!timers_.empty()) timers_.begin()->second->root_.destroy();
}

event_loop::watched::~watched() {
  if (epoll_) ::epoll_ctl(epoll_->value(), EPOLL_CTL_DEL, fd_, nullptr);
}

event_loop::watched event_loop::watch(int fd, interest& of) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &of;
  if (::epoll_ctl(epoll_->value(), EPOLL_CTL_ADD, fd, &event) != 0)
    throw std::runtime_error(std::string("epoll: ") + std::strerror(errno));
  return {epoll_, fd};
}

void event_loop::add(wait& who) {
  who.timer_ = timers_.emplace(who.deadline_, &who);
  who.where_ = wait::where::timers;
  if (who.place_) *who.place_ = &who;
}

void event_loop::forget(wait& who) {
  if (who.where_ == wait::where::timers) {
    timers_.erase(who.timer_);
    if (who.place_ && !is_ending_) *who.place_ = nullptr;
  } else if (who.where_ == wait::where::ready) {
    std::erase(ready_, &who);
  }
  who.where_ = wait::where::nowhere;
}

void event_loop::wake(wait* who) {
  if (!who) return;
  forget(*who);
  who->has_happened_ = true;
  who->where_ = wait::where::ready;
  ready_.push_back(who);
}

void event_loop::turn() {
  const auto now = clock::now();
  auto patience = ready_.empty() ? idle_turn : std::chrono::milliseconds(0);
  if (!timers_.empty())
    patience = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - now),
                          std::chrono::milliseconds(0), patience);
  std::array<epoll_event, 256> events;
  const auto count =
      ::epoll_wait(epoll_->value(), events.data(), static_cast<int>(events.size()), static_cast<int>(patience.count()));
  for (int i = 0; i < count; ++i) {
    auto& each = events[static_cast<std::size_t>(i)];
    auto& of = *static_cast<interest*>(each.data.ptr);
    const bool is_broken = each.events & (EPOLLERR | EPOLLHUP);
    if (is_broken || (each.events & (EPOLLIN | EPOLLRDHUP))) {
      of.can_read = true;
      wake(of.reader);
    }
    if (is_broken || (each.events & EPOLLOUT)) {
      of.can_write = true;
      wake(of.writer);
    }
  }
  for (const auto late = clock::now(); !timers_.empty() && timers_.begin()->first <= late;) {
    auto& who = *timers_.begin()->second;
    forget(who);
    who.where_ = wait::where::ready;
    ready_.push_back(&who);
  }
  // Who becomes ready meanwhile has its turn in the next one.
  for (auto left = ready_.size(); left > 0 && !ready_.empty(); --left) {
    auto& who = *ready_.front();
    ready_.pop_front();
    who.where_ = wait::where::nowhere;
    who.leaf_.resume();
    detail::rethrow_escaped();
  }
}

void event_loop::run_until(const std::function<bool()>& is_over) {
  while (!is_over()) turn();
}

}  // namespace throng
