// SPDX-License-Identifier: Apache-2.0
// DEVICE: one signed-in device of a person: asks a node for a websocket, reads it, and when it ends comes back, to the
// same node or to another, with its session and what it has seen, as PRODUCT.md promises clients that this works. All
// that it is told goes into the record.
#pragma once

#include <map>
#include <optional>

#include "tools/common/websocket_frames.hpp"
#include "tools/throngverify/rtm_event.hpp"
#include "tools/throngverify/scene.hpp"

namespace throng::verify {

/// How a device leaves its websocket.
enum class leaving : std::uint8_t {
  closed,    // says so first
  cut,       // closes the connection
  reset,     // resets the connection
  vanished,  // says nothing: the old connection stays open, unread
};
inline constexpr std::size_t leavings = 4;

class device {
 public:
  /// Begins at `node`, or anywhere.
  device(scene& of, std::size_t person, std::size_t number, std::optional<std::size_t> node = {});
  device(const device&) = delete;
  device& operator=(const device&) = delete;

  /// Until the curtain falls.
  task<void> live();

  bool is_ready() const { return is_ready_; }
  /// The node of its websocket, or of the next one it will ask for.
  std::size_t node() const { return node_; }
  /// Whether it was told of that post, or of a newer one.
  bool has_seen(channel_id channel, message_ts post) const;

  // -- what its person does with it; nothing happens while it isn't ready
  void post(channel_id channel);
  void type(channel_id channel);
  /// These too, from here on, on each websocket.
  void watch(const std::vector<user_id>& users);
  /// Leaves, and comes back after that time; `elsewhere`: not to the same node. `afresh`: without its session and
  /// what it has seen.
  void leave(leaving how, event_loop::clock::duration away_for, bool elsewhere, bool afresh);
  /// Leaves for good, and says so to the node.
  void go_home();
  bool is_at_home() const { return goes_home_ && !is_ready_; }

 private:
  struct position {
    std::uint64_t epoch = 0, seq = 0;
  };

  task<result<open_websocket>> sign_in();
  task<std::string> read_frames(open_websocket& opened);
  task<void> send_later(std::string frames);
  void send_frame(ws_opcode opcode, std::string_view payload);
  void take(std::string_view frame);
  void take_reply(const rtm_event& event);
  void take_gap(const rtm_event& event);
  void forget_session();
  std::string cursors() const;

  scene& scene_;
  const std::size_t person_;
  random_source random_;
  std::size_t node_;

  // what it keeps from one websocket to the next
  std::string session_;
  std::map<std::string, position> seen_;
  std::map<channel_id, message_ts> newest_;
  socket_index previous_{};
  std::vector<user_id> watched_;

  // of its websocket
  socket_index socket_{};
  async_socket* line_ = nullptr;
  bool is_ready_ = false;     // hello came
  bool was_resumed_ = false;  // rtm.connect said so
  bool is_sending_ = false;
  std::string outgoing_;
  std::int64_t next_id_ = 1;
  std::map<std::int64_t, call> pending_;

  // how it goes on
  std::optional<leaving> leaves_;
  event_loop::clock::duration away_for_{};
  bool goes_elsewhere_ = false, starts_afresh_ = false, goes_home_ = false;
};

}  // namespace throng::verify
