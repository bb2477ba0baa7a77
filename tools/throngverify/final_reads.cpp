// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/final_reads.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "storage/json/json.hpp"

namespace throng::verify {

namespace {

using namespace std::chrono_literals;

constexpr auto read_patience = 20s;
constexpr json_limits page_limits{.bytes_max = http_client::answer_bytes_max, .values_max = 1'000'000};

/// One page of what has cursors, at that node and no other; tried again while it doesn't answer.
task<api_answer> read_page(scene& of, std::size_t node, std::string method, std::string token, form_fields fields,
                           event_loop::time latest) {
  const auto deadline = std::min(latest, event_loop::clock::now() + read_patience);
  while (true) {
    if (event_loop::clock::now() > latest) co_return api_answer{api_answer::outcome::none, "no time is left", {}};
    api_line line(of.loop, of.nodes[node].client);
    auto answer = co_await line.call(method, token, fields);
    const bool is_open = answer.how == api_answer::outcome::none || is_outcome_unknown(answer.error);
    if (answer.is_ok() || !is_open || event_loop::clock::now() > deadline) co_return answer;
    co_await of.loop.sleep_for(200ms);
  }
}

/// Calls each(json_value root) for each page. Errors: what a call was answered with.
template <class Function>
task<result<>> read_pages(scene& of, std::size_t node, std::string method, std::string token, form_fields fields,
                          event_loop::time latest, Function each) {
  std::string cursor;
  while (true) {
    auto asked = fields;
    if (!cursor.empty()) asked.emplace_back("cursor", cursor);
    const auto answer = co_await read_page(of, node, method, token, std::move(asked), latest);
    const bool is_elsewhere = answer.error == "channel_not_found";
    if (!answer.is_ok())
      co_return error{is_elsewhere ? errc::not_found : errc::service_unavailable, method + ": " + answer.error};
    const auto document = parse_json(answer.body, page_limits);
    each(document->root());
    cursor = document->root().find("response_metadata").find("next_cursor").as_string().value_or("");
    if (cursor.empty()) co_return done;
  }
}

const scene_person* find_person(const scene& of, const std::string& id) {
  const auto found = std::ranges::find_if(of.people, [&](const auto& each) { return to_text(each.id) == id; });
  return found == of.people.end() ? nullptr : &*found;
}

task<result<>> read_history(scene& of, const scene_person& reader, std::size_t channel, std::size_t node,
                            event_loop::time latest) {
  const auto id = of.channels[channel].id;
  const auto read = of.record.read_begun(reader.client, id, of.nodes[node].name);
  form_fields fields{{"channel", to_text(id)}, {"limit", "999"}};
  auto outcome = co_await read_pages(
      of, node, "conversations.history", reader.token, std::move(fields), latest, [&](json_value page) {
        page.find("messages").for_each_element([&](json_value message) {
          const auto text = message.find("text").as_string().value_or("");
          of.record.read_entry(read, parse_ts(message.find("ts").as_string().value_or("")).value_or(message_ts{}),
                               find_op(text).value_or(op_id{}), message.find("subtype").as_string().value_or(""),
                               message.find("edited").is_object());
        });
      });
  of.record.read_ended(read, outcome.ok());
  co_return outcome;
}

std::string listed(const std::vector<std::string>& ids) {
  std::string text;
  for (const auto& each : ids) text += (text.empty() ? "" : " ") + each;
  return text.empty() ? "nobody" : text;
}

}  // namespace

task<result<std::vector<std::string>>> members_at(scene& of, std::size_t channel, std::size_t node,
                                                  std::span<const scene_person> people, event_loop::time latest) {
  std::vector<std::string> members;
  result<> outcome = errc::not_found;
  for (const auto& reader : people) {
    members.clear();
    form_fields fields{{"channel", to_text(of.channels[channel].id)}, {"limit", "900"}};
    outcome = co_await read_pages(of, node, "conversations.members", reader.token, std::move(fields), latest,
                                  [&](json_value page) {
                                    page.find("members").for_each_element(
                                        [&](json_value each) { members.emplace_back(each.as_string().value_or("")); });
                                  });
    // Who isn't in a private channel hears that there is none.
    if (outcome || outcome.code() != errc::not_found) break;
  }
  if (!outcome) co_return outcome.failure();
  std::ranges::sort(members);
  co_return members;
}

task<void> read_everything(scene& of, std::vector<std::string>& findings, event_loop::time latest) {
  std::map<std::string, std::set<std::string>> channels_of;  // by person, as the channels' members say
  for (std::size_t at = 0; at < of.channels.size(); ++at) {
    const auto id = to_text(of.channels[at].id);
    const auto found = co_await members_at(of, at, 0, of.people, latest);
    if (!found)
      findings.push_back("liveness: the members of " + id + " at " + of.nodes[0].name + ": " + found.failure().detail);
    if (!found || found->empty()) continue;
    const auto& members = *found;
    for (const auto& each : members) channels_of[each].insert(id);
    for (std::size_t node = 0; node < of.nodes.size(); ++node) {
      const auto* reader = find_person(of, members[(at + node) % members.size()]);
      if (!reader) continue;
      const auto there = co_await members_at(of, at, node, std::span(reader, 1), latest);
      if (!there || *there != members)
        findings.push_back("members: of " + id + ", " + of.nodes[0].name + " says " + listed(members) + ", " +
                           of.nodes[node].name + " says " + (there ? listed(*there) : there.failure().detail));
      auto outcome = co_await read_history(of, *reader, at, node, latest);
      if (!outcome)
        findings.push_back("liveness: the history of " + id + " can't be read at " + of.nodes[node].name + ": " +
                           outcome.failure().detail);
    }
  }
  std::set<std::string> ours;
  for (const auto& each : of.channels) ours.insert(to_text(each.id));
  for (std::size_t i = 0; i < of.people.size(); ++i) {
    const auto& person = of.people[i];
    std::set<std::string> listed_channels;
    form_fields fields{{"types", "public_channel,private_channel"}, {"limit", "900"}};
    auto outcome = co_await read_pages(of, i % of.nodes.size(), "users.conversations", person.token, std::move(fields),
                                       latest, [&](json_value page) {
                                         page.find("channels").for_each_element([&](json_value each) {
                                           std::string id(each.find("id").as_string().value_or(""));
                                           if (ours.contains(id)) listed_channels.insert(std::move(id));
                                         });
                                       });
    const auto name = to_text(person.id);
    if (!outcome) findings.push_back("liveness: the channels of " + name + ": " + outcome.failure().detail);
    if (!outcome || listed_channels == channels_of[name]) continue;
    for (const auto& id : channels_of[name])
      if (!listed_channels.contains(id))
        findings.push_back("members: " + name + " is in " + id + ", but doesn't list it");
    for (const auto& id : listed_channels)
      if (!channels_of[name].contains(id))
        findings.push_back("members: " + name + " lists " + id + ", but isn't in it");
  }
}

}  // namespace throng::verify
