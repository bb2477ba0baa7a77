// SPDX-License-Identifier: Apache-2.0
// The SHELL over the nodes: who may give a command, which nodes it is for, and one reply of what they answer.
#include <algorithm>
#include <mutex>

#include "config/log.hpp"
#include "net/admin/shell.hpp"
#include "net/admin/shell_format.hpp"
#include "net/admin/shell_reply.hpp"
#include "net/admin/shell_storage.hpp"

namespace throng {

using std::chrono::milliseconds;

namespace {

constexpr milliseconds patience_max{60'000};
constexpr milliseconds storage_patience{70'000};  // what a command may take that is forwarded whole

const std::vector<std::string_view> valued_options{"sort",    "limit",  "count", "for",    "rate", "node",
                                                   "timeout", "reason", "every", "weight", "file", "drain"};

/// Of the commands that change something, those that only look.
bool only_looks(const shell_words& words) {
  return words.command == "reshard" && (words.arguments.empty() || words.arguments[0] == "status" ||
                                        words.arguments[0] == "plan" || words.arguments[0] == "verify");
}

const shell::command* find_command(std::string_view name) {
  for (const auto& each : shell::commands())
    if (each.name == name) return &each;
  return nullptr;
}

std::string seconds_text(milliseconds time) {
  if (time.count() % 1'000 != 0) return std::to_string(time.count()) + " ms";
  return std::to_string(time.count() / 1'000) + " s";
}

/// What the audit keeps of a reply.
std::string outcome_of(const std::string& reply) {
  const auto document = parse_json(reply, {.bytes_max = 16u << 20, .depth_max = 128, .values_max = 1'000'000});
  if (!document) return "an answer that can't be understood";
  const auto root = document->root();
  if (root.find("ok").as_bool().value_or(false)) {
    const auto note = root.find("note").as_string();
    return note ? "ok: " + std::string(*note) : "ok";
  }
  std::string text(root.find("error").as_string().value_or("it failed"));
  if (const auto detail = root.find("detail").as_string()) text += ": " + std::string(*detail);
  return text;
}

}  // namespace

/// A command as it was given.
struct shell::order {
  std::string line;
  shell_words words;
  io_loop& where;
  caller by;
  milliseconds patience;
  std::optional<shell_node> only{};  // --node
};

/// Collects the parts, until all are there, it is enough, or the time is over; then tells once. Any thread.
class part_collector {
 public:
  using enough = std::function<bool(const shell_parts&)>;
  using teller = std::function<void(shell_parts)>;
  part_collector(const std::vector<shell_node>& nodes, enough is_enough, teller done)
      : is_enough_(std::move(is_enough)), done_(std::move(done)) {
    for (const auto& each : nodes) missing_.push_back(each.name);
  }

  void add(shell_part part) {
    std::unique_lock lock(mutex_);
    if (!take(part.node)) return;
    parts_.answered.push_back(std::move(part));
    tell_if_done(lock);
  }
  void fail(const std::string& node, const std::string& why) {
    std::unique_lock lock(mutex_);
    if (!take(node)) return;
    parts_.partial.push_back(node + ": " + why);
    tell_if_done(lock);
  }
  void give_up(const std::string& why) {
    std::unique_lock lock(mutex_);
    if (!done_) return;
    for (const auto& node : std::exchange(missing_, {})) parts_.partial.push_back(node + ": " + why);
    tell_if_done(lock);
  }

 private:
  bool take(const std::string& node) { return done_ && std::erase(missing_, node) > 0; }
  void tell_if_done(std::unique_lock<std::mutex>& lock) {
    if (!missing_.empty() && !(is_enough_ && is_enough_(parts_))) return;
    std::ranges::sort(parts_.answered, {}, &shell_part::node);
    std::ranges::sort(parts_.partial);
    auto done = std::exchange(done_, nullptr);
    auto parts = std::move(parts_);
    lock.unlock();
    done(std::move(parts));
  }

  std::mutex mutex_;
  std::vector<std::string> missing_;
  shell_parts parts_;
  enough is_enough_;
  teller done_;
};

shell::shell(admin_services& services) : services_(services) {
  if (services_.peers)
    services_.peers->serve_nodes([this](node_index, std::string request, milliseconds, node_door::answer reply) {
      serve(std::move(request), std::move(reply));
    });
}

void shell::stop() {
  if (services_.peers) services_.peers->serve_nodes({});
  worker_.stop();
  looker_.stop();
}

// -- who may, and for which nodes
// ------------------------------------------------------------------------------------------

void shell::run(std::string_view line, io_loop& where, const caller& by, answer reply) {
  auto words = parse_shell_words(line, valued_options);
  if (!words) return reply(failure_reply(words.failure()));
  if (words->command.empty()) return reply(failure_reply({errc::invalid_arguments, "no command; try help"}));
  const auto* what = find_command(words->command);
  if (!what)
    return reply(failure_reply({errc::unknown_method, "there is no command " + words->command + "; try help"}));
  order given{std::string(line), std::move(*words), where, by, services_.answer_patience};
  if (const auto wanted = given.words.options.find("timeout"); wanted != given.words.options.end()) {
    const auto time = parse_shell_duration(wanted->second);
    if (!time || *time < milliseconds(1) || *time > patience_max)
      return reply(failure_reply({errc::invalid_arguments, "--timeout is 1ms to 60s, not " + wanted->second}));
    given.patience = *time;
  }
  if (const auto wanted = given.words.options.find("node"); wanted != given.words.options.end()) {
    std::string known;
    for (auto& each : members()) {
      if (each.name == wanted->second || std::to_string(each.number.value) == wanted->second) given.only = each;
      known += (known.empty() ? "" : ", ") + each.name;
    }
    if (!given.only)
      return reply(failure_reply({errc::not_found, "there is no node " + wanted->second + "; there are " + known}));
  }
  if (what->changes && !only_looks(given.words)) {
    if (!by.is_operator) {
      log::warn("audit: {} at {} was refused {}", by.who, by.from, without_tokens(line));
      return reply(
          failure_reply({errc::no_permission, given.words.command + " changes things, which needs the operator role: "
                                                                    "use the admin token (DATA/admin.token)"}));
    }
    reply = audited(given, std::move(reply));
  }
  run_for(*what, given, std::move(reply));
}

shell::answer shell::audited(const order& given, answer reply) {
  const auto line = without_tokens(given.line);
  log::info("audit: {} at {} runs {}", given.by.who, given.by.from, line);
  const auto number =
      services_.audit ? services_.audit->begin(services_.door.wall(), given.by.who, given.by.from, line) : 0;
  return [this, line, number, reply = std::move(reply)](std::string text) {
    const auto outcome = outcome_of(text);
    log::info("audit: {} ended: {}", line, outcome);
    if (services_.audit) services_.audit->end(number, outcome);
    reply(std::move(text));
  };
}

void shell::run_for(const command& what, const order& given, answer reply) {
  const bool is_everywhere =
      what.scope == scope_t::everywhere && !(what.suffices_here && what.suffices_here(given.words));
  if (is_everywhere) return run_everywhere(what, given, std::move(reply));
  if (given.only) return run_on(*given.only, what, given, std::move(reply));
  if (what.scope == scope_t::owner) return run_at_owner(what, given, std::move(reply));
  (this->*what.run)(given.words, given.where, std::move(reply));
}

/// With this one in it, by name.
std::vector<shell_node> shell::members() const {
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  if (!cluster) return {{services_.node, {}}};
  std::vector<shell_node> all;
  for (const auto& each : cluster->facts.members)
    if (each.who.node != cluster->self.node) all.push_back({each.who.name, each.who.node});
  all.push_back({services_.node, cluster->self.node});
  std::ranges::sort(all, {}, &shell_node::name);
  return all;
}

// -- several nodes
// ---------------------------------------------------------------------------------------------------------

void shell::ask_each(const std::vector<shell_node>& nodes, const command& what, const order& given,
                     std::function<bool(const shell_parts&)> is_enough, std::function<void(shell_parts)> done) {
  const auto patience = given.patience + (what.lasts ? what.lasts(given.words) : milliseconds(0));
  auto parts = std::make_shared<part_collector>(nodes, std::move(is_enough), std::move(done));
  const auto silence = "no answer in " + seconds_text(patience);
  given.where.after(patience, [parts, silence] { parts->give_up(silence); });
  const auto asked = services_.door.now();
  auto add = [this, parts, asked](const std::string& node, std::string text) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(services_.door.now() - asked);
    parts->add({node, std::move(text), took, services_.door.wall()});
  };
  std::string request;
  json_writer(request).begin_object().member("line", given.line).member("who", given.by.who).end_object();
  for (const auto& node : nodes) {
    if (node.name == services_.node) {
      (this->*what.run)(given.words, given.where, [add, node](std::string text) { add(node.name, std::move(text)); });
    } else if (!services_.peers) {
      parts->fail(node.name, "this node can't ask others");
    } else {
      services_.peers->ask_node(node.number, request, patience, [=](result<std::string> outcome) {
        if (outcome) return add(node.name, std::move(*outcome));
        const auto& why = outcome.failure();
        parts->fail(node.name, why.code == errc::deadline_exceeded ? silence
                               : why.detail.empty()                ? std::string(to_string(why.code))
                                                                   : why.detail);
      });
    }
  }
}

void shell::run_everywhere(const command& what, const order& given, answer reply) {
  const auto nodes = given.only ? std::vector{*given.only} : members();
  auto merge = [this, &what, words = given.words, reply = std::move(reply)](const shell_parts& parts) {
    reply(what.merge ? (this->*what.merge)(words, parts) : merged_reply(parts, shell_rows_max, ""));
  };
  std::function<bool(const shell_parts&)> is_enough;
  if (what.is_enough)
    is_enough = [&what, words = given.words](const shell_parts& parts) { return what.is_enough(words, parts); };
  ask_each(nodes, what, given, std::move(is_enough), std::move(merge));
}

void shell::run_on(const shell_node& node, const command& what, const order& given, answer reply) {
  if (node.name == services_.node && what.scope == scope_t::here)
    return (this->*what.run)(given.words, given.where, std::move(reply));
  auto patient = given;
  if (!given.words.options.contains("timeout") && what.scope == scope_t::here) patient.patience = storage_patience;
  ask_each({node}, what, patient, {}, [reply = std::move(reply)](const shell_parts& parts) {
    if (!parts.answered.empty()) return reply(parts.answered[0].text);
    reply(failure_reply({errc::unavailable, parts.partial.empty() ? std::string() : parts.partial[0]}));
  });
}

/// Whoever has it may not be its slot's owner just now, so all are asked; if nobody has it, the owner answers.
void shell::run_at_owner(const command& what, const order& given, answer reply) {
  const auto key = given.words.arguments.empty() ? std::nullopt : parse_entity_key(given.words.arguments[0]);
  if (!key) return reply(failure_reply(usage_of(what.name)));
  const auto nodes = members();
  static const command* const where_is = find_command("find");
  auto question = given;
  question.line = "find " + to_text(*key);
  question.words = {"find", {to_text(*key)}, {}};
  auto has_it = [](const shell_part& part) {  // and not only lent it to another
    return part.text.find("\"rows\":[[") != std::string::npos && part.text.find("\"lent to ") == std::string::npos;
  };
  auto is_found = [has_it](const shell_parts& parts) {
    return !parts.answered.empty() && has_it(parts.answered.back());
  };
  ask_each(nodes, *where_is, question, is_found, [=, this, &what, owner = name_of_owner(*key)](shell_parts parts) {
    const auto found = std::ranges::find_if(parts.answered, has_it);
    const auto name = found != parts.answered.end() ? found->node : owner;
    const auto node = std::ranges::find(nodes, name, &shell_node::name);
    if (node == nodes.end())
      return reply(failure_reply({errc::unavailable, "nobody has slot " + std::to_string(slot_of(*key).value)}));
    const auto unsure = found != parts.answered.end() ? std::vector<std::string>() : parts.partial;
    given.where.post_always([=, this, &what, target = *node] {
      run_on(target, what, given, [=](std::string text) { reply(with_partial(std::move(text), unsure)); });
    });
  });
}

std::string shell::name_of_owner(entity_key key) const {
  const auto cluster = services_.membership ? services_.membership() : nullptr;
  if (!cluster) return services_.node;
  if (!cluster->facts.table) return {};
  const auto owner = cluster->facts.table->owner_of(slot_of(key)).node;
  for (const auto& each : cluster->facts.members)
    if (each.who.node == owner) return each.who.name;
  return {};
}

// -- as one of them
// --------------------------------------------------------------------------------------------------------

/// On a link's thread. Roles and the audit are the business of the node that was asked first: who has a link is a node.
void shell::serve(std::string request, node_door::answer reply) {
  auto document = parse_json(request);
  const auto line = document ? document->root().find("line").as_string() : std::nullopt;
  if (!line) return reply(error{errc::invalid_arguments, "not a command of a shell"});
  auto words = parse_shell_words(*line, valued_options);
  const auto* what = words ? find_command(words->command) : nullptr;
  if (!what) return reply(error{errc::unknown_method, "this version doesn't know that command"});
  auto& where = services_.sockets.loop(0);
  where.post_always([this, what, &where, words = std::move(*words), reply = std::move(reply)] {
    (this->*what->run)(words, where, [reply](std::string text) { reply(std::move(text)); });
  });
}

}  // namespace throng
