// SPDX-License-Identifier: Apache-2.0
// RTM: one websocket of Slack's real-time protocol, from its ticket to its close. Everything on its io thread.
//
//   upgrade ─► Attach to SESSION ─► USER stream ─► USER.Channels, their streams ─► hello ─► events, commands ─► Detach
//              └ refused: error, close            └ what comes meanwhile waits for hello
//
// What the person may read follows her USER stream: channel_listed subscribes, channel_unlisted unsubscribes; leaving
// a channel takes effect inside the channel's own stream. Memory counts here: tens of thousands of these are idle.
//
// The SESSION and the PRESENCE BUCKET may be on nodes that die. Whenever one of them is on another node than before,
// the connection announces itself (Announce), and learns at once if another socket has taken its place.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "cluster/region.hpp"
#include "net/gateway/drain_plan.hpp"
#include "net/gateway/fan_out.hpp"
#include "net/gateway/rtm_frame.hpp"
#include "net/gateway/rtm_options.hpp"
#include "net/gateway/rtm_url.hpp"
#include "net/transport/websocket.hpp"

namespace google::protobuf {
template <class Element>
class RepeatedPtrField;
}

namespace throng {

class Caller;
class AttachReply;
class Event;
class StreamCursor;
class UserChannelsReply;

/// What the connections of one node count; any thread.
struct rtm_counters {
  std::atomic<std::uint64_t> connections{0};  // now
  std::atomic<std::uint64_t> sessions{0};     // now: those that have had their hello
  std::atomic<std::uint64_t> commands{0};
  std::atomic<std::uint64_t> refused_frames{0};  // beyond the rate
  std::atomic<std::uint64_t> posts{0};
  std::atomic<std::uint64_t> resyncs{0};
  std::atomic<std::uint64_t> failed_boots{0};
};

/// What the RTM connections of a node share.
struct rtm_services : std::enable_shared_from_this<rtm_services> {
  rtm_services(region& all, std::shared_ptr<fan_out> to, node_index self, const rtm_options& with,
               std::uint64_t of_incarnation = 0)
      : entities(all),
        fan(std::move(to)),
        node(self),
        incarnation(of_incarnation),
        options(with),
        announcing(fan->loop_count()) {}

  region& entities;
  const std::shared_ptr<fan_out> fan;
  const node_index node;
  const std::uint64_t incarnation;
  const rtm_options options;
  rtm_counters counters;

  /// Has the connection announce itself, some per turn, in the order of the calls. On that loop's thread.
  void announce_soon(std::size_t loop_index, std::uint64_t connection);

 private:
  void announce_some(std::size_t loop_index);
  std::vector<std::deque<std::uint64_t>> announcing;  // by loop; bounded by its connections
};

class rtm_connection final : public websocket_handler, public stream_reader {
 public:
  /// `loop_index`: the loop it lives on. `came_by`: as the client reaches this gateway, "wss://example.org"; empty: as
  /// the request that opened its session did.
  rtm_connection(std::shared_ptr<rtm_services> services, std::size_t loop_index, rtm_address address,
                 std::string came_by = {});
  ~rtm_connection() override;

  void on_open(std::shared_ptr<websocket_connection> connection) override;
  void on_text(std::string_view payload) override;
  void on_binary(std::string_view payload) override;
  overflow_decision on_overflow() override;
  void on_resync() override;
  void on_close(std::uint16_t code) override;

  void deliver(const shared_frame& frames, delivery kind) override;
  void on_stream_ready(entity_key stream) override;
  void on_gap(entity_key stream) override;
  void on_own_event(const publication& published) override;
  void on_presence(const publication& published, const shared_frame& single) override;
  void on_removed(entity_key) override {}
  void on_departed_in_replay(entity_key stream) override;
  void on_census(entity_key bucket) override;

