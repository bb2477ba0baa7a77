// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/gateway.hpp"

#include <map>
#include <utility>

#include "net/gateway/rtm.hpp"

namespace throng {

namespace {

/// Tells `count` connections of one loop at a time, so that its other work and the clients' return are spread.
void drain_loop(const std::shared_ptr<rtm_services>& rtm, std::size_t index, unsigned count,
                std::chrono::milliseconds pause) {
  std::vector<rtm_connection*> next;
  rtm->fan->on_loop(index).for_each_reader([&](stream_reader& reader) {
    auto& connection = static_cast<rtm_connection&>(reader);
    if (next.size() < count && !connection.is_closing()) next.push_back(&connection);
  });
  for (auto* each : next) each->drain();
  if (next.size() < count) return;
  rtm->fan->loop(index).after(pause, [rtm, index, count, pause] { drain_loop(rtm, index, count, pause); });
}

}  // namespace

gateway::gateway(node_index node, region& entities, const std::vector<io_loop*>& loops, const gateway_options& options)
    : rtm_(std::make_shared<rtm_services>(entities, fan_out::make(node, entities, loops, options.fan_out), node,
                                          options.rtm)),
      options_(options) {
  rtm_->fan->start();
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
  responder.accept_websocket(std::make_shared<rtm_connection>(rtm_, index, std::move(*address)));
}

void gateway::drain() {
  is_draining_ = true;
  for (std::size_t i = 0; i < rtm_->fan->loop_count(); ++i)
    rtm_->fan->loop(i).post_always([rtm = rtm_, i, count = options_.drain_per_turn, pause = options_.drain_pause] {
      drain_loop(rtm, i, count, pause);
    });
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
