// SPDX-License-Identifier: Apache-2.0
#include "tools/throngbench/fanout_sides.hpp"

#include "tools/throngbench/process_usage.hpp"
#include "tools/throngbench/socket_crowd.hpp"

namespace throng {

namespace {

class throng_crowd final : public throng_side {
 public:
  throng_crowd(pid_t process, town people, std::size_t text_bytes)
      : process_(process),
        town_(std::move(people)),
        padding_(text_bytes - delivery_check::mark_bytes, 'x'),
        check_(town_.plan),
        publishers_(town_.plan.publishers),
        crowd_([this](std::size_t who, std::string_view payload, std::int64_t now) { receive(who, payload, now); }) {}

  result<> sign_everybody_in(const http_url& server) {
    return in_parallel(server, town_.plan.people + publishers_.size(), town_makers,
                       [&](api_client& api, std::size_t i) -> result<> {
                         const auto people = town_.plan.people;
                         const auto& token = i < people ? town_.tokens[i] : town_.publisher_tokens[i - people];
                         auto opened = sign_in(api, token, source_of(i));
                         if (!opened) return opened.failure();
                         crowd_.add(i, std::move(opened->socket), std::move(opened->received));
                         return done;
                       });
  }

  std::string_view name() const override { return "throngd"; }
  pid_t process() const override { return process_; }
  delivery_check& check() override { return check_; }

  result<> publish(std::size_t publisher, std::size_t count) override {
    auto& own = publishers_[publisher];
    std::string frames, json;
    for (std::size_t i = 0; i < count; ++i) {
      const auto channel = own.next_channel(town_.plan, publisher);
      const auto mark = check_.next_post(channel, now_ns());
      json = "{\"id\":" + std::to_string(++own.posted) + ",\"type\":\"message\",\"channel\":\"" +
             town_.channels[channel] + "\",\"text\":\"" + delivery_check::to_text(mark) + padding_ + "\"}";
      append_client_frame(frames, ws_opcode::text, json, static_cast<std::uint32_t>(own.posted * 0x9E3779B9u));
    }
    if (crowd_.send(town_.plan.people + publisher, frames)) return done;
    return error{errc::service_unavailable, "a publisher's socket is gone" + trouble()};
  }
  std::size_t unanswered(std::size_t publisher) const override {
    const auto& own = publishers_[publisher];
    return own.posted - own.answered.load(std::memory_order_acquire);
  }

  std::string trouble() const override {
    std::string text;
    if (crowd_.lost() > 0) text += "; " + std::to_string(crowd_.lost()) + " sockets were lost: " + crowd_.first_loss();
    std::lock_guard lock(mutex_);
    if (!refusal_.empty()) text += "; a post was answered " + refusal_;
    return text;
  }

  result<std::string> sample_frame() override {
    check_.begin();
    const auto expected = town_.plan.channels * town_.plan.members_each;
    for (std::size_t i = 0; i < town_.plan.channels; ++i)
      if (auto sent = publish(i % publishers_.size(), 1); !sent) return sent.failure();
    const auto deadline = now_ns() + 20'000'000'000;
    while (check_.delivered() < expected && now_ns() < deadline) std::this_thread::sleep_for(milliseconds(5));
    if (auto right = check_.verdict(expected); !right)
      return error{right.code(), "throngd: " + right.failure().detail + trouble()};
    std::lock_guard lock(mutex_);
    std::string frame;
    append_server_frame(frame, ws_opcode::text, sample_);
    return frame;
  }

 private:
  struct publisher_state {
    /// c, c + publishers, …
    std::size_t next_channel(const town_plan& plan, std::size_t publisher) {
      const auto channel = publisher + turn * plan.publishers;
      turn = channel + plan.publishers < plan.channels ? turn + 1 : 0;
      return channel;
    }
    std::size_t posted = 0, turn = 0;
    std::atomic<std::size_t> answered{0};
  };

