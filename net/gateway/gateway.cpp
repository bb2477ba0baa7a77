// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/gateway.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <utility>

#include "net/gateway/rtm.hpp"
#include "net/transport/base_url.hpp"

namespace throng {

/// Of all clients, until it is called off.
struct departure {
  std::shared_ptr<const drain_order> where;
  std::atomic<std::size_t> turn{0};  // of those who would come
  std::atomic<bool> is_called_off{false};
};

namespace {

constexpr std::chrono::milliseconds drain_period{10};
constexpr std::chrono::milliseconds late_period{100};  // when all have been told
constexpr std::chrono::seconds sweep_period{1};

/// One loop's clients, each with the moment at which it is told to go.
struct loop_drain {
  std::shared_ptr<rtm_services> rtm;
  std::shared_ptr<const departure> all;
  std::size_t index = 0;
  std::deque<std::pair<steady_time, std::uint64_t>> waiting;  // ids, by time
  std::size_t turn = 0;

  void list(std::chrono::milliseconds window) {
    std::vector<std::uint64_t> clients;
    rtm->fan->on_loop(index).for_each_reader([&](stream_reader& reader) {
      auto& connection = static_cast<rtm_connection&>(reader);
      if (!connection.is_closing()) clients.push_back(connection.id());
    });
    if (clients.empty()) return;
    std::minstd_rand random(std::random_device{}());
    const drain_plan plan(clients.size(), window);
    const auto now = rtm->entities.now();
    for (std::size_t i = 0; i < clients.size(); ++i)
      waiting.emplace_back(now + plan.slot_of(i, static_cast<std::uint16_t>(random())), clients[i]);
    turn = random();
  }

