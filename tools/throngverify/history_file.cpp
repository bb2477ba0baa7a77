// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/history_file.hpp"

#include <charconv>
#include <istream>
#include <map>
#include <optional>
#include <ostream>

#include "storage/json/json.hpp"
#include "tools/throngverify/figures.hpp"

namespace throng::verify {

namespace {

constexpr std::int64_t format_version = 1;
constexpr std::size_t line_bytes_max = 1024 * 1024;

// -- out

template <class Number>
void member(json_writer& line, std::string_view name, Number value) {
  if (value != Number()) line.member(name, value);
}

void write_event(json_writer& line, const history_event& e) {
  line.begin_object().member("t", e.at_ns).member("what", to_string(e.what));
  if (e.phase != phase::none) line.member("phase", to_string(e.phase));
  if (e.flag) line.member("flag", true);
  member(line, "client", e.client.value);
  member(line, "op", e.op.value);
  if (e.ts) line.member("ts", to_text(e.ts));
  if (e.channel) line.member("channel", to_text(e.channel));
  if (e.user) line.member("user", to_text(e.user));
  member(line, "epoch", e.epoch);
  member(line, "seq", e.seq);
  member(line, "socket", e.socket.value);
  member(line, "stream", e.stream.value);
  member(line, "detail", e.detail.value);
  member(line, "other", e.other);
  line.end_object();
}

// -- in

template <class Enum>
std::optional<Enum> named(std::string_view text, Enum last) {
  for (std::size_t i = 0; i <= static_cast<std::size_t>(last); ++i)
    if (to_string(static_cast<Enum>(i)) == text) return static_cast<Enum>(i);
  return std::nullopt;
}

/// Reads the members of one line. What is there and isn't what it should be is remembered.
class line_reader {
 public:
  explicit line_reader(json_value line) : line_(line) {}

  bool is_fine() const { return wrong_.empty(); }
  const std::string& wrong() const { return wrong_; }

  std::string_view text(std::string_view name) {
    const auto value = line_.find(name);
    if (!value) return {};
    const auto text = value.as_string();
    if (!text) wrong(name, "a text");
    return text.value_or(std::string_view());
  }
  bool flag(std::string_view name) {
    const auto value = line_.find(name);
    if (value && !value.as_bool()) wrong(name, "true or false");
    return value && value.as_bool().value_or(false);
  }
  template <class Number>
  Number number(std::string_view name, Number most = std::numeric_limits<Number>::max()) {
    const auto value = line_.find(name);
    if (!value) return 0;
    const auto number = value.as_int();
    const bool is_fine =
        number && *number >= 0 && static_cast<std::uint64_t>(*number) <= static_cast<std::uint64_t>(most);
    if (!is_fine) wrong(name, "a number up to " + std::to_string(most));
    return is_fine ? static_cast<Number>(*number) : 0;
  }
  template <class Id>
  Id id(std::string_view name) {
    const auto given = text(name);
    const auto id = given.empty() ? std::optional(Id()) : parse_id<Id>(given);
    if (!id) wrong(name, "an id");
    return id.value_or(Id());
  }
  message_ts ts(std::string_view name) {
    const auto given = text(name);
    const auto ts = given.empty() ? std::optional(message_ts()) : parse_ts(given);
    if (!ts) wrong(name, "a ts");
    return ts.value_or(message_ts());
  }

 private:
  void wrong(std::string_view name, const std::string& wanted) {
    if (wrong_.empty()) wrong_ = std::string(name) + " must be " + wanted;
  }

  json_value line_;
  std::string wrong_;
};

class history_reader {
 public:
  /// What is wrong with the line, if anything.
  std::optional<std::string> take(std::string_view text) {
    const auto document = parse_json(text);
    if (!document) return document.failure().detail;
    const auto line = document->root();
    if (!line.is_object()) return "must be an object";
    if (is_ended_) return "nothing may follow the end";
    if (!is_begun_) return begin(line);
    if (line.find("what")) return event(line);
    if (line.find("name")) return name(line);
    if (line.find("events")) return end(line);
    return client(line);
  }

  bool is_ended() const { return is_ended_; }
  history take_result() { return std::move(read_); }

 private:
  std::optional<std::string> begin(json_value line) {
    if (line.find("throngverify").as_int() != format_version) return "this is no history of throngverify, version 1";
    line_reader in(line);
    const auto seed = in.text("seed");
    const auto [end, failure] = std::from_chars(seed.data(), seed.data() + seed.size(), read_.seed);
    if (failure != std::errc() || end != seed.data() + seed.size()) return "seed must be a number in quotes";
    read_.replay = in.text("replay");
    is_begun_ = true;
    return problem(in);
  }

