// SPDX-License-Identifier: Apache-2.0
// CONFIGURATION: all that one node is told from outside, as plain values; each member starts with its default.
// config/fields.cpp names every member with its range and its explanation; config/load.hpp fills this from a file and
// the environment. Read-only once loaded, so any thread may look at it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "config/host_port.hpp"
#include "config/log_level.hpp"

namespace throng {

inline constexpr std::size_t operator""_KiB(unsigned long long n) { return static_cast<std::size_t>(n) << 10; }
inline constexpr std::size_t operator""_MiB(unsigned long long n) { return static_cast<std::size_t>(n) << 20; }

enum class storage_kind : std::uint8_t { sqlite, mysql };
enum class topology_kind : std::uint8_t { embedded, consul };
enum class log_format : std::uint8_t { text, json };

struct configuration {
  using duration = std::chrono::milliseconds;

  std::string node = "n1";
  std::string data = "./data";  // a folder; relative to the working directory, as all paths here

  struct listen_t {
    host_port client{"127.0.0.1", 8080};
    host_port admin{"127.0.0.1", 8081};
    host_port node{"127.0.0.1", 8090};
    friend bool operator==(const listen_t&, const listen_t&) = default;
  } listen;

  struct tls_t {
    std::string certificate;  // PEM files; both empty: plain HTTP
    std::string key;
    bool enabled() const { return !certificate.empty(); }
    friend bool operator==(const tls_t&, const tls_t&) = default;
  } tls;

  struct storage_t {
    storage_kind kind = storage_kind::sqlite;
    std::string file = "throng.db";  // below `data`, unless absolute
    std::size_t readers = 2;
    std::size_t reads_waiting_max = 10'000;
    std::size_t batch_units_max = 512;
    std::size_t waiting_units_max = 100'000;
    std::size_t waiting_bytes_max = 256_MiB;
    duration events_kept = std::chrono::hours(24 * 7);
    duration messages_kept{0};  // 0: for ever

    struct mysql_t {
      std::string shards;  // "-80=host:port,host:port 80-=…" for a topology that knows none yet
      std::string database = "throng";
      std::string vschema;  // empty: what config/vschema.json says
      bool vtgate = false;
      std::string user = "throng";
      std::string password;  // secret: from THRONG_STORAGE_MYSQL_PASSWORD, or from password_file
      std::string password_file;
      bool supervise = true;
      std::string admin_user = "throng_admin";
      std::string admin_password;  // secret, as above
      std::string admin_password_file;
      std::size_t lanes = 2;
      duration read_wait_max = std::chrono::seconds(5);
      duration hold_max = std::chrono::seconds(10);
      duration start_patience = std::chrono::seconds(30);
      duration connect_timeout = std::chrono::seconds(2);
      duration statement_timeout = std::chrono::seconds(5);
      duration idle_transaction_timeout = std::chrono::seconds(1);
      duration commit_patience = std::chrono::seconds(10);
      duration read_patience = std::chrono::seconds(2);
      std::size_t ackers_min = 0;
      duration ping_interval = std::chrono::milliseconds(25);
      std::size_t failures_to_act = 3;
      friend bool operator==(const mysql_t&, const mysql_t&) = default;
    } mysql;
    friend bool operator==(const storage_t&, const storage_t&) = default;
  } storage;

  struct topology_t {
    topology_kind kind = topology_kind::embedded;
    std::string agents = "127.0.0.1:8500";  // of Consul, separated by commas
    std::string token;
    std::string prefix = "throng/";
    friend bool operator==(const topology_t&, const topology_t&) = default;
  } topology;