  /// Says where to go, and goodbye, and closes: the node is going away. `turn`: which of the others it is sent to.
  void part(const std::shared_ptr<const drain_order>& order, std::size_t turn);
  void announce();
  void announce_soon();
  session_id session() const { return address_.session; }
  std::uint64_t id() { return fan().id_of(slot_); }
  /// Tells the client why, and closes.
  void end(errc why, std::uint16_t code);
  bool is_closing() const { return phase_ == phase::closing || phase_ == phase::parting; }

 private:
  enum class phase : std::uint8_t { attaching, booting, open, parting, closing };
  struct boot_state;
  struct listing;

  loop_fan_out& fan() { return services_->fan->on_loop(loop_index_); }
  void send(std::string_view json);
  void send_now(const shared_frame& frame, delivery kind);
  /// `then(rtm_connection&, result<shared_ptr<const Reply>>)`, on this thread, if the connection is still there.
  template <class Reply, class Request, class Then>
  void ask(entity_key to, Request request, Then then);

  void on_attached(const AttachReply& reply);
  /// Another socket takes its place.
  void give_way();
  /// Tells the SESSION that this socket is no more; once. What it was sent, unless `is_known` already.
  void detach(bool is_known);
  void add_cursors(google::protobuf::RepeatedPtrField<StreamCursor>& to);
  void say_goodbye(std::string_view url);
  /// Once the posts that are under way are answered.
  void leave_when_quiet(unsigned looks);
  /// Runs `then(rtm_connection&)` later, if the connection is still there.
  template <class Then>
  void later(std::chrono::milliseconds delay, Then then);

  void start_listing();
  void ask_for_channels();
  void on_channels(const UserChannelsReply& page);
  void end_listing();
  void subscribe(entity_key stream);
  void fail_boot(errc why);
  void say_hello_if_ready();

  bool take_rate_token();
  void run(rtm_command command);
  void post(rtm_command command);
  void type(const rtm_command& command);
  /// `then(rtm_connection&, std::vector<user_id>)` with those of them who are of this workspace, sorted.
  template <class Then>
  void keep_own(const rtm_command& command, Then then);
  void watch(std::vector<user_id> users, bool tell_session);
  void query_presence(const std::vector<user_id>& users);
  void show_presence(const std::vector<user_id>& active, const std::vector<user_id>& away);
  void note_active();
  void fill(Caller& caller) const;

  const std::shared_ptr<rtm_services> services_;
  std::shared_ptr<websocket_connection> connection_;
  std::unique_ptr<boot_state> boot_;        // until hello
  std::unique_ptr<listing> listing_;        // while USER.Channels is read
  std::vector<user_id> watched_;            // sorted
  std::vector<user_id> changed_meanwhile_;  // presence that changed while queries are under way
  rtm_address address_;                     // the ticket goes once it is used
  std::string seed_;                        // what the SESSION is brought back with
  team_id team_;
  user_id user_;
  bot_id bot_;
  app_id app_;
  std::uint64_t token_mark_ = 0;  // the token hash's first bytes: enough to tell one person's tokens apart
  steady_time last_active_{};
  steady_time last_resync_{};
  steady_time rate_at_{};
  loop_fan_out::slot slot_ = 0;
  std::uint16_t loop_index_;
  std::uint16_t rate_tokens_;
  std::uint16_t excess_frames_ = 0;
  std::uint16_t posts_in_flight_ = 0;
  std::uint16_t queries_in_flight_ = 0;
  std::uint8_t listing_generation_ = 0;
  seq_t listed_seq_ = 0;  // of her own stream: what happened up to there is in the list that was read
  std::uint8_t watch_generation_ = 0;
  phase phase_ = phase::attaching;
  bool is_attached_ = false;  // to the fan-out
  bool is_admin_ = false;
  bool may_post_ = false;  // the token's scopes say so
  bool wants_batches_ = false;
  bool is_queued_ = false;      // to announce itself
  bool is_announcing_ = false;  // an answer is under way
  bool announces_again_ = false;
  bool has_said_goodbye_ = false;
  bool has_detached_ = false;
  std::uint8_t announce_tries_ = 0;
};

}  // namespace throng
