// SPDX-License-Identifier: Apache-2.0
#include "cluster/link/link_window.hpp"

#include <algorithm>
#include <utility>

namespace throng {

bool link_window::post(std::string parcel) {
  if (waiting_.size() >= limits_.waiting_parcels_max || parcel.size() > limits_.waiting_bytes_max - waiting_bytes_) {
    ++figures_.refused;
    return false;
  }
  waiting_bytes_ += parcel.size();
  waiting_.push_back(std::move(parcel));
  return true;
}

std::optional<link_frame> link_window::next_frame() {
  std::optional<link_frame> frame;
  send_next([&](frame_number number, frame_number acknowledged, const std::vector<std::string>& parcels, std::size_t) {
    frame = link_frame{number, acknowledged, parcels};
  });
  return frame;
}

/// The next frame to send, noted as sent, with the acknowledgement; null if there is none.
const link_window::sent_frame* link_window::advance() {
  const sent_frame* next = nullptr;
  if (!again_.empty()) {
    next = &in_flight_[again_.front() - in_flight_.front().number];
    again_.pop_front();
    ++figures_.frames_again;
  } else {
    if (waiting_.empty() || !has_room()) return nullptr;
    sent_frame made{++sent_, {}, 0};
    made.parcels.reserve(std::min(waiting_.size(), limits_.frame_parcels_max));
    while (!waiting_.empty() && made.parcels.size() < limits_.frame_parcels_max) {
      auto& oldest = waiting_.front();
      if (!made.parcels.empty() && made.bytes + oldest.size() > limits_.frame_bytes_max) break;
      made.bytes += oldest.size();
      made.parcels.push_back(std::move(oldest));
      waiting_.pop_front();
    }
    waiting_bytes_ -= made.bytes;
    in_flight_bytes_ += made.bytes;
    figures_.parcels_sent += made.parcels.size();
    figures_.bytes_sent += made.bytes;
    ++figures_.frames_sent;
    next = &in_flight_.emplace_back(std::move(made));
  }
  tell();
  return next;
}

std::optional<link_frame> link_window::acknowledgement() {
  if (told_ == received_) return std::nullopt;
  tell();
  return link_frame{0, received_, {}};
}

link_window::verdict link_window::receive(const link_frame& frame) {
  std::size_t bytes = 0;
  for (const auto& each : frame.parcels) bytes += each.size();
  return receive(frame.number, frame.acknowledged, frame.parcels.size(), bytes);
}

link_window::verdict link_window::receive(frame_number number, frame_number acknowledged, std::size_t parcels,
                                          std::size_t bytes) {
  if (number > received_ + 1) return verdict::broken;
  if (!acknowledge(acknowledged)) return verdict::broken;
  if (number == 0) return verdict::duplicate;
  if (number <= received_) {
    ++figures_.frames_dropped;
    return verdict::duplicate;
  }
  received_ = number;
  untold_bytes_ += bytes;
  ++figures_.frames_received;
  figures_.parcels_received += parcels;
  return verdict::deliver;
}

/// False if that was never sent.
bool link_window::acknowledge(frame_number up_to) {
  if (up_to > sent_) return false;
  while (!in_flight_.empty() && in_flight_.front().number <= up_to) {
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  while (!again_.empty() && again_.front() <= up_to) again_.pop_front();
  return true;
}

bool link_window::resume(frame_number other_has) {
  const auto acknowledged_before = in_flight_.empty() ? sent_ : in_flight_.front().number - 1;
  if (other_has < acknowledged_before || !acknowledge(other_has)) return false;
  again_.clear();
  for (const auto& each : in_flight_) again_.push_back(each.number);
  tell();  // the other end was told received() when they met
  return true;
}

std::vector<std::string> link_window::give_up() {
  std::vector<std::string> all;
  for (auto& each : in_flight_)
    for (auto& parcel : each.parcels) all.push_back(std::move(parcel));
  for (auto& parcel : waiting_) all.push_back(std::move(parcel));
  const auto so_far = read_figures();
  *this = link_window(limits_);
  figures_ = so_far;
  return all;
}

link_window::figures link_window::read_figures() const {
  auto all = figures_;
  all.waiting_parcels = waiting_.size();
  all.waiting_bytes = waiting_bytes_;
  all.in_flight_frames = in_flight_.size();
  all.in_flight_bytes = in_flight_bytes_;
  return all;
}

}  // namespace throng