  std::optional<std::string> name(json_value line) {
    line_reader in(line);
    read_.names.emplace_back(in.text("name"));
    return problem(in);
  }

  std::optional<std::string> client(json_value line) {
    line_reader in(line);
    if (!line.find("client")) return "must be a name, a client, an event or the end";
    read_.clients.push_back({in.id<user_id>("user"), std::string(in.text("client"))});
    return problem(in);
  }

  std::optional<std::string> event(json_value line) {
    if (read_.events.size() >= events_read_max) return "too many events";
    line_reader in(line);
    history_event e;
    const auto what = named(in.text("what"), happening::settled);
    const auto phase = named(in.text("phase"), phase::unknown);
    if (!what || !phase) return "what and phase must be known words";
    e.at_ns = in.number<std::int64_t>("t");
    e.what = *what;
    e.phase = *phase;
    e.flag = in.flag("flag");
    e.client = {in.number("client", last(read_.clients))};
    e.op = {static_cast<std::uint64_t>(in.number<std::int64_t>("op"))};
    e.ts = in.ts("ts");
    e.channel = in.id<channel_id>("channel");
    e.user = in.id<user_id>("user");
    e.epoch = static_cast<std::uint64_t>(in.number<std::int64_t>("epoch"));
    e.seq = static_cast<std::uint64_t>(in.number<std::int64_t>("seq"));
    if (e.what == happening::socket_opened) ++sockets_;
    e.socket = {in.number("socket", sockets_)};
    if (e.what == happening::socket_opened && e.socket.value != sockets_)
      return "sockets must be numbered as they open";
    e.stream = {in.number("stream", last(read_.names))};
    e.detail = {in.number("detail", last(read_.names))};
    e.other = in.number<std::uint32_t>("other");
    if (e.at_ns < newest_ns_) return "t must not fall";
    newest_ns_ = e.at_ns;
    if (const bool is_call = e.what >= happening::post && e.what <= happening::kick;
        is_call != (e.phase != verify::phase::none) || (is_call && !e.op))
      return "calls have a phase and an op, and nothing else has a phase";
    read_.events.push_back(e);
    return problem(in);
  }

  std::optional<std::string> end(json_value line) {
    line_reader in(line);
    read_.is_complete = in.flag("is_complete");
    if (in.number<std::uint64_t>("events") != read_.events.size()) return "this is not the number of events before it";
    is_ended_ = true;
    return problem(in);
  }

  static std::optional<std::string> problem(const line_reader& in) {
    return in.is_fine() ? std::nullopt : std::optional(in.wrong());
  }
  template <class T>
  static std::uint32_t last(const std::vector<T>& list) {
    return static_cast<std::uint32_t>(list.size() - 1);
  }

  history read_;
  bool is_begun_ = false, is_ended_ = false;
  std::int64_t newest_ns_ = 0;
  std::uint32_t sockets_ = 0;
};

}  // namespace

void write_history(std::ostream& out, const history& from) {
  std::string text;
  const auto write_line = [&](auto fill) {
    text.clear();
    json_writer line(text);
    fill(line);
    text += '\n';
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
  };
  write_line([&](json_writer& line) {
    line.begin_object().member("throngverify", format_version).member("seed", std::to_string(from.seed));
    line.member("replay", from.replay).end_object();
  });
  for (std::size_t i = 1; i < from.names.size(); ++i)
    write_line([&](json_writer& line) { line.begin_object().member("name", from.names[i]).end_object(); });
  for (std::size_t i = 1; i < from.clients.size(); ++i)
    write_line([&](json_writer& line) {
      line.begin_object().member("client", from.clients[i].name);
      line.member("user", from.clients[i].user ? to_text(from.clients[i].user) : std::string()).end_object();
    });
  for (std::size_t i = 0; i < from.events.size(); ++i)
    write_line([&](json_writer& line) { write_event(line, from.events[i]); });
  write_line([&](json_writer& line) {
    line.begin_object().member("events", from.events.size()).member("is_complete", from.is_complete).end_object();
  });
}

result<history> read_history(std::istream& in) {
  history_reader reader;
  std::string line;
  std::size_t number = 0;
  const auto refuse = [&](const std::string& why) {
    return error{errc::invalid_arguments, "line " + std::to_string(number) + ": " + why};
  };
  while (std::getline(in, line)) {
    ++number;
    if (line.size() > line_bytes_max) return refuse("is too long");
    if (auto problem = reader.take(line)) return refuse(*problem);
  }
  if (!reader.is_ended()) return refuse("it ends without its end: the file was cut");
  return reader.take_result();
}

}  // namespace throng::verify
