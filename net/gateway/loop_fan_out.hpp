// SPDX-License-Identifier: Apache-2.0
// LOOP_FAN_OUT: the half of the fan-out that lives on one io loop: which of its connections read which stream, and the
// copying of a turn's events to them. Not thread-safe: its loop's thread only. Knows neither sockets nor regions: both
// are behind small interfaces, so tests run it alone.
//
// A stream's live readers all have the stream's own position, so a subscription costs 4 bytes on either side. Who has
// to catch up first (a resumed session, a channel joined just now) is a follower with a cursor of its own until it has.
// Per turn and stream the events are joined into one shared buffer; a reader that must skip one gets its own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "net/gateway/catch_up.hpp"
#include "net/gateway/delivery_log.hpp"
#include "net/gateway/key_index.hpp"
#include "net/gateway/presence_view.hpp"
#include "net/gateway/stream_directory.hpp"
#include "net/transport/frame.hpp"
#include "storage/model/ids.hpp"

namespace throng {

/// What the fan-out sees of one connection.
class stream_reader {
 public:
  virtual ~stream_reader() = default;
  /// Must not call back into the fan-out; the others may.
  virtual void deliver(const shared_frame& frames, delivery kind) = 0;
  /// A stream that was not ready when it was added is now.
  virtual void on_stream_ready(entity_key stream) = 0;
  /// It was told of a gap in this stream.
  virtual void on_gap(entity_key stream) = 0;
  /// An event of a stream this person is the subject of (her USER), behind its frame.
  virtual void on_own_event(const publication& published) = 0;
  /// A presence bucket of somebody it watches; `single` is the frame if only one person has changed.
  virtual void on_presence(const publication& published, const shared_frame& single) = 0;
  /// It isn't subscribed to the stream any more: the person has left, or may not read it.
  virtual void on_removed(entity_key stream) = 0;
  /// It was removed at a departure that it had missed. It may be older than the membership of now.
  virtual void on_departed_in_replay(entity_key stream) = 0;
  /// A presence bucket that it reads is to be told of its people anew.
  virtual void on_census(entity_key bucket) = 0;
};

/// What the fan-out asks for. Calls come back through on_page() and on_lost(), later.
class replay_source {
 public:
  virtual ~replay_source() = default;
  /// Ask `stream` for what comes after `after`, on behalf of `user`. `token` goes back with the answer. If `after` is
  /// unknown: for what has happened since the subscription of this stamp, here or on another node, began.
  virtual void replay(entity_key stream, stream_position after, std::uint64_t stamp, user_id user,
                      std::uint64_t token) = 0;
  /// A presence bucket is on another node now, and may not know yet that somebody watches it.
  virtual void wake(entity_key bucket) = 0;
  /// The frame that tells a client of a gap.
  virtual shared_frame gap_frame(entity_key stream, stream_position behind) = 0;
};

struct loop_fan_out_figures {
  std::uint64_t deliveries = 0;     // events × readers
  std::uint64_t buffers = 0;        // deliver() calls: how often a reader was touched
  std::uint64_t joined_events = 0;  // events that travelled in a joined buffer
  std::uint64_t duplicates = 0;
  std::uint64_t skips = 0;
  std::uint64_t replays = 0;
  std::uint64_t gaps = 0;
};

class loop_fan_out {
 public:
  using slot = std::uint32_t;

  /// `node` and `loop_index` become part of the connections' ids.
  loop_fan_out(node_index node, std::size_t loop_index, stream_directory& directory, replay_source& source,
               const catch_up_limits& limits = {}, std::uint32_t first_generation = 0);

  // -- connections

  static constexpr std::size_t readers_max = 1 << 20;
  /// REQUIRES: fewer than readers_max are attached.
  slot attach(stream_reader& reader);
  /// What publications' skip_connection names: unique in the cluster, as long as 16 million others haven't had its
  /// slot meanwhile.
  std::uint64_t id_of(slot at) const { return readers_[at].id; }
  /// Null if that connection has gone, or is another loop's.
  stream_reader* find(std::uint64_t id) const;
  static std::size_t loop_of(std::uint64_t id) { return (id >> 44) & 0xFF; }
  static node_index node_of(std::uint64_t id) { return {static_cast<std::uint16_t>(id >> 52)}; }
  void set_user(slot at, user_id user) { readers_[at].user = user; }
  /// Ends all its subscriptions.
  void detach(slot at, steady_time now);

