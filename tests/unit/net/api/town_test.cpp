// SPDX-License-Identifier: Apache-2.0
// The API in front of real entities and a real store: what a client does and hears.
#include "tests/unit/net/api/town.hpp"

#include <doctest/doctest.h>

namespace throng::test {

namespace {

struct town : api_town {
  std::string team = found("acme");
  person ann = join(team, "ann");
  person bob = join(team, "bob");
  std::string other_team = found("globex");
  person zoe = join(other_team, "zoe");

  std::string make_channel(const std::string& name, bool is_private = false) {
    const auto made = call("conversations.create", ann.token, "name=" + name + (is_private ? "&is_private=true" : ""));
    CHECK(made.code() == "ok");
    return made.text("channel.id");
  }
  std::string post(const person& who, const std::string& channel, const std::string& text,
                   const std::string& more = {}) {
    const auto posted = call("chat.postMessage", who.token, "channel=" + channel + "&text=" + text + more);
    CHECK(posted.code() == "ok");
    return posted.text("ts");
  }
};

}  // namespace

TEST_CASE("api: a person signs in, makes a channel, posts, and another one reads it") {
  town t;
  const auto self = t.call("auth.test", t.ann.token);
  CHECK(self.text("user_id") == t.ann.id);
  CHECK(self.text("team_id") == t.team);
  CHECK(self.text("user") == "ann");
  CHECK(self.text("url") == "http://chat.test/");

  const auto channel = t.make_channel("plans");
  CHECK(t.call("conversations.invite", t.ann.token, "channel=" + channel + "&users=" + t.bob.id).code() == "ok");
  const auto ts = t.post(t.ann, channel, "a+%26+b+%3Cc%3E");
  const auto history = t.call("conversations.history", t.bob.token, "channel=" + channel + "&limit=1");
  CHECK(history.each("messages", "text") == std::vector<std::string>{"a &amp; b &lt;c&gt;"});
  CHECK(history.each("messages", "ts") == std::vector<std::string>{ts});
  CHECK(history.text("has_more") == "true");
  CHECK_FALSE(history.text("response_metadata.next_cursor").empty());
}

TEST_CASE("api: history pages both ways are the whole history, each post once") {
  town t;
  const auto channel = t.make_channel("pages");
  std::vector<std::string> posted;
  for (int i = 0; i < 25; ++i) posted.push_back(t.post(t.ann, channel, "n" + std::to_string(i)));
  for (const bool is_forward : {false, true})
    for (const bool inclusive : {false, true}) {
      CAPTURE(is_forward);
      CAPTURE(inclusive);
      std::vector<std::string> all;
      std::string cursor;
      do {
        auto page = t.call("conversations.history", t.ann.token,
                           "channel=" + channel + "&limit=7&cursor=" + cursor + (inclusive ? "&inclusive=1" : "") +
                               (is_forward ? "&oldest=" + posted.front() : std::string()));
        REQUIRE(page.code() == "ok");
        auto some = page.each("messages", "ts");
        if (is_forward) std::reverse(some.begin(), some.end());
        all.insert(all.end(), some.begin(), some.end());
        cursor = page.text("response_metadata.next_cursor");
      } while (!cursor.empty());
      if (!is_forward) std::reverse(all.begin(), all.end());
      auto expected = posted;
      if (is_forward && !inclusive) expected.erase(expected.begin());
      if (!is_forward && all.size() > expected.size()) all.erase(all.begin());  // the channel_join of its creator
      CHECK(all == expected);
    }
}

TEST_CASE("api: a thread's pages are its root and its replies, each once") {
  town t;
  const auto channel = t.make_channel("threads");
  std::vector<std::string> expected{t.post(t.ann, channel, "root")};
  for (int i = 0; i < 10; ++i)
    expected.push_back(t.post(t.ann, channel, "r" + std::to_string(i), "&thread_ts=" + expected.front()));
  std::vector<std::string> all;
  std::string cursor;
  do {
    auto page = t.call("conversations.replies", t.ann.token,
                       "channel=" + channel + "&ts=" + expected.front() + "&limit=4&cursor=" + cursor);
    REQUIRE(page.code() == "ok");
    for (auto& ts : page.each("messages", "ts")) all.push_back(ts);
    cursor = page.text("response_metadata.next_cursor");
  } while (!cursor.empty());
  CHECK(all == expected);
}

TEST_CASE("api: a workspace sees nothing of another, and a private channel is its members'") {
  town t;
  const auto open = t.make_channel("open");
  const auto secret = t.make_channel("secret", true);
  const auto ts = t.post(t.ann, secret, "hidden");
  const std::pair<std::string, std::string> calls[] = {
      {"conversations.info", {}},
      {"conversations.history", {}},
      {"conversations.members", {}},
      {"conversations.join", {}},
      {"conversations.leave", {}},
      {"conversations.setTopic", "&topic=x"},
      {"conversations.rename", "&name=x"},
      {"conversations.archive", {}},
      {"conversations.mark", "&ts=" + ts},
      {"conversations.replies", "&ts=" + ts},
      {"chat.postMessage", "&text=x"},
      {"chat.meMessage", "&text=x"},
      {"chat.update", "&text=x&ts=" + ts},
      {"chat.delete", "&ts=" + ts},
      {"chat.getPermalink", "&message_ts=" + ts},
      {"chat.postEphemeral", "&text=x&user=" + t.bob.id},
      {"reactions.add", "&name=eyes&timestamp=" + ts},
      {"reactions.get", "&timestamp=" + ts},
      {"pins.add", "&timestamp=" + ts},
      {"pins.list", {}},
      {"channels.mark", "&ts=" + ts},
      {"groups.history", {}},
  };
  for (const auto& [method, more] : calls) {
    CAPTURE(method);
    CHECK(t.call(method, t.zoe.token, "channel=" + open + more).code() == "channel_not_found");
    CHECK(t.call(method, t.zoe.token, "channel=" + secret + more).code() == "channel_not_found");
    CHECK(t.call(method, t.bob.token, "channel=" + secret + more).code() == "channel_not_found");
  }
  for (const auto& method :
       {"users.info", "users.profile.get", "users.getPresence", "dnd.info", "users.conversations"}) {
    CAPTURE(method);
    CHECK(t.call(method, t.zoe.token, "user=" + t.ann.id).code() == "user_not_found");
  }
  CHECK(t.call("conversations.open", t.zoe.token, "users=" + t.ann.id).code() == "user_not_found");
  CHECK(t.call("conversations.invite", t.ann.token, "channel=" + open + "&users=" + t.zoe.id).code() ==
        "user_not_found");
  CHECK(t.call("chat.postMessage", t.zoe.token, "text=x&channel=" + t.ann.id).code() == "channel_not_found");
  CHECK(t.call("team.info", t.zoe.token, "team=" + t.team).code() == "team_not_found");
  CHECK(t.call("users.list", t.zoe.token, "team_id=" + t.team).code() == "team_access_not_granted");
  for (const auto& types : {"public_channel,private_channel,im,mpim", "private_channel"}) {
    const auto names =
        t.call("conversations.list", t.bob.token, std::string("types=") + types).each("channels", "name");
    CHECK(std::find(names.begin(), names.end(), "secret") == names.end());
  }
}

TEST_CASE("api: direct messages, also with USLACKBOT, and posts by name and person") {
  town t;
  const auto opened = t.call("conversations.open", t.ann.token, "users=" + t.bob.id + "&return_im=true");
  CHECK(opened.code() == "ok");
  CHECK(opened.text("channel.user") == t.bob.id);
  CHECK(opened.text("already_open") == "false");
  const auto direct = opened.text("channel.id");
  CHECK(t.call("conversations.open", t.bob.token, "users=" + t.ann.id).text("channel.id") == direct);
  CHECK(t.call("conversations.open", t.ann.token, "users=" + t.bob.id).text("already_open") == "true");
  CHECK(t.call("chat.postMessage", t.bob.token, "text=hi&channel=" + t.ann.id).text("channel") == direct);
  CHECK(t.call("chat.postMessage", t.bob.token, "text=hi&channel=%40ann").text("channel") == direct);
  const auto named = t.make_channel("named");
  CHECK(t.call("chat.postMessage", t.ann.token, "text=hi&channel=%23named").text("channel") == named);
  CHECK(t.call("chat.postMessage", t.ann.token, "text=hi&channel=named").text("channel") == named);
  CHECK(t.call("chat.postMessage", t.ann.token, "text=hi&channel=nowhere").code() == "channel_not_found");

  const auto people = t.call("users.list", t.ann.token).each("members", "id");
  CHECK(people.front() == "USLACKBOT");
  CHECK(people.size() == 3);
  CHECK(t.call("users.info", t.ann.token, "user=USLACKBOT").text("user.name") == "slackbot");
  auto ims = t.call("im.list", t.ann.token).each("ims", "user");
  CHECK(std::find(ims.begin(), ims.end(), "USLACKBOT") != ims.end());
  const auto bot_direct = t.call("conversations.open", t.ann.token, "users=USLACKBOT");
  CHECK(bot_direct.code() == "ok");
  CHECK(t.call("chat.postMessage", t.ann.token, "text=hi&channel=" + bot_direct.text("channel.id")).code() == "ok");
  const auto group = t.call("conversations.open", t.ann.token, "users=" + t.bob.id + ",USLACKBOT");
  CHECK(group.code() == "ok");
  CHECK(group.text("channel.id").starts_with("G"));
}

TEST_CASE("api: conversations.list in pages of one is the list, each once") {
  town t;
  t.make_channel("one");
  t.make_channel("two", true);
  t.call("conversations.open", t.ann.token, "users=" + t.bob.id);
  const std::string types = "types=public_channel,private_channel,im,mpim";
  auto whole = t.call("conversations.list", t.ann.token, types + "&limit=100").each("channels", "id");
  CHECK(whole.size() == 5);  // general, one, two, bob, USLACKBOT
  for (const auto& method : {"conversations.list", "users.conversations"}) {
    CAPTURE(method);
    std::vector<std::string> all;
    std::string cursor;
    do {
      auto page = t.call(method, t.ann.token, types + "&limit=1&cursor=" + cursor);
      REQUIRE(page.code() == "ok");
      for (auto& id : page.each("channels", "id")) all.push_back(id);
      cursor = page.text("response_metadata.next_cursor");
      REQUIRE(all.size() <= 10);
    } while (!cursor.empty());
    CHECK(all == whole);
  }
}

TEST_CASE("api: users.list in pages of any size is everybody, USLACKBOT first, each once") {
  town t;
  t.join(t.team, "carol");
  const auto whole = t.call("users.list", t.ann.token).each("members", "id");
  CHECK(whole.size() == 4);
  for (std::size_t size : {1, 2, 3, 4, 5}) {
    CAPTURE(size);
    std::vector<std::string> all;
    std::string cursor;
    do {
      auto page = t.call("users.list", t.ann.token, "limit=" + std::to_string(size) + "&cursor=" + cursor);
      const auto some = page.each("members", "id");
      CHECK(some.size() <= size);
      all.insert(all.end(), some.begin(), some.end());
      cursor = page.text("response_metadata.next_cursor");
      REQUIRE(all.size() <= 10);
    } while (!cursor.empty());
    CHECK(all == whole);
  }
}

TEST_CASE("api: topics are escaped, and direct messages have no names") {
  town t;
  const auto channel = t.make_channel("topical");
  CHECK(t.call("conversations.setTopic", t.ann.token, "channel=" + channel + "&topic=a+%3C+b").text("topic") ==
        "a &lt; b");
  const auto direct = t.call("conversations.open", t.ann.token, "users=" + t.bob.id).text("channel.id");
  CHECK(t.call("conversations.rename", t.ann.token, "name=x&channel=" + direct).code() ==
        "method_not_supported_for_channel_type");
  CHECK(t.call("conversations.rename", t.zoe.token, "name=x&channel=" + direct).code() == "channel_not_found");
}

TEST_CASE("api: edits, reactions and pins, and what each refuses") {
  town t;
  const auto channel = t.make_channel("work");
  t.call("conversations.join", t.bob.token, "channel=" + channel);
  const auto ts = t.post(t.ann, channel, "first", "&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D");
  const auto at = "channel=" + channel + "&timestamp=" + ts;
  const auto message = "channel=" + channel + "&ts=" + ts;
  CHECK(t.call("chat.update", t.bob.token, message + "&text=x").code() == "cant_update_message");
  const auto updated = t.call("chat.update", t.ann.token, message + "&text=second");
  CHECK(updated.text("text") == "second");
  CHECK(updated.text("message.blocks") == R"([{"type":"divider"}])");
  CHECK(t.call("reactions.add", t.bob.token, at + "&name=eyes").code() == "ok");
  CHECK(t.call("reactions.add", t.bob.token, at + "&name=:eyes:").code() == "already_reacted");
  CHECK(t.call("reactions.get", t.ann.token, at).each("message.reactions", "name") == std::vector<std::string>{"eyes"});
  const auto reacted = t.call("reactions.list", t.bob.token);
  CHECK(reacted.each("items", "channel") == std::vector<std::string>{channel});
  CHECK(t.call("reactions.remove", t.bob.token, at + "&name=eyes").code() == "ok");
  CHECK(t.call("reactions.remove", t.bob.token, at + "&name=eyes").code() == "no_reaction");
  CHECK(t.call("pins.add", t.bob.token, at).code() == "ok");
  CHECK(t.call("pins.add", t.bob.token, at).code() == "already_pinned");
  CHECK(t.call("pins.list", t.ann.token, "channel=" + channel).each("items", "created_by") ==
        std::vector<std::string>{t.bob.id});
  CHECK(t.call("pins.remove", t.bob.token, at).code() == "ok");
  CHECK(t.call("chat.delete", t.bob.token, message).code() == "cant_delete_message");
  CHECK(t.call("chat.delete", t.ann.token, message).code() == "ok");
  CHECK(t.call("chat.delete", t.ann.token, message).code() == "message_not_found");
}

TEST_CASE("api: tokens end with auth.revoke, with their time, and with the person") {
  town t;
  const auto second = t.call("throng.tokens.issue", api_town::admin,
                             "team_id=" + t.team + "&type=user&user_id=" + t.ann.id + "&expires_in=5&scopes=users:read")
                          .text("token");
  CHECK(t.call("users.info", second, "user=" + t.ann.id).code() == "ok");
  CHECK(t.call("team.info", second).code() == "missing_scope");
  t.node().advance(std::chrono::seconds(6));
  CHECK(t.call("users.info", second, "user=" + t.ann.id).code() == "token_expired");

  CHECK(t.call("auth.revoke", t.ann.token, "test=1").text("revoked") == "false");
  CHECK(t.call("auth.revoke", t.ann.token).text("revoked") == "true");
  CHECK(t.call("auth.test", t.ann.token).code() == "token_revoked");

  CHECK(t.call("auth.test", t.bob.token).code() == "ok");
  CHECK(t.call("admin.users.remove", api_town::admin, "team_id=" + t.team + "&user_id=" + t.bob.id).code() == "ok");
  CHECK(t.call("auth.test", t.bob.token).code() == "account_inactive");
  CHECK(t.call("admin.users.remove", api_town::admin, "team_id=" + t.team + "&user_id=" + t.zoe.id).code() ==
        "user_not_found");
}

TEST_CASE("api: an app is made, installed, and its bot posts as itself") {
  town t;
  const auto app =
      t.call("apps.manifest.create", api_town::admin,
             "manifest=%7B%22display_information%22%3A%7B%22name%22%3A%22helper%22%7D%2C%22oauth_config%22%3A%7B"
             "%22scopes%22%3A%7B%22bot%22%3A%5B%22users%3Aread%22%2C%22channels%3Ajoin%22%2C%22chat%3A"
             "write%22%2C%22chat%3Awrite.customize%22%5D%7D%7D%7D");
  REQUIRE(app.code() == "ok");
  const auto installed =
      t.call("throng.apps.install", api_town::admin, "app_id=" + app.text("app_id") + "&team_id=" + t.team);
  REQUIRE(installed.code() == "ok");
  const auto token = installed.text("bot_token");
  const auto self = t.call("auth.test", token);
  CHECK(self.text("bot_id") == installed.text("bot_id"));
  CHECK(self.text("user_id") == installed.text("bot_user_id"));
  CHECK(t.call("bots.info", token).text("bot.name") == "helper");
  const auto channel = t.make_channel("bots");
  CHECK(t.call("chat.postMessage", token, "channel=" + channel + "&text=x").code() == "not_in_channel");
  CHECK(t.call("conversations.join", token, "channel=" + channel).code() == "ok");
  const auto posted = t.call("chat.postMessage", token, "channel=" + channel + "&text=x");
  CHECK(posted.text("message.bot_id") == installed.text("bot_id"));
  CHECK(posted.text("message.bot_profile.name") == "helper");  // from the very first post
  CHECK(t.call("chat.postMessage", token, "channel=" + channel + "&text=x&username=Clerk").text("message.subtype") ==
        "bot_message");
}

TEST_CASE("api: rtm.connect and rtm.start open a session; a wrong one to resume is said to be new") {
  town t;
  const auto first = t.call("rtm.connect", t.ann.token);
  REQUIRE(first.code() == "ok");
  CHECK(first.text("url").starts_with("ws://chat.test/rtm/" + first.text("session") + "."));
  CHECK(first.text("self.name") == "ann");
  CHECK(first.text("team.domain") == "acme");
  CHECK(first.at("resumed").is_missing());
  const auto stolen = t.call("rtm.connect", t.bob.token, "session=" + first.text("session"));
  CHECK(stolen.text("resumed") == "false");
  CHECK(stolen.text("session") != first.text("session"));
  CHECK(t.call("rtm.connect", t.ann.token, "session=S1&cursors=%7B%22x%22%3A1%7D").code() == "invalid_arguments");
  CHECK(t.call("rtm.connect", t.ann.token, "session=nonsense").text("resumed") == "false");

  const auto boot = t.call("rtm.start", t.ann.token);
  REQUIRE(boot.code() == "ok");
  CHECK(boot.each("channels", "name") == std::vector<std::string>{"general"});
  CHECK(boot.each("users", "name").size() == 3);
  CHECK(boot.each("ims", "user") == std::vector<std::string>{"USLACKBOT"});
}

TEST_CASE("api: profile, presence, snooze and preferences") {
  town t;
  const auto changed = t.call("users.profile.set", t.ann.token, "profile=%7B%22title%22%3A%22Cook%22%7D");
  CHECK(changed.text("profile.title") == "Cook");
  CHECK(t.call("users.profile.get", t.bob.token, "user=" + t.ann.id).text("profile.title") == "Cook");
  CHECK(t.call("users.profile.set", t.bob.token, "user=" + t.ann.id + "&name=title&value=x").code() == "not_an_admin");
  CHECK(t.call("users.profile.set", t.ann.token, "profile=%7B%22title%22%3A1%7D").code() == "invalid_profile");
  CHECK(t.call("users.getPresence", t.bob.token, "user=" + t.ann.id).text("presence") == "away");
  CHECK(t.call("users.setPresence", t.ann.token, "presence=away").code() == "ok");
  CHECK(t.call("users.setPresence", t.ann.token, "presence=nap").code() == "invalid_presence");
  CHECK(t.call("dnd.setSnooze", t.ann.token, "num_minutes=10").text("snooze_remaining") == "600");
  CHECK(t.call("dnd.endSnooze", t.ann.token).code() == "ok");
  CHECK(t.call("dnd.endSnooze", t.ann.token).code() == "snooze_not_active");
  CHECK(t.call("dnd.teamInfo", t.ann.token, "users=" + t.ann.id + "," + t.bob.id).code() == "ok");
  std::string named = t.ann.id;
  for (int i = 1; i < 50; ++i) named += "," + t.bob.id;
  CHECK(t.call("dnd.teamInfo", t.ann.token, "users=" + named).code() == "ok");
  CHECK(t.call("dnd.teamInfo", t.ann.token, "users=" + named + "," + t.bob.id).code() == "too_many_users");
  CHECK(t.call("users.prefs.set", t.ann.token, "name=muted_channels&value=C1").code() == "ok");
  CHECK(t.call("users.prefs.get", t.ann.token).text("prefs.muted_channels") == "C1");
}

}  // namespace throng::test