  struct cluster_t {
    std::string name = "throng";
    std::size_t nodes_min = 1;
    std::size_t weight = 0;             // 0: 100 for each core
    duration load_period{5'000};        // between two reports of what the slots cost
    duration balance_patience{15'000};  // that an imbalance must last
    duration balance_pause{60'000};     // between two rounds of balancing
    std::size_t hot_rate = 1'000;       // messages a second
    std::size_t hot_mailbox = 1'000;    // messages that wait
    std::string address;                // what others are told to come to; empty: listen.node
    std::string certificate;            // PEM files; all empty: links aren't encrypted, which loopback only allows
    std::string key;
    std::string authority;
    bool encrypts() const { return !certificate.empty(); }
    friend bool operator==(const cluster_t&, const cluster_t&) = default;
  } cluster;

  struct scheduler_t {
    std::size_t threads = 0;  // 0: one a core
    friend bool operator==(const scheduler_t&, const scheduler_t&) = default;
  } scheduler;

  struct gateway_t {
    std::size_t io_threads = 0;  // 0: one a core
    std::string public_url;      // empty: from the request's Host header
    std::size_t connections_max = 19'000;
    std::size_t header_bytes_max = 16_KiB;
    std::size_t body_bytes_max = 1_MiB;
    std::size_t bodies_bytes_max = 128_MiB;
    std::size_t frame_bytes_max = 16_KiB;
    std::size_t outbox_bytes_max = 256_KiB;
    std::size_t kernel_unsent_bytes_max = 16_KiB;
    std::size_t gzip_bytes_min = 1_KiB;
    duration handshake_timeout = std::chrono::seconds(10);
    duration header_timeout = std::chrono::seconds(10);
    duration body_timeout = std::chrono::seconds(60);
    duration request_timeout = std::chrono::seconds(20);
    duration idle_timeout = std::chrono::seconds(75);
    duration ping_interval = std::chrono::seconds(25);
    duration ping_timeout = std::chrono::seconds(15);
    duration stall_timeout = std::chrono::seconds(30);
    duration drain_timeout = std::chrono::seconds(25);
    std::size_t drain_rate = 500;
    friend bool operator==(const gateway_t&, const gateway_t&) = default;
  } gateway;

  struct sessions_t {
    duration resume_window = std::chrono::minutes(5);
    duration ticket_ttl = std::chrono::seconds(30);
    std::size_t per_user_max = 50;
    std::size_t subscriptions_max = 20'000;
    friend bool operator==(const sessions_t&, const sessions_t&) = default;
  } sessions;

  struct entities_t {
    duration passivate_after = std::chrono::minutes(10);
    std::size_t active_max = 200'000;
    std::size_t mailbox_max = 10'000;
    std::size_t restarts_max = 5;
    duration restart_period = std::chrono::seconds(60);
    duration quarantine = std::chrono::seconds(60);
    duration ask_timeout = std::chrono::seconds(5);
    duration ring_window = std::chrono::minutes(5);
    std::size_t ring_events_max = 1'000;
    std::size_t ring_bytes_max = 1_MiB;
    friend bool operator==(const entities_t&, const entities_t&) = default;
  } entities;

  struct presence_t {
    duration away_after = std::chrono::minutes(10);
    duration flap_delay = std::chrono::seconds(5);
    duration publish_interval = std::chrono::seconds(1);
    std::size_t watched_max = 1'000;
    friend bool operator==(const presence_t&, const presence_t&) = default;
  } presence;

  struct rate_limits_t {
    bool enabled = true;
    std::size_t tier1_per_minute = 10;
    std::size_t tier2_per_minute = 20;
    std::size_t tier3_per_minute = 50;
    std::size_t tier4_per_minute = 100;
    std::size_t posts_per_second = 1;
    std::size_t posts_burst = 100;
    std::size_t frames_per_second = 10;
    std::size_t frames_burst = 100;
    friend bool operator==(const rate_limits_t&, const rate_limits_t&) = default;
  } rate_limits;

  struct limits_t {
    std::size_t message_chars_max = 40'000;
    std::size_t attachments_max = 100;
    std::size_t attachments_bytes_max = 256_KiB;
    std::size_t blocks_max = 50;
    std::size_t blocks_bytes_max = 256_KiB;
    std::size_t metadata_bytes_max = 8_KiB;
    std::size_t page_items_max = 999;
    std::size_t json_depth_max = 64;
    std::size_t channel_members_max = 100'000;
    std::size_t message_reactions_max = 50;
    std::size_t channel_pins_max = 100;
    friend bool operator==(const limits_t&, const limits_t&) = default;
  } limits;

  struct log_t {
    log_level level = log_level::info;
    log_format format = log_format::text;
    std::size_t waiting_lines_max = 10'000;
    friend bool operator==(const log_t&, const log_t&) = default;
  } log;

  struct admin_t {
    std::string token;                       // secret: only from THRONG_ADMIN_TOKEN; empty: the token file decides
    std::string token_file = "admin.token";  // below `data`, unless absolute
    std::string viewer_token;                // secret, as above
    std::string viewer_token_file = "viewer.token";  // as above
    duration answer_patience{1'000};
    friend bool operator==(const admin_t&, const admin_t&) = default;
  } admin;

  friend bool operator==(const configuration&, const configuration&) = default;

  /// `path` itself if it is absolute, else below `data`.
  std::string data_path(const std::string& path) const;
};

}  // namespace throng
