// SPDX-License-Identifier: Apache-2.0
#include "net/gateway/rtm_frame.hpp"

#include <algorithm>
#include <optional>

#include "storage/json/json.hpp"

namespace throng {

namespace {

constexpr json_limits frame_limits{rtm_frame_bytes_max, 16, 4'000};
constexpr std::size_t id_bytes_max = 64;

/// Numbers and strings are echoed; anything else is as good as none.
std::string id_of(json_value object) {
  const auto id = object.find("id");
  const bool is_usable = (id.is_number() || id.is_string()) && id.raw().size() <= id_bytes_max;
  return is_usable ? std::string(id.raw()) : std::string();
}

/// {"type":"pong","reply_to":…, and all other members as they were}.
std::string pong_of(json_value object, const std::string& id) {
  std::string out;
  json_writer w(out);
  w.begin_object().member("type", "pong");
  if (!id.empty()) w.raw_member("reply_to", id);
  object.for_each_member([&](std::string_view name, json_value value) {
    if (name != "type" && name != "id" && name != "reply_to") w.text_key(name).raw(value.raw());
  });
  w.end_object();
  return out;
}

std::optional<error> read_users(json_value object, std::vector<user_id>& users) {
  const auto ids = object.find("ids");
  if (!ids.is_array()) return error{errc::invalid_array_arg, "ids must be an array of user ids"};
  if (ids.size() > rtm_ids_max)
    return error{errc::too_long, "at most " + std::to_string(rtm_ids_max) + " ids are taken"};
  ids.for_each_element([&](json_value each) {
    const auto text = each.as_string();
    if (const auto id = text ? parse_id<user_id>(*text) : std::nullopt) users.push_back(*id);
  });
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return std::nullopt;
}

std::optional<error> read_channel(json_value object, rtm_command& command) {
  const auto text = object.find("channel").as_string();
  const auto id = text ? parse_id<channel_id>(*text) : std::nullopt;
  if (!id) return error{errc::channel_not_found, "channel must be a channel's id"};
  command.channel = *id;
  const auto thread = object.find("thread_ts");
  if (!thread || thread.is_null()) return std::nullopt;
  const auto ts = thread.as_string() ? parse_ts(*thread.as_string()) : std::nullopt;
  if (!ts) return error{errc::invalid_timestamp, "thread_ts must be a message's ts"};
  command.thread_ts = *ts;
  return std::nullopt;
}

std::optional<error> read_message(json_value object, rtm_command& command) {
  if (auto problem = read_channel(object, command)) return problem;
  const auto text = object.find("text").as_string();
  if (!text || text->empty()) return error{errc::no_text, "text must be a string that is not empty"};
  command.text = *text;
  command.is_broadcast = object.find("reply_broadcast").as_bool().value_or(false);
  return std::nullopt;
}

std::optional<error> read_object(json_value object, rtm_command& command) {
  const auto type = object.find("type").as_string();
  if (!type) return error{errc::invalid_arguments, "type is missing"};
  command.id = id_of(object);
  if (*type == "ping") {
    command.kind = rtm_kind::ping;
    command.pong = pong_of(object, command.id);
    return std::nullopt;
  }
  if (*type == "message") {
    command.kind = rtm_kind::message;
    return read_message(object, command);
  }
  if (*type == "typing" || *type == "user_typing") {
    command.kind = rtm_kind::typing;
    return read_channel(object, command);
  }
  if (*type == "presence_sub" || *type == "presence_query") {
    command.kind = *type == "presence_sub" ? rtm_kind::presence_sub : rtm_kind::presence_query;
    return read_users(object, command.users);
  }
  if (*type == "tickle") {
    command.kind = rtm_kind::tickle;
    return std::nullopt;
  }
  return error{errc::unknown_method, "unknown type"};
}

/// False if what follows on the frame's other lines is not worth reading.
bool decode_object(std::string_view text, const std::function<void(rtm_command)>& on_command,
                   const std::function<void(rtm_problem)>& on_problem) {
  const auto document = parse_json(text, frame_limits);
  if (!document) {
    on_problem({document.failure(), {}});
    return false;
  }
  const auto object = document->root();
  if (!object.is_object()) {
    on_problem({error{errc::json_not_object, "a JSON object is wanted"}, {}});
    return true;
  }
  rtm_command command;
  if (auto problem = read_object(object, command))
    on_problem({std::move(*problem), id_of(object)});
  else
    on_command(std::move(command));
  return true;
}

}  // namespace

void decode_rtm_frame(std::string_view text, const std::function<void(rtm_command)>& on_command,
                      const std::function<void(rtm_problem)>& on_problem) {
  if (text.size() > rtm_frame_bytes_max) {
    on_problem(
        {error{errc::msg_too_long, "a frame has at most " + std::to_string(rtm_frame_bytes_max) + " bytes"}, {}});
    return;
  }
  // One object may be written over several lines, so the whole is tried first.
  if (text.find('\n') == text.npos || parse_json(text, frame_limits)) {
    decode_object(text, on_command, on_problem);
    return;
  }
  std::size_t count = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (++count > rtm_objects_max) {
      on_problem(
          {error{errc::request_too_large, "a frame has at most " + std::to_string(rtm_objects_max) + " objects"}, {}});
      return;
    }
    if (!decode_object(line, on_command, on_problem)) return;
  }
}

std::string render_rtm_error(std::string_view id, const error& what) {
  std::string out;
  json_writer w(out);
  w.begin_object();
  if (id.empty())
    w.member("type", "error");
  else
    w.member("ok", false).raw_member("reply_to", id);
  w.key("error").begin_object().member("code", static_cast<std::uint16_t>(what.code));
  w.member("msg", to_string(what.code));
  if (!what.detail.empty()) w.member("detail", what.detail);
  w.end_object().end_object();
  return out;
}

std::string render_rtm_ack(std::string_view id, std::string_view ts, std::string_view text) {
  std::string out;
  json_writer w(out);
  w.begin_object().member("ok", true);
  if (!id.empty()) w.raw_member("reply_to", id);
  w.member("ts", ts).member("text", text).end_object();
  return out;
}

}  // namespace throng
