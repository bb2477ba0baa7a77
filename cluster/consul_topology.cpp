// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_topology.hpp"

#include <algorithm>
#include <mutex>
#include <random>
#include <utility>

#include "cluster/consul_answers.hpp"
#include "cluster/consul_hold.hpp"
#include "cluster/consul_watch.hpp"
#include "storage/json/json.hpp"
#include "storage/model/assert.hpp"
#include "storage/topology/topology_key.hpp"
#include "storage/topology/watch_thread.hpp"

namespace throng {

namespace {

using entries = std::vector<topology_entry>;

constexpr std::size_t orphans_max = 64;  // more than a node ever holds; the oldest end by themselves soon

std::uint64_t random_number() {
  thread_local std::mt19937_64 random{(std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()};
  return random();
}

error conflict(std::string_view key, topology_version expected) {
  auto name = "the topology key " + std::string(key);
  if (expected == 0) return {errc::conflict, name + " is there already"};
  return {errc::conflict, name + " doesn't have version " + std::to_string(expected)};
}

error odd_status(std::string_view asked, unsigned status) {
  return {errc::service_unavailable,
          "Consul answered " + std::to_string(status) + " to a " + std::string(asked) + ", which isn't expected"};
}

class consul_topology final : public topology_store {
 public:
  consul_topology(std::shared_ptr<consul_client> client, std::string root)
      : client_(std::move(client)), root_(std::move(root)) {}

  result<std::optional<topology_entry>> get(std::string_view key) override;
  result<entries> list(std::string_view prefix) override;
  result<topology_version> put(std::string_view key, std::string_view value, topology_version expected) override;
  result<> erase(std::string_view key, topology_version expected) override;
  std::unique_ptr<handle> watch(std::string prefix, watcher changed) override;
  result<std::unique_ptr<handle>> hold(std::string_view key, std::string_view value, std::chrono::milliseconds ttl,
                                       std::function<void()> lost) override;

 private:
  class holder;

  std::string target_of(std::string_view key) const { return "/v1/kv/" + root_ + std::string(key); }
  std::string target_of_list(std::string_view prefix) const;
  /// Of a list's answer, what starts with `prefix` and is a key of ours: whoever may write to Consul can have left
  /// anything below our root (its web page makes "folders", keys that end with a slash).
  result<entries> entries_of(const consul_answer& answer, std::string_view prefix) const;
  result<std::optional<consul_pair>> read(std::string_view key);
  void end_orphans();
  void add_orphan(std::string session);

  std::shared_ptr<consul_client> client_;
  const std::string root_;
  std::mutex orphans_mutex_;
  std::vector<std::string> orphans_;  // sessions of ours that couldn't be ended when their holder went
  watch_thread watches_;
};

/// "throng/a/b." -> the list below "throng/a/": a path whose last segment is "." or ".." would be changed on its way.
std::string consul_topology::target_of_list(std::string_view prefix) const {
  auto path = root_ + std::string(prefix);
  auto segment = path.rfind('/') + 1;  // npos + 1 is 0
  if (path.find_first_not_of('.', segment) == path.npos) path.resize(segment);
  return "/v1/kv/" + path + "?recurse&consistent";
}

result<entries> consul_topology::entries_of(const consul_answer& answer, std::string_view prefix) const {
  if (answer.status == 404) return entries();
  if (answer.status != 200) return odd_status("list", answer.status);
  auto pairs = parse_consul_pairs(answer.body);
  if (!pairs) return error{errc::service_unavailable, pairs.failure().detail};
  entries found;
  for (auto& pair : *pairs) {
    if (!pair.key.starts_with(root_)) continue;
    auto key = pair.key.substr(root_.size());
    if (key.starts_with(prefix) && check_topology_key(key).ok())
      found.push_back({std::move(key), std::move(pair.value), pair.modify_index});
  }
  return found;
}

result<std::optional<consul_pair>> consul_topology::read(std::string_view key) {
  auto answer = client_->ask({.target = target_of(key) + "?consistent"});
  if (!answer) return answer.failure();
  if (answer->status == 404) return std::optional<consul_pair>();
  if (answer->status != 200) return odd_status("read", answer->status);
  auto pairs = parse_consul_pairs(answer->body);
  if (!pairs) return error{errc::service_unavailable, pairs.failure().detail};
  if (pairs->size() != 1 || pairs->front().key != root_ + std::string(key))
    return error{errc::service_unavailable, "Consul answered with another key than " + std::string(key)};
  return std::optional(std::move(pairs->front()));
}

result<std::optional<topology_entry>> consul_topology::get(std::string_view key) {
  if (auto sound = check_topology_key(key); !sound) return sound.failure();
  auto pair = read(key);
  if (!pair) return pair.failure();
  if (!*pair) return std::optional<topology_entry>();
  return std::optional(topology_entry{std::string(key), std::move((*pair)->value), (*pair)->modify_index});
}

result<entries> consul_topology::list(std::string_view prefix) {
  if (auto sound = check_topology_prefix(prefix); !sound) return sound.failure();
  auto answer = client_->ask({.target = target_of_list(prefix)});
  return answer ? entries_of(*answer, prefix) : answer.failure();
}

/// Consul doesn't say the new version of what it has written, so it is read, and recognised by its flags. Somebody may
/// have written or erased it meanwhile; then the version that is answered is one that the key certainly had by then,
/// or less, and hasn't now: to compare with it is a conflict, as it should be.
result<topology_version> consul_topology::put(std::string_view key, std::string_view value, topology_version expected) {
  if (auto sound = check_topology_key(key); !sound) return sound.failure();
  if (auto sound = check_topology_value(key, value); !sound) return sound.failure();
  auto flags = random_number();
  auto answer =
      client_->ask({.method = "PUT",
                    .target = target_of(key) + "?cas=" + std::to_string(expected) + "&flags=" + std::to_string(flags),
                    .body = std::string(value)});
  if (!answer) return answer.failure();
  if (answer->status != 200) return odd_status("write", answer->status);
  auto is_written = parse_consul_flag(answer->body);
  if (!is_written) return error{errc::service_unavailable, is_written.failure().detail};
  if (!*is_written) return conflict(key, expected);
  auto pair = read(key);
  if (!pair) return pair.failure();
  return *pair && (*pair)->flags == flags ? (*pair)->modify_index : expected + 1;
}

/// A plain delete with cas is done with a key that isn't there, too: two would both have erased it.
result<> consul_topology::erase(std::string_view key, topology_version expected) {
  if (auto sound = check_topology_key(key); !sound) return sound;
  if (expected == 0) return error{errc::conflict, "the topology key " + std::string(key) + " can't have version 0"};
  std::string body;
  json_writer w(body);
  auto path = root_ + std::string(key);
  w.begin_array();
  w.begin_object().key("KV").begin_object().member("Verb", "check-index").member("Key", path);
  w.member("Index", expected).end_object().end_object();
  w.begin_object().key("KV").begin_object().member("Verb", "delete").member("Key", path).end_object().end_object();
  w.end_array();
  auto answer = client_->ask({.method = "PUT", .target = "/v1/txn", .body = std::move(body)});
  if (!answer) return answer.failure();
  if (answer->status == 409) return conflict(key, expected);
  if (answer->status != 200) return odd_status("transaction", answer->status);
  return done;
}

// -- watches ---------------------------------------------------------------------------------------------------------

std::unique_ptr<topology_store::handle> consul_topology::watch(std::string prefix, watcher changed) {
  THRONG_ASSERT(check_topology_prefix(prefix).ok());
  auto target = target_of_list(prefix);
  auto parse = [this, prefix = std::move(prefix)](const consul_answer& answer) { return entries_of(answer, prefix); };
  return std::make_unique<consul_watch<entries>>(watches_, client_, std::move(target), std::move(parse),
                                                 std::move(changed));
}

// -- held keys -------------------------------------------------------------------------------------------------------

class consul_topology::holder final : public handle {
 public:
  holder(consul_topology& store, std::unique_ptr<consul_hold> held, std::function<void()> lost)
      : store_(store),
        telling_(store.watches_.start(std::nullopt,
                                      [lost = std::move(lost)] {
                                        if (lost) lost();
                                        return true;
                                      })),
        held_(std::move(held)) {
    held_->keep([this] { telling_->wake(); });
  }
  ~holder() override {
    if (!held_->release()) store_.add_orphan(held_->session());
  }

 private:
  consul_topology& store_;
  std::unique_ptr<watch_thread::watch> telling_;
  std::unique_ptr<consul_hold> held_;
};

result<std::unique_ptr<topology_store::handle>> consul_topology::hold(std::string_view key, std::string_view value,
                                                                      std::chrono::milliseconds ttl,
                                                                      std::function<void()> lost) {
  if (auto sound = check_topology_key(key); !sound) return sound.failure();
  if (auto sound = check_held_topology_value(key, value); !sound) return sound.failure();
  end_orphans();
  auto held = consul_hold::take(client_, root_ + std::string(key), value, ttl);
  if (!held) return held.failure();
  return std::unique_ptr<handle>(std::make_unique<holder>(*this, std::move(*held), std::move(lost)));
}

/// Who lost a key while Consul was away, and wants it again, isn't kept waiting by their own old session.
void consul_topology::end_orphans() {
  while (true) {
    std::unique_lock lock(orphans_mutex_);
    if (orphans_.empty()) return;
    auto session = std::move(orphans_.back());
    orphans_.pop_back();
    lock.unlock();
    if (destroy_consul_session(*client_, session)) continue;
    add_orphan(std::move(session));
    return;
  }
}

void consul_topology::add_orphan(std::string session) {
  std::lock_guard lock(orphans_mutex_);
  if (orphans_.size() == orphans_max) orphans_.erase(orphans_.begin());
  orphans_.push_back(std::move(session));
}

}  // namespace

result<std::unique_ptr<topology_store>> open_consul_topology(std::shared_ptr<consul_client> client, std::string root) {
  if (auto sound = check_topology_prefix(root); !sound) return sound.failure();
  if (!root.empty() && !root.ends_with('/'))
    return error{errc::invalid_arguments, "the root \"" + root + "\" of the topology doesn't end with a slash"};
  return std::unique_ptr<topology_store>(std::make_unique<consul_topology>(std::move(client), std::move(root)));
}

}  // namespace throng
