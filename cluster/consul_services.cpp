// SPDX-License-Identifier: Apache-2.0
#include "cluster/consul_services.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include "cluster/consul_watch.hpp"
#include "config/log.hpp"
#include "storage/json/json.hpp"
#include "storage/model/assert.hpp"

namespace throng {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds ttl_min{1000};
constexpr milliseconds goodbye_timeout{1000};

/// Both become part of a path.
result<> check_name(std::string_view what, std::string_view name) {
  auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.:").find(c) != std::string_view::npos;
  };
  bool is_sound =
      !name.empty() && name.size() <= 128 && std::ranges::all_of(name, is_allowed) && name != "." && name != "..";
  if (is_sound) return done;
  return error{errc::invalid_arguments,
               "the " + std::string(what) + " of a service is 1 to 128 of a-z A-Z 0-9 - _ . :"};
}

std::string registration(const consul_instance& self, milliseconds ttl) {
  std::string body;
  json_writer w(body);
  w.begin_object().member("ID", self.id).member("Name", self.name);
  w.member("Address", self.address).member("Port", self.port);
  w.key("Tags").begin_array();
  for (const auto& tag : self.tags) w.value(tag);
  w.end_array().key("Meta").begin_object();
  for (const auto& [key, value] : self.meta) w.text_key(key).value(value);
  w.end_object().key("Check").begin_object();
  w.member("TTL", std::to_string(ttl.count()) + "ms").member("Status", "passing");
  w.member("DeregisterCriticalServiceAfter", "1m");  // Consul's shortest
  w.end_object().end_object();
  return body;
}

std::string target_of_healthy(std::string_view name) {
  return "/v1/health/service/" + std::string(name) + "?passing=true&consistent";
}

result<consul_services::instances> instances_of(const consul_answer& answer) {
  if (answer.status != 200)
    return error{errc::service_unavailable, "Consul listed no instances: status " + std::to_string(answer.status)};
  auto found = parse_consul_instances(answer.body);
  if (!found) return error{errc::service_unavailable, found.failure().detail};
  return found;
}

class registered_instance final : public topology_store::handle {
 public:
  registered_instance(std::shared_ptr<consul_client> client, consul_instance self, milliseconds ttl)
      : client_(std::move(client)), self_(std::move(self)), ttl_(ttl) {}
  ~registered_instance() override {
    thread_ = {};
    auto target = "/v1/agent/service/deregister/" + self_.id;
    auto gone = client_->ask({.method = "PUT", .target = target, .timeout = goodbye_timeout});
    if (!gone)
      log::info("service {} {} wasn't deregistered, so it ends when its check does: {}", self_.name, self_.id,
                gone.failure().detail);
  }

  result<> register_now(std::stop_token stop = {}) {
    return expect_ok({.method = "PUT", .target = "/v1/agent/service/register", .body = registration(self_, ttl_)},
                     stop);
  }
  void keep() {
    thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  }

 private:
  result<> expect_ok(const consul_request& request, const std::stop_token& stop) {
    auto answer = client_->ask(request, stop);
    if (!answer) return answer.failure();
    if (answer->status == 200) return done;
    return error{errc::service_unavailable, "Consul answered " + std::to_string(answer->status)};
  }
  result<> report(const std::stop_token& stop) {
    auto known = client_->ask({.target = "/v1/agent/service/" + self_.id}, stop);
    if (!known) return known.failure();
    if (known->status == 404) {
      if (auto registered = register_now(stop); !registered) return registered;
      log::info("service {} {} is registered", self_.name, self_.id);
    }
    return expect_ok({.method = "PUT", .target = "/v1/agent/check/pass/service:" + self_.id}, stop);
  }
  void run(std::stop_token stop) {
    int failures = 0;
    while (!stop.stop_requested()) {
      auto reported = report(stop);
      if (stop.stop_requested()) return;
      failures = reported ? 0 : failures + 1;
      if (reported)
        client_->pause(ttl_ / 3, stop);
      else
        client_->wait_to_retry(failures, stop);
    }
  }

  std::shared_ptr<consul_client> client_;
  consul_instance self_;
  milliseconds ttl_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace

result<std::unique_ptr<consul_services::handle>> consul_services::register_instance(consul_instance self,
                                                                                    milliseconds ttl) {
  if (auto sound = check_name("name", self.name); !sound) return sound.failure();
  if (auto sound = check_name("id", self.id); !sound) return sound.failure();
  auto kept = std::make_unique<registered_instance>(client_, std::move(self), std::max(ttl, ttl_min));
  if (auto registered = kept->register_now(); !registered && registered.code() != errc::service_unavailable)
    return registered.failure();
  kept->keep();
  return std::unique_ptr<handle>(std::move(kept));
}

result<consul_services::instances> consul_services::healthy(std::string_view name) {
  if (auto sound = check_name("name", name); !sound) return sound.failure();
  auto answer = client_->ask({.target = target_of_healthy(name)});
  return answer ? instances_of(*answer) : answer.failure();
}

std::unique_ptr<consul_services::handle> consul_services::watch(std::string_view name,
                                                                std::function<void(instances)> changed) {
  THRONG_ASSERT(check_name("name", name).ok());
  return std::make_unique<consul_watch<instances>>(watches_, client_, target_of_healthy(name), instances_of,
                                                   std::move(changed));
}

}  // namespace throng
