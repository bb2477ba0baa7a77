// SPDX-License-Identifier: Apache-2.0
// What a token may not do: scopes against the kind and privacy of a conversation, e-mail, guests, made-up tokens.
#include <array>

#include <doctest/doctest.h>

#include "net/api/cursor.hpp"
#include "tests/unit/net/api/fake_services.hpp"
#include "tests/unit/net/api/town.hpp"

using namespace throng;
using namespace throng::testing;

namespace {

api_options unlimited() {
  api_options options;
  options.rates.enabled = false;
  return options;
}

const argument_spec* channel_argument(const api_method& method) {
  for (const auto& spec : method.arguments)
    if (spec.name == "channel" && spec.kind == argument_kind::channel) return &spec;
  return nullptr;
}

std::string form_about(channel_id id) {
  return "channel=" + to_text(id) + "&user=" + to_text(user_id{77}) + "&users=" + to_text(user_id{77}) +
         "&ts=1700000000.000100&timestamp=1700000000.000100&name=eyes&topic=x&purpose=x&text=x";
}

constexpr std::array kinds{channel_kind::channel, channel_kind::im, channel_kind::mpim};

/// A channel that everybody sees.
void show_channel(fake_api& api, bool is_private) {
  api.entities.on<ChannelInfoRequest>([is_private](entity_key to, const ChannelInfoRequest&) {
    ChannelReply reply;
    reply.mutable_channel()->set_id(to.id);
    reply.mutable_channel()->set_is_private(is_private);
    return reply;
  });
}

}  // namespace

TEST_CASE("access: a token without a method's scopes is refused, whatever kind of conversation it names") {
  fake_api api(unlimited());
  const auto person = api.token(caller_kind::user, "identify");
  const auto bot = api.token(caller_kind::bot, "identify");
  int tried = 0;
  for (const auto* method : all_methods()) {
    if (method->scopes.empty() || method->callers == 0 || !channel_argument(*method)) continue;
    for (const auto kind : kinds) {
      CAPTURE(method->name);
      CAPTURE(static_cast<int>(kind));
      const auto& token = includes(method->callers, caller_kind::user) ? person : bot;
      const auto seen = api.post(method->name, token, form_about(make_channel_id(4096, kind)));
      CHECK(seen.error() == "missing_scope");
      CHECK_FALSE(seen.header("x-accepted-oauth-scopes").empty());
      ++tried;
    }
  }
  CHECK(tried > 90);
  CHECK(api.entities.asked.empty());
}

TEST_CASE("access: old methods know no conversation of another kind than their own") {
  fake_api api(unlimited());
  const auto token = api.token(caller_kind::user);
  int tried = 0;
  for (const auto& method : legacy_methods()) {
    if (!channel_argument(method)) continue;
    const auto own = method.name.starts_with("im.")     ? channel_kind::im
                     : method.name.starts_with("mpim.") ? channel_kind::mpim
                                                        : channel_kind::channel;
    for (const auto kind : kinds) {
      if (kind == own) continue;
      CAPTURE(method.name);
      CHECK(api.post(method.name, token, form_about(make_channel_id(4096, kind))).error() == "channel_not_found");
      ++tried;
    }
  }
  CHECK(tried >= 30);
  CHECK(api.post("channels.join", token, "name=" + to_text(make_channel_id(4096, channel_kind::im))).error() != "ok");
  CHECK(api.entities.all_asked<JoinRequest>().empty());
}

TEST_CASE("access: a private channel is changed with groups:write, a public one with channels:write") {
  for (const bool is_private : {true, false}) {
    fake_api api(unlimited());
    show_channel(api, is_private);
    const auto wrong = api.token(caller_kind::user, is_private ? "channels:write,channels:manage" : "groups:write");
    const auto id = make_channel_id(4096, channel_kind::channel);
    for (std::string_view name :
         {"invite", "kick", "archive", "unarchive", "rename", "setTopic", "setPurpose", "leave", "mark"}) {
      CAPTURE(name);
      api.entities.asked.clear();
      const auto seen = api.post("conversations." + std::string(name), wrong, form_about(id));
      CHECK(seen.error() == "missing_scope");
      const std::string_view needed =
          is_private ? R"("needed":"groups:write")" : R"("needed":"channels:manage,channels:write")";
      CHECK(seen.body().find(needed) != std::string::npos);
      CHECK(api.entities.asked.size() == api.entities.all_asked<ChannelInfoRequest>().size());
    }
    api.entities.asked.clear();
    const auto create = std::string("name=x&is_private=") + (is_private ? "true" : "false");
    CHECK(api.post("conversations.create", wrong, create).error() == "missing_scope");
    CHECK(api.entities.asked.empty());
  }
}

