// SPDX-License-Identifier: Apache-2.0
// A whole node with all its entities and a real store, in one thread on a virtual clock, and the API in front of it:
// what a client would hear, without sockets.
#pragma once

#include <string>

#include "actors/channel/channel.hpp"
#include "actors/id_generator.hpp"
#include "actors/presence/presence.hpp"
#include "actors/session/session.hpp"
#include "actors/user/user.hpp"
#include "actors/workspace/workspace.hpp"
#include "net/api/api_server.hpp"
#include "net/gateway/bot_cache.hpp"
#include "tests/support/sim_node.hpp"

namespace throng::test {

inline node::kinds all_kinds() {
  workspace_options workspaces;
  workspaces.ids = std::make_shared<id_generator>(node_index{1}, system_time(), 7);
  return {{entity_kind::channel, make_channel_factory({})},
          {entity_kind::session, make_session_factory({})},
          {entity_kind::presence, make_presence_factory({})},
          {entity_kind::workspace, make_workspace_factory(workspaces)},
          {entity_kind::user, make_user_factory({})}};
}

/// One answer, parsed.
class heard {
 public:
  explicit heard(http_response response)
      : status(response.status), response_(std::make_shared<http_response>(std::move(response))) {
    if (auto parsed = parse_json(response_->body)) document_ = std::make_shared<json_document>(std::move(*parsed));
  }
  unsigned status;
  bool ok() const { return document_ && document_->root().find("ok").as_bool().value_or(false); }
  /// "ok", or the error's code.
  std::string code() const { return ok() ? "ok" : text("error"); }
  json_value at(std::string_view path) const {
    auto value = document_ ? document_->root() : json_value();
    while (!path.empty()) {
      const auto dot = path.find('.');
      value = value.find(path.substr(0, dot));
      path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    }
    return value;
  }
  /// A string, or the JSON of anything else.
  std::string text(std::string_view path) const {
    const auto value = at(path);
    return std::string(value.as_string().value_or(value.raw()));
  }
  /// `name` of each element of the array at `path`.
  std::vector<std::string> each(std::string_view path, std::string_view name) const {
    std::vector<std::string> all;
    at(path).for_each_element([&](json_value element) {
      const auto value = element.find(name);
      all.emplace_back(value.as_string().value_or(value.raw()));
    });
    return all;
  }
  const std::string& body() const { return response_->body; }

 private:
  std::shared_ptr<http_response> response_;
  std::shared_ptr<json_document> document_;
};

class api_town {
 public:
  static constexpr std::string_view admin = "xadm-the-operator-of-the-test";

  struct person {
    std::string id, token;
  };

  explicit api_town(api_options options = quiet()) : node_(all_kinds()), rates_(options.rates) {
    readers_ = make_manual_reader_pool(node_.rows(), 10'000);
    commits_ = make_manual_commit_queue(node_.rows(), {});
    tokens_ = std::make_unique<authenticator>(*readers_, std::string(admin), 1'000, std::chrono::seconds(10));
    services_.reset(new api_services{node_.door(), *readers_, *commits_, *tokens_, rates_, &bots_, options});
    server_ = std::make_unique<api_server>(*services_);
  }

  /// `form` as it is sent: "channel=C1&text=hi".
  heard call(std::string_view method, std::string_view token, std::string form = {}) {
    http_request request;
    request.method = "POST";
    request.path = "/api/" + std::string(method);
    request.headers.push_back({"Host", "chat.test"});
    request.headers.push_back({"Authorization", "Bearer " + std::string(token)});
    request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    request.body = std::move(form);
    http_response answer;
    int answers = 0;
    server_->handle(std::move(request), node_.jobs(), [&](http_response response) {
      answer = std::move(response);
      ++answers;
    });
    for (bool moved = true; moved;) {
      node_.settle();
      moved = commits_->pump() > 0;
      while (readers_->pump()) moved = true;
    }
    if (answers != 1)
      throw std::runtime_error(std::string(method) + " was answered " + std::to_string(answers) + " times");
    return heard(std::move(answer));
  }

  /// A workspace; its id.
  std::string found(const std::string& domain) {
    return call("admin.teams.create", admin, "team_domain=" + domain + "&team_name=" + domain).text("team");
  }
  person join(const std::string& team, const std::string& name) {
    const auto made =
        call("admin.users.invite", admin, "team_id=" + team + "&email=" + name + "@x.test&real_name=" + name);
    if (!made.ok()) throw std::runtime_error("invite: " + made.body());
    person joined{made.text("user_id"), {}};
    const auto issued = call("throng.tokens.issue", admin, "team_id=" + team + "&type=user&user_id=" + joined.id);
    if (!issued.ok()) throw std::runtime_error("issue: " + issued.body());
    joined.token = issued.text("token");
    return joined;
  }

  sim_node& node() { return node_; }
  api_services& services() { return *services_; }

  static api_options quiet() {
    api_options options;
    options.rates.enabled = false;
    return options;
  }

 private:
  /// As the gateway has it: the WORKSPACE knows.
  void look_up_bot(team_id team, bot_id bot, std::function<void(std::optional<bot_card>)> done) {
    FindBotRequest request;
    request.set_bot(bot.value);
    node_.door().ask_raw(
        key_of(team), share(std::move(request)), std::chrono::seconds(5), [done](result<message_ptr> answer) {
          const auto reply = answer ? std::dynamic_pointer_cast<const InstallAppReply>(*answer) : nullptr;
          if (!reply) return done(std::nullopt);
          const auto& app = reply->app();
          done(bot_card{bot_id{app.bot()}, app_id{app.app()}, user_id{app.bot_user()}, app.name(), app.updated()});
        });
  }

  sim_node node_;
  bot_cache bots_{[this](team_id team, bot_id bot, auto done) { look_up_bot(team, bot, std::move(done)); }};
  shared_rate_limiter rates_;
  std::unique_ptr<manual_reader_pool> readers_;
  std::unique_ptr<manual_commit_queue> commits_;
  std::unique_ptr<authenticator> tokens_;
  std::unique_ptr<api_services> services_;
  std::unique_ptr<api_server> server_;
};

}  // namespace throng::test