  // -- subscriptions

  enum class start_kind { live, pending };
  /// From now on. `pending`: on_stream_ready() follows.
  start_kind subscribe(slot at, entity_key stream, team_id team);
  /// From behind `after`: live at once if nothing was missed, else as a follower. A follower's Replay is asked for by
  /// begin_following(), or here if `begin`.
  start_kind subscribe_after(slot at, entity_key stream, team_id team, stream_position after, bool begin);
  /// From where the subscription named by `stamp` began: live if that still lasts and nothing has come, else as a
  /// follower. Without a stamp the reader is told of a gap.
  start_kind subscribe_since(slot at, entity_key stream, team_id team, std::uint64_t stamp, bool begin);
  /// Asks for what this reader's followers have missed.
  void begin_following(slot at);
  void unsubscribe(slot at, entity_key stream, steady_time now);
  bool is_subscribed(slot at, entity_key stream) const;
  /// The channel was listed at `seq`: a departure up to there is older than this membership.
  void note_joined(slot at, entity_key stream, seq_t seq);

  struct cursor {
    entity_key stream;
    stream_position at;       // if unknown:
    std::uint64_t stamp = 0;  // nothing has come since the subscription of this name began
    /// Nothing of the stream was passed to any reader of this loop since this one was attached.
    bool is_untouched = false;
  };
  /// As one client's question was answered: others who were told something else hear it too.
  void note_presence(entity_key bucket, std::span<const user_id> active, std::span<const user_id> away);
  /// What the reader has been sent of its numbered streams.
  std::vector<cursor> cursors(slot at) const;
  template <class Function>
  void for_each_stream(slot at, Function each) const {
    for (const auto index : readers_[at].streams) each(streams_[index].key);
  }
  template <class Function>
  void for_each_reader(Function each) const {
    for (const auto& place : readers_)
      if (place.reader) each(*place.reader);
  }

  /// For the shell: `each(entity_key stream, std::size_t readers, bool is_catching_up)`.
  template <class Function>
  void for_each_open_stream(Function each) const {
    for (const auto& one : streams_) {
      if (index_.find(one.key) != static_cast<std::uint32_t>(&one - streams_.data())) continue;  // a free place
      const auto followers = one.more ? one.more->followers.size() : 0;
      each(one.key, one.live.size() + followers, followers > 0 || !one.is_ready);
    }
  }

  /// The posts that live readers were sent, without the time; who takes them clears them, after each turn and page.
  std::vector<delivery_note>& passed_on() { return passed_on_; }

  // -- what comes in

  /// A turn's events, and the streams of which some were dropped before they came here.
  void run_turn(std::span<arrival> events, std::span<const entity_key> gapped, steady_time now);
  void on_ready(entity_key stream);
  /// Answers to replay_source::replay(). `begin`: what the first event follows, if it was asked for by stamp.
  void on_page(std::uint64_t token, epoch_t epoch, seq_t end_seq, std::span<const arrival> events, steady_time now,
               std::optional<seq_t> begin = {});
  /// The stream can't tell any more; `may_read` false: this person may not read it.
  void on_lost(std::uint64_t token, bool may_read, steady_time now);

  const loop_fan_out_figures& figures() const { return figures_; }
  std::size_t reader_count() const { return reader_count_; }
  std::size_t stream_count() const { return index_.size(); }