TEST_CASE("access: channels.join makes no channel without a scope to write") {
  fake_api api(unlimited());
  api.entities.on<FindChannelsRequest>([](entity_key, const FindChannelsRequest&) { return ChannelsReply(); });
  CHECK(api.post("channels.join", api.token(caller_kind::bot, "channels:join"), "name=new").error() == "missing_scope");
  CHECK(api.entities.all_asked<NewChannelRequest>().empty());
  (void)api.post("channels.join", api.token(caller_kind::bot, "channels:join,channels:manage"), "name=new");
  CHECK(api.entities.all_asked<NewChannelRequest>().size() == 1);
}

TEST_CASE("access: a channel that was made is answered though what surrounds it can't be looked up") {
  fake_api api(unlimited());
  const auto id = make_channel_id(4096, channel_kind::channel);
  api.entities.on<NewChannelRequest>([id](entity_key, const NewChannelRequest& request) {
    ChannelReply reply;
    reply.mutable_channel()->set_id(id.value);
    reply.mutable_channel()->set_name(request.name());
    reply.set_is_member(true);
    return reply;
  });
  const auto seen = api.post("conversations.create", api.token(caller_kind::user), "name=made");
  CHECK(api.entities.all_asked<UserChannelsRequest>().size() == 1);  // and not answered
  CHECK(seen.is_ok());
  CHECK(seen.body().find(to_text(id)) != std::string::npos);
}

TEST_CASE("access: a cursor that nobody has given is no reason to count beyond the end of time") {
  fake_api api(unlimited());
  const auto token = api.token(caller_kind::user);
  const auto about = form_about(make_channel_id(4096, channel_kind::channel));
  constexpr std::uint64_t most = 0x7fff'ffff'ffff'ffffULL;
  for (const auto position : {std::uint64_t{0}, most, most + 1, ~std::uint64_t{0}})
    for (const std::string inclusive : {"true", "false"}) {
      CAPTURE(position);
      const auto rest = about + "&inclusive=" + inclusive + "&cursor=";
      const auto older = rest + make_cursor("next_ts", position), newer = rest + make_cursor("after_ts", position);
      CHECK(api.post("conversations.history", token, older).error() == "invalid_cursor");
      CHECK(api.post("conversations.history", token, newer + "&oldest=1").error() == "invalid_cursor");
      CHECK(api.post("conversations.replies", token, newer).error() == "invalid_cursor");
    }
  CHECK(api.entities.asked.empty());
  (void)api.post("conversations.history", token, about + "&cursor=" + make_cursor("next_ts", most - 1));
  CHECK(api.entities.all_asked<HistoryRequest>().size() == 1);
}

TEST_CASE("access: a client resumes with as many cursors as are allowed, in a form and in JSON") {
  fake_api api(unlimited());
  const auto token = api.token(caller_kind::user);
  api.entities.on<WorkspaceInfoRequest>([](entity_key, const WorkspaceInfoRequest&) { return WorkspaceReply(); });
  api.entities.on<FindUsersRequest>([](entity_key, const FindUsersRequest& request) {
    UsersReply reply;
    reply.add_users()->set_id(request.ids(0));
    return reply;
  });
  constexpr int count = 15'000;
  std::string cursors = "{";
  for (int i = 0; i < count; ++i)
    cursors += (i ? ",\"" : "\"") +
               to_text(make_channel_id(4096 + 8 * static_cast<std::uint64_t>(i), channel_kind::channel)) + "\":[3," +
               std::to_string(i) + "]";
  cursors += "}";
  for (const bool is_json : {false, true}) {
    api.entities.asked.clear();
    if (is_json)
      (void)api.post("rtm.connect", token, R"({"session":"S1","cursors":)" + cursors + "}", "application/json");
    else
      (void)api.post("rtm.connect", token, "session=S1&cursors=" + cursors);
    const auto opened = api.entities.all_asked<OpenSessionRequest>();
    REQUIRE_FALSE(opened.empty());
    CHECK(opened.front().cursors_size() == count);
  }
  CHECK(api.post("auth.test", token, R"({"x":)" + cursors + "}", "application/json").error() == "request_too_large");
}