  static void go_on(const std::shared_ptr<loop_drain>& self) {
    if (self->all->is_called_off) return;
    // Upgrades that were under way when it began come late, and have no slot.
    if (self->waiting.empty()) self->list({});
    const auto now = self->rtm->entities.now();
    for (auto& waiting = self->waiting; !waiting.empty() && waiting.front().first <= now; waiting.pop_front())
      if (auto* reader = self->rtm->fan->on_loop(self->index).find(waiting.front().second))
        static_cast<rtm_connection*>(reader)->part(self->all->where, self->turn++);
    const auto next = self->waiting.empty() ? late_period : drain_period;
    self->rtm->fan->loop(self->index).after(next, [self] { go_on(self); });
  }
};

/// Each connection announces itself now and then, a few each second: what was lost is found out.
void sweep(const std::weak_ptr<rtm_services>& weak, std::size_t index, std::uint64_t round) {
  const auto rtm = weak.lock();
  if (!rtm) return;
  const auto rounds = static_cast<std::uint64_t>(std::max<std::int64_t>(1, rtm->options.announce_interval.count()));
  rtm->fan->on_loop(index).for_each_reader([&](stream_reader& reader) {
    auto& connection = static_cast<rtm_connection&>(reader);
    if (connection.id() % rounds == round % rounds) connection.announce_soon();
  });
  rtm->fan->loop(index).after(sweep_period, [weak, index, round] { sweep(weak, index, round + 1); });
}

/// SESSIONs of these slots may be new where they are now.
void announce_moved(const std::shared_ptr<rtm_services>& rtm,
                    const std::shared_ptr<const std::vector<slot_id>>& slots) {
  for (std::size_t i = 0; i < rtm->fan->loop_count(); ++i)
    rtm->fan->loop(i).post_always([rtm, i, slots] {
      rtm->fan->on_loop(i).for_each_reader([&](stream_reader& reader) {
        auto& connection = static_cast<rtm_connection&>(reader);
        if (std::ranges::binary_search(*slots, slot_of(key_of(connection.session())))) connection.announce_soon();
      });
    });
}

}  // namespace

gateway::gateway(node_index node, region& entities, const std::vector<io_loop*>& loops, const gateway_options& options,
                 std::uint64_t incarnation)
    : rtm_(std::make_shared<rtm_services>(entities, fan_out::make(node, entities, loops, options.fan_out), node,
                                          options.rtm, incarnation)),
      options_(options) {
  rtm_->fan->start();
  const std::weak_ptr<rtm_services> weak = rtm_;
  entities.on_moved([weak](const std::vector<slot_id>& slots) {
    if (const auto rtm = weak.lock()) announce_moved(rtm, std::make_shared<const std::vector<slot_id>>(slots));
  });
  for (std::size_t i = 0; i < rtm_->fan->loop_count(); ++i)
    rtm_->fan->loop(i).post_always([weak, i] { sweep(weak, i, 0); });
}

gateway::~gateway() = default;

bool gateway::serves(std::string_view path) { return path.starts_with(rtm_path_prefix); }

void gateway::handle(http_request request, http_responder responder) {
  const auto refuse = [&](unsigned status, std::string body) {
    responder.send(
        http_response{.status = status, .content_type = "text/plain", .headers = {}, .body = std::move(body)});
  };
  auto address = parse_rtm_path(request.path);
  if (!address) return refuse(404, "no such address\n");
  if (!request.is_websocket) return refuse(426, "this address is for websockets\n");
  if (is_draining_) return refuse(503, "the server is going away\n");
  const auto index = responder.loop().index();
  auto came_by = as_websocket_url(base_url_of(request, options_.rtm.public_url));
  responder.accept_websocket(std::make_shared<rtm_connection>(rtm_, index, std::move(*address), std::move(came_by)));
}

void gateway::drain(drain_order where, std::chrono::milliseconds most) {
  auto all = std::make_shared<departure>();
  all->where = std::make_shared<const drain_order>(std::move(where));
  {
    std::lock_guard lock(departure_mutex_);
    is_draining_ = true;
    if (departure_) departure_->is_called_off = true;
    departure_ = all;
  }
  const auto window = drain_plan::window_of(rtm_->counters.connections, options_.drain_rate, most);
  for (std::size_t i = 0; i < rtm_->fan->loop_count(); ++i)
    rtm_->fan->loop(i).post_always([rtm = rtm_, i, all, window] {
      auto mine = std::make_shared<loop_drain>(loop_drain{rtm, all, i, {}, 0});
      mine->list(window);
      loop_drain::go_on(mine);
    });
}

void gateway::stay() {
  std::lock_guard lock(departure_mutex_);
  if (departure_) departure_->is_called_off = true;
  departure_ = nullptr;
  is_draining_ = false;
}

std::string gateway::place_for(std::string base_url) const {
  if (!is_draining_) return base_url;
  std::lock_guard lock(departure_mutex_);
  auto place = departure_ ? departure_->where->place_for(base_url, departure_->turn++) : std::string();
  return place.empty() ? base_url : place;
}

gateway_figures gateway::figures() const {
  const auto& c = rtm_->counters;
  gateway_figures all;
  all.fan_out = rtm_->fan->figures();
  all.connections = c.connections;
  all.sessions = c.sessions;
  all.commands = c.commands;
  all.refused_frames = c.refused_frames;
  all.posts = c.posts;
  all.resyncs = c.resyncs;
  all.failed_boots = c.failed_boots;
  return all;
}

void gateway::streams(std::function<void(std::vector<gateway_stream>)> done) const {
  // Loops are visited one after the other, so that nothing is shared.
  struct visit {
    std::shared_ptr<rtm_services> rtm;
    std::function<void(std::vector<gateway_stream>)> done;
    std::map<entity_key, gateway_stream> all;

    static void next(std::shared_ptr<visit> self, std::size_t index) {
      if (index < self->rtm->fan->loop_count()) {
        auto& loop = self->rtm->fan->loop(index);
        loop.post_always([self = std::move(self), index] {
          self->rtm->fan->on_loop(index).for_each_open_stream(
              [&](entity_key stream, std::size_t readers, bool is_catching_up) {
                auto& one = self->all[stream];
                one.stream = stream;
                one.connections += readers;
                one.is_catching_up |= is_catching_up;
              });
          next(self, index + 1);
        });
        return;
      }
      std::vector<gateway_stream> list;
      for (auto& [stream, one] : self->all) list.push_back(one);
      self->done(std::move(list));
    }
  };
  visit::next(std::make_shared<visit>(visit{rtm_, std::move(done), {}}), 0);
}

const bot_directory& gateway::bots() const { return rtm_->fan->bots(); }
delivery_log& gateway::deliveries() { return rtm_->fan->deliveries(); }

}  // namespace throng