 private:
  struct place {
    stream_reader* reader = nullptr;
    std::uint64_t id = 0;
    user_id user;
    std::uint64_t since = 0;  // passed_ when it was attached
    std::vector<std::uint32_t> streams;
  };
  struct follower {
    slot at;
    bool is_begun;   // it may ask
    bool is_asking;  // an answer is under way
    bool is_lost;    // there is nothing to ask for
    catch_up cursor;
    std::uint64_t stamp = 0;  // of the subscription that it follows; its position is unknown
    bool asks_again = false;  // the stream's owner has changed meanwhile
  };
  struct joined {
    slot at;
    seq_t seq;
  };
  /// What only few streams have at a time.
  struct extras {
    std::vector<follower> followers;
    std::vector<joined> just_joined;
    std::unique_ptr<catch_up> own;  // the stream's live readers have to catch up together
    std::uint64_t own_token = 0;
    bool asks_again = false;  // the stream's owner has changed meanwhile
    std::unique_ptr<presence_view> presence;
  };
  struct stream {
    entity_key key;
    stream_position at;
    std::uint64_t stamp = 0;
    std::uint64_t touched = 0;  // passed_ when an event was last passed on
    std::vector<slot> live;
    std::unique_ptr<extras> more;
    std::uint32_t turn = 0;  // its place in turns_, plus 1
    bool is_ready = false;
  };
  struct turn_event {
    shared_frame frame;
    std::uint64_t skip;
    delivery_class priority;
  };
  struct turn {
    std::uint32_t stream;
    std::vector<turn_event> events;
  };
  static constexpr slot no_slot = UINT32_MAX;
  struct asked {
    entity_key stream;
    slot at = no_slot;  // for the stream's live readers
  };

  std::uint32_t open(entity_key key, team_id team, stream_start& start);
  bool is_open(std::uint32_t index, entity_key key) const { return index_.find(key) == index; }
  void close_if_unread(std::uint32_t index, steady_time now);
  start_kind add_live(slot at, std::uint32_t index);
  start_kind add_follower(slot at, std::uint32_t index, stream_position after, bool begin, bool is_lost,
                          std::uint64_t stamp = 0);
  void drop(slot at, std::uint32_t index);  // from the stream's side only
  void remove(slot at, std::uint32_t index, steady_time now);
  void remove_and_tell(slot at, std::uint32_t index, steady_time now);
  bool reads(slot at, std::uint32_t index) const;
  follower* find_follower(std::uint32_t index, slot at);

  void accept(arrival event, steady_time now);
  void pass_on(std::uint32_t index, const arrival& event, steady_time now);
  void pass_on_all(std::uint32_t index, std::span<const arrival> events, steady_time now);
  void pass_presence(std::uint32_t index, const arrival& event);
  void tell_presence(std::uint32_t index, std::span<const user_id> users, bool is_active);
  void take_census(std::uint32_t index);
  void catch_up_after_renewal(std::uint32_t index, steady_time now);
  void feed_followers(std::uint32_t index, const arrival& event, steady_time now);
  void send_to(slot at, std::uint32_t index, std::span<const arrival> events, steady_time now);
  void promote(std::uint32_t index);
  void depart(std::uint32_t index, user_id user, seq_t seq, steady_time now);
  bool has_departed(const stream& s, slot at, const arrival& event) const;

  void ask_for_stream(std::uint32_t index, steady_time now);
  void ask_for(std::uint32_t index, slot at, steady_time now);
  /// Of no stream if that was answered already.
  asked take_asked(std::uint64_t token);
  void lose_stream(std::uint32_t index, steady_time now);
  void lose(std::uint32_t index, slot at, steady_time now);
  void continue_stream(std::uint32_t index, catch_up::next then, std::span<const arrival> out, steady_time now);
  void continue_follower(std::uint32_t index, slot at, catch_up::next then, std::span<const arrival> out,
                         steady_time now);

  void append(std::uint32_t index, const arrival& event);
  void flush(std::uint32_t index);
  void flush_all();
  void deliver(slot at, const shared_frame& frames, delivery kind, std::size_t event_count);

  extras& more(stream& s);
  static void tidy(stream& s);

  const std::uint64_t id_base_;
  const std::uint32_t first_generation_;
  const std::size_t loop_index_;
  stream_directory& directory_;
  replay_source& source_;
  const catch_up_limits limits_;

  std::vector<place> readers_;
  std::vector<slot> free_readers_;
  std::size_t reader_count_ = 0;
  key_index index_;  // into streams_
  std::vector<stream> streams_;
  std::vector<std::uint32_t> free_streams_;
  std::vector<turn> turns_;  // of the turn under way; reused
  std::size_t turn_count_ = 0;
  std::unordered_map<std::uint64_t, asked> asked_;  // by token
  std::uint64_t next_token_ = 1;
  std::vector<delivery_note> passed_on_;
  std::uint64_t passed_ = 0;  // numbered events of all streams: a clock
  loop_fan_out_figures figures_;
};

}  // namespace throng