TEST_CASE("access: an error that api.test was asked for is not counted as ours") {
  fake_api api(unlimited());
  CHECK(api.post("api.test", {}, "error=mine").error() == "mine");
  for (const auto& [name, counted] : api.server.figures()) {
    if (name != "api.test") continue;
    CHECK(counted->errors == 1);
    CHECK(counted->failures == 0);
  }
}

namespace throng::test {

TEST_CASE("access: made-up tokens wait for the store in small number, and known ones pass beside them") {
  struct held_readers final : reader_pool {
    void read(ksid_t, job work) override { jobs.push_back(std::move(work)); }
    std::size_t waiting() const override { return jobs.size(); }
    void stop() override {}
    std::deque<job> jobs;
  } readers;
  authenticator tokens(readers, {}, 100, std::chrono::hours(1), 2);
  auto where = std::make_shared<queue_executor>();
  std::vector<errc> heard;
  const auto ask = [&](std::string token) {
    spawn([](authenticator& from, executor_ptr runs, std::string asked, std::vector<errc>& codes) -> task<> {
      auto found = co_await from.authenticate(runs, std::move(asked), steady_time{}, wall_time{});
      codes.push_back(found ? errc::not_found : found.code());
    }(tokens, where, std::move(token), heard));
  };
  auto known = make_token(token_type::user);
  auto caller = std::make_shared<caller_info>();
  caller->hash = hash_token(known);
  tokens.cache().put(caller, steady_time{}, tokens.cache().generation());

  for (int i = 0; i < 3; ++i) ask(make_token(token_type::user));
  CHECK(readers.jobs.size() == 2);
  CHECK(heard == std::vector<errc>{errc::service_unavailable});
  ask(known);
  CHECK(heard.back() == errc::not_found);  // found, that is
  readers.jobs.front()(nullptr, errc::invalid_auth);
  readers.jobs.pop_front();
  where->run();
  CHECK(heard.back() == errc::invalid_auth);
  ask(make_token(token_type::user));
  CHECK(readers.jobs.size() == 2);
  while (!readers.jobs.empty()) {
    readers.jobs.front()(nullptr, errc::invalid_auth);
    readers.jobs.pop_front();
  }
  where->run();
  CHECK(heard.size() == 5);
}

namespace {

std::string issue(api_town& town, const std::string& team, const std::string& user, const std::string& scopes) {
  const auto issued = town.call("throng.tokens.issue", api_town::admin,
                                "team_id=" + team + "&type=user&user_id=" + user + "&scopes=" + scopes);
  CHECK(issued.code() == "ok");
  return issued.text("token");
}

}  // namespace

TEST_CASE("access: a token gets exactly the scopes that are named, also none") {
  api_town town;
  const auto team = town.found("acme");
  const auto ann = town.join(team, "ann");
  CHECK(town.call("conversations.list", ann.token).code() == "ok");  // none named: all
  for (const std::string none : {"", "%5B%5D"}) {
    const auto token = issue(town, team, ann.id, none);
    CHECK(town.call("auth.test", token).code() == "ok");
    CHECK(town.call("conversations.list", token).code() == "missing_scope");
  }

  const auto install = [&](const std::string& more) {
    const auto app =
        town.call("apps.manifest.create", api_town::admin,
                  "manifest=%7B%22display_information%22%3A%7B%22name%22%3A%22helper%22%7D" + more + "%7D");
    REQUIRE(app.code() == "ok");
    const auto installed =
        town.call("throng.apps.install", api_town::admin, "app_id=" + app.text("app_id") + "&team_id=" + team);
    REQUIRE(installed.code() == "ok");
    return installed.text("bot_token");
  };
  const auto bare = install("");
  CHECK(town.call("auth.test", bare).code() == "ok");
  CHECK(town.call("conversations.list", bare).code() == "missing_scope");
  const auto reader =
      install("%2C%22oauth_config%22%3A%7B%22scopes%22%3A%7B%22bot%22%3A%5B%22channels%3Aread%22%5D%7D%7D");
  CHECK(town.call("conversations.list", reader).code() == "ok");
  CHECK(town.call("users.list", reader).code() == "missing_scope");
}

TEST_CASE("access: nobody is invited as a guest, for nothing would keep a guest out") {
  api_town town;
  const auto team = town.found("acme");
  for (const std::string kind : {"is_restricted", "is_ultra_restricted"}) {
    const auto guest = "team_id=" + team + "&email=g@x.test&real_name=G&" + kind;
    const auto refused = town.call("admin.users.invite", api_town::admin, guest + "=true");
    CHECK(refused.code() == "invalid_arguments");
    CHECK(refused.body().find("guests are not built yet [json-pointer:/" + kind + "]") != std::string::npos);
  }
  CHECK(town.call("admin.users.invite", api_town::admin,
                  "team_id=" + team + "&email=g@x.test&real_name=G&is_restricted=false")
            .code() == "ok");
}

TEST_CASE("access: an e-mail address is shown to a token with users:read.email only") {
  api_town town;
  const auto team = town.found("acme");
  const auto ann = town.join(team, "ann");
  const auto bob = town.join(team, "bob");
  const auto about = "user=" + bob.id;
  CHECK(town.call("users.profile.get", ann.token, about).text("profile.email") == "bob@x.test");
  const auto blind = issue(town, team, ann.id, "users:read,users.profile:read,users.profile:write,rtm:stream");
  for (const auto& seen : {town.call("users.profile.get", blind, about), town.call("users.info", blind, about),
                           town.call("users.list", blind), town.call("rtm.start", blind),
                           town.call("users.profile.set", blind, "name=title&value=Cook")}) {
    CHECK(seen.code() == "ok");
    CHECK(seen.body().find("@x.test") == std::string::npos);
  }
}

TEST_CASE("access: who is gone isn't invited, and those beside her are if one insists") {
  api_town town;
  const auto team = town.found("acme");
  const auto ann = town.join(team, "ann");
  const auto bob = town.join(team, "bob");
  const auto cleo = town.join(team, "cleo");
  const auto channel = town.call("conversations.create", ann.token, "name=plans").text("channel.id");
  REQUIRE(town.call("admin.users.remove", api_town::admin, "team_id=" + team + "&user_id=" + bob.id).code() == "ok");
  const auto to = "channel=" + channel + "&users=" + bob.id;
  CHECK(town.call("conversations.invite", ann.token, to).code() == "cant_invite");
  const auto some = town.call("conversations.invite", ann.token, to + "," + cleo.id + "&force=true");
  CHECK(some.code() == "ok");
  CHECK(some.each("errors", "user") == std::vector<std::string>{bob.id});
  CHECK(some.each("errors", "error") == std::vector<std::string>{"cant_invite"});
  const auto members = town.call("conversations.members", ann.token, "channel=" + channel).text("members");
  CHECK(members.find(cleo.id) != std::string::npos);
  CHECK(members.find(bob.id) == std::string::npos);
}

TEST_CASE("access: what another person reacted to where one can't look isn't counted") {
  api_town town;
  const auto team = town.found("acme");
  const auto ann = town.join(team, "ann");
  const auto bob = town.join(team, "bob");
  for (const std::string more : {"name=open", "name=closed&is_private=true"}) {
    const auto channel = town.call("conversations.create", ann.token, more).text("channel.id");
    const auto posted = town.call("chat.postMessage", ann.token, "channel=" + channel + "&text=x");
    const auto at = "channel=" + channel + "&timestamp=" + posted.text("ts") + "&name=eyes";
    REQUIRE(town.call("reactions.add", ann.token, at).code() == "ok");
  }
  CHECK(town.call("reactions.list", ann.token).text("paging.total") == "2");
  const auto seen = town.call("reactions.list", bob.token, "user=" + ann.id + "&limit=1");
  CHECK(seen.at("items").size() == 1);
  CHECK(seen.text("paging.total") == "1");
  CHECK(seen.text("paging.pages") == "1");
  CHECK(seen.text("response_metadata.next_cursor").empty());
}

}  // namespace throng::test