  void receive(std::size_t who, std::string_view payload, std::int64_t now) {
    if (who < town_.plan.people) {
      if (!has_sample_ && delivery_check::find_mark(payload)) {
        std::lock_guard lock(mutex_);
        sample_ = payload;
        has_sample_ = true;
      }
      return check_.deliver(who, payload, now);
    }
    if (payload.find("\"reply_to\"") == payload.npos) return;
    publishers_[who - town_.plan.people].answered.fetch_add(1, std::memory_order_release);
    if (payload.find("\"ok\":false") == payload.npos) return;
    std::lock_guard lock(mutex_);
    if (refusal_.empty()) refusal_ = payload;
  }

  const pid_t process_;
  const town town_;
  const std::string padding_;
  delivery_check check_;
  std::vector<publisher_state> publishers_;
  mutable std::mutex mutex_;
  std::string refusal_, sample_;
  std::atomic<bool> has_sample_{false};
  socket_crowd crowd_;  // the last: its thread uses all of the above
};

class bare_crowd final : public fanout_side {
 public:
  bare_crowd(const bare_server& server, const town_plan& plan, std::string frame, std::size_t mark_at)
      : server_(server),
        plan_(plan),
        frame_(std::move(frame)),
        mark_at_(mark_at),
        check_(plan),
        crowd_([this](std::size_t who, std::string_view payload, std::int64_t now) {
          check_.deliver(who, payload, now);
        }) {}

  result<> connect() {
    for (std::size_t i = 0; i < plan_.people; ++i) {
      auto socket = server_.connect(static_cast<std::uint32_t>(i));
      if (!socket) return socket.failure();
      crowd_.add(i, std::move(*socket), {});
    }
    auto socket = server_.connect(bare_server::publisher);
    if (!socket) return socket.failure();
    crowd_.add(plan_.people, std::move(*socket), {});
    return done;
  }

  std::string_view name() const override { return "the bare server"; }
  pid_t process() const override { return server_.process(); }
  delivery_check& check() override { return check_; }

  result<> publish(std::size_t, std::size_t count) override {
    std::string records;
    for (std::size_t i = 0; i < count; ++i) {
      const auto channel = next_channel_++ % plan_.channels;
      const auto mark = delivery_check::to_text(check_.next_post(channel, now_ns()));
      frame_.replace(mark_at_, mark.size(), mark);
      bare_server::append_record(records, static_cast<std::uint32_t>(channel), frame_);
    }
    if (crowd_.send(plan_.people, records)) return done;
    return error{errc::service_unavailable, "the bare server is gone"};
  }

  std::size_t unanswered(std::size_t) const override { return 0; }

  std::string trouble() const override {
    return crowd_.lost() == 0 ? ""
                              : "; " + std::to_string(crowd_.lost()) + " sockets were lost: " + crowd_.first_loss();
  }

 private:
  const bare_server& server_;
  const town_plan plan_;
  std::string frame_;
  const std::size_t mark_at_;
  delivery_check check_;
  std::size_t next_channel_ = 0;
  socket_crowd crowd_;
};

}  // namespace

result<std::unique_ptr<throng_side>> make_throng_side(const served_node& node, const town_plan& plan,
                                                      std::size_t text_bytes) {
  auto people = make_town(node.client(), node.admin_token(), plan);
  if (!people) return people.failure();
  auto side = std::make_unique<throng_crowd>(node.process(), std::move(*people), text_bytes);
  if (auto signed_in = side->sign_everybody_in(node.client()); !signed_in) return signed_in.failure();
  return std::unique_ptr<throng_side>(std::move(side));
}

result<std::unique_ptr<fanout_side>> make_bare_side(const bare_server& server, const town_plan& plan,
                                                    std::string frame) {
  const auto mark_at = frame.find("#c");
  if (mark_at == frame.npos) return error{errc::internal_error, "a delivery without its text"};
  auto side = std::make_unique<bare_crowd>(server, plan, std::move(frame), mark_at);
  if (auto connected = side->connect(); !connected) return connected.failure();
  return std::unique_ptr<fanout_side>(std::move(side));
}

}  // namespace throng
