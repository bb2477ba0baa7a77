// SPDX-License-Identifier: Apache-2.0
// Who gets through the gate, and what those cost who don't.
#include <array>
#include <cstring>
#include <random>
#include <sys/resource.h>
#include <sys/time.h>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_serializer.hpp>
#include <caf/io/basp/header.hpp>
#include <caf/logger.hpp>
#include <doctest/doctest.h>

#include "tests/cluster/link/link_harness.hpp"
#include "tools/common/node_certificates.hpp"

namespace throng {
namespace {

using namespace test;

long resident_mb() {
  long pages = 0, resident = 0;
  if (std::FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return resident * 4 / 1024;
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void send_all(const unique_socket& to, const std::string& bytes) {
  (void)!::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// Waits for the other end to close; what it said before.
std::optional<std::string> read_to_end(const unique_socket& from, int seconds = 10) {
  timeval patience{seconds, 0};
  ::setsockopt(from.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string all;
  char buffer[4096];
  for (;;) {
    const auto got = ::recv(from.get(), buffer, sizeof buffer, 0);
    if (got > 0)
      all.append(buffer, static_cast<std::size_t>(got));
    else
      return got == 0 || errno == ECONNRESET ? std::optional(all) : std::nullopt;
  }
}

std::string basp_header(caf::io::basp::message_type type, std::uint32_t payload_bytes) {
  std::vector<char> bytes;
  {
    caf::actor_system_config config;
    caf::actor_system system(config);
    caf::logger::set_current_actor_system(nullptr);
    caf::binary_serializer sink(system, bytes);
    const auto destination = type == caf::io::basp::message_type::direct_message ? 7u : 0u;
    caf::io::basp::header header{type, 0, payload_bytes, 0, 0, destination};
    REQUIRE_FALSE(sink(header));
  }
  return {bytes.begin(), bytes.end()};
}

/// facts: a message of 53 bytes that makes a bare BASP port take 4 GiB: a header without a handshake, and a vector that
/// claims 2^32 - 1 elements.
std::string the_53_bytes() {
  auto all = basp_header(caf::io::basp::message_type::direct_message, 17);
  all.resize(53, '\xff');
  return all;
}

TEST_CASE("gate: nodes with certificates of the same authority talk over TLS, in order") {
  node_certificates authority;
  const auto change = [&](auto& with) {
    with.tls = authority.issue(with.self.name);
    with.detector.pause = 60s;
  };
  link_node a(1, change), b(2, change);
  a.links().set_peers({b.self()});
  b.links().set_peers({a.self()});
  constexpr int count = 20'000;
  for (int i = 0; i < count; ++i) {
    b.post_surely(1, std::to_string(i) + std::string(300, '.'));
    a.post_surely(2, std::to_string(i));
  }
  REQUIRE(wait_until([&] { return a.received(2) == count && b.received(1) == count; }));
  const auto at_a = a.parcels(2), at_b = b.parcels(1);
  for (int i = 0; i < count; ++i) {
    REQUIRE(at_a[i] == std::to_string(i) + std::string(300, '.'));
    REQUIRE(at_b[i] == std::to_string(i));
  }
  CHECK(a.downs(2) == 0);
}

TEST_CASE("gate: over TLS too, parcels arrive once and in order over cuts") {
  node_certificates authority;
  link_node a(1, [&](auto& with) { with.tls = authority.issue("a"); });
  link_node b(2, [&](auto& with) { with.tls = authority.issue("b"); });
  tcp_proxy between(a.links().port());
  auto a_seen_by_b = a.self();
  a_seen_by_b.link_address = "127.0.0.1:" + std::to_string(between.port());
  a.links().set_peers({b.self()});
  b.links().set_peers({a_seen_by_b});
  std::size_t posted = 0;
  for (int cut = 1; cut <= 5; ++cut) {
    const auto goal = posted + 3000;
    while (posted < goal) b.post_surely(1, std::to_string(posted++));
    REQUIRE(wait_until([&] { return a.received(2) + 2000 > goal; }));
    between.cut();
    CHECK(wait_until([&] { return b.downs(1) >= cut; }));
  }
  REQUIRE(wait_until([&] { return a.received(2) == posted; }));
  const auto all = a.parcels(2);
  for (std::size_t i = 0; i < posted; ++i) REQUIRE(all[i] == std::to_string(i));
}

TEST_CASE("gate: beyond loopback there is nothing without TLS, and files that can't be used are named") {
  caf_links_options with;
  with.self = identity(1);
  with.listen = "0.0.0.0:0";
  auto opened = caf_links::open(with);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().detail == "links beyond loopback need TLS files: 0.0.0.0:0");
  node_certificates authority;
  with.tls = authority.issue("a");
  with.tls->key = authority.path("none.key");
  opened = caf_links::open(with);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().detail == "can't read " + with.tls->key);
  with.tls->key = authority.issue("b").key;
  opened = caf_links::open(with);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().detail.starts_with(with.tls->key));
  with.tls = authority.issue("c", 60);
  opened = caf_links::open(with);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().detail == with.tls->certificate + " has expired");
  with.tls = authority.issue("d");
  CHECK(caf_links::open(with));
  with.listen = "nowhere";
  CHECK_FALSE(caf_links::open(with));
}

TEST_CASE("gate: who has no certificate, an expired one, or one of another authority isn't let in") {
  node_certificates authority, another;
  link_node a(1, [&](auto& with) { with.tls = authority.issue("a"); });
  std::function<void(caf_links_options&)> change;
  SUBCASE("none") {
    change = [](auto&) {};
  }
  auto expires = std::chrono::steady_clock::now();
  SUBCASE("one that has expired since it started") {
    change = [&](auto& with) {
      with.tls = authority.issue("b", 3603);
      expires = std::chrono::steady_clock::now() + 4500ms;  // the certificate's times are in whole seconds
    };
  }
  SUBCASE("another authority, to both") {
    change = [&](auto& with) { with.tls = another.issue("b"); };
  }
  SUBCASE("another authority, which trusts ours") {
    change = [&](auto& with) {
      with.tls = another.issue("b");
      with.tls->authority = authority.path("authority.pem");
    };
  }
  link_node b(2, change);
  REQUIRE(wait_until([&] { return std::chrono::steady_clock::now() >= expires; }));
  a.links().set_peers({b.self()});
  b.links().set_peers({a.self()});
  CHECK(wait_until([&] { return a.links().gate_figures().failed >= 2; }));
  CHECK(a.links().gate_figures().welcomed == 0);
  CHECK_FALSE(a.is_up(2));
  CHECK_FALSE(b.is_up(1));
}

TEST_CASE("gate: garbage and the 53 bytes that take 4 GiB never reach BASP") {
  node_certificates authority;
  const auto change = [](auto& with) { with.detector.pause = 60s; };
  const auto change_secure = [&](auto& with) {
    change(with);
    with.tls = authority.issue(with.self.name);
  };
  link_node plain(1, change), peer_of_plain(2, change);
  link_node secure(1, change_secure), peer_of_secure(2, change_secure);
  plain.links().set_peers({peer_of_plain.self()});
  peer_of_plain.links().set_peers({plain.self()});
  secure.links().set_peers({peer_of_secure.self()});
  peer_of_secure.links().set_peers({secure.self()});
  REQUIRE(wait_until([&] { return plain.is_up(2) && secure.is_up(2); }));
  const auto before = resident_mb();
  std::mt19937 random(3);
  std::vector<std::string> tries{the_53_bytes(), "GET / HTTP/1.1\r\n\r\n", std::string(100'000, '\0'),
                                 encode(link_greeting{.cluster = "throng", .from = {9}, .to = {1}}),
                                 "throngL1" + std::string(2, '\xff') + std::string(70'000, 'x')};
  for (int i = 0; i < 100; ++i) {
    std::string bytes(1 + random() % 3000, '\0');
    for (auto& each : bytes) each = static_cast<char>(random());
    tries.push_back(std::move(bytes));
  }
  for (auto* node : {&plain, &secure})
    for (const auto& bytes : tries) {
      auto socket = connect_to(node->links().port());
      REQUIRE(socket);
      send_all(socket, bytes);
      ::shutdown(socket.get(), SHUT_WR);
      CHECK(read_to_end(socket));
    }
  CHECK(resident_mb() - before < 64);
  CHECK(plain.links().gate_figures().welcomed == 1);
  CHECK(secure.links().gate_figures().welcomed == 1);
  CHECK(wait_until([&] { return secure.links().gate_figures().handshakes == 0; }));
  peer_of_plain.post_surely(1, "still there");
  peer_of_secure.post_surely(1, "still there");
  CHECK(wait_until([&] { return plain.received(2) == 1 && secure.received(2) == 1; }));
  CHECK(plain.downs(2) + secure.downs(2) == 0);
}

TEST_CASE("gate: even who is greeted as a member can't make BASP take 4 GiB by a header") {
  link_node a(1);
  a.links().set_peers({identity(2), identity(3)});
  auto socket = connect_to(a.links().port());
  REQUIRE(socket);
  send_all(socket, encode(link_greeting{.cluster = "throng", .from = {2}, .incarnation = 1, .to = {1}}));
  REQUIRE(wait_until([&] { return a.links().gate_figures().welcomed == 1; }));
  const auto before = resident_mb();
  send_all(socket, basp_header(caf::io::basp::message_type::direct_message, 0xffffffff));
  const auto said = read_to_end(socket);
  REQUIRE(said);
  CHECK(said->starts_with(encode_reply("")));
  CHECK(resident_mb() - before < 64);
  link_node c(3);
  c.links().set_peers({a.self()});
  CHECK(wait_until([&] { return a.is_up(3); }));
}

TEST_CASE("gate: connections that never finish cost neither a core nor the place of a node, and go at the deadline") {
  node_certificates authority;
  auto change = [&](auto& with) {
    with.tls = authority.issue("n" + std::to_string(with.self.node.value));
    with.handshake_deadline = 5s;  // all of them have to come within it
    with.handshakes_max = 32;
  };
  link_node a(1, change), b(2, change);
  const std::string half_hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  std::vector<unique_socket> idle;
  for (int i = 0; i < 200; ++i) {
    idle.push_back(connect_to(a.links().port()));
    REQUIRE(idle.back());
    if (i % 2) send_all(idle.back(), half_hello);
  }
  REQUIRE(wait_until([&] { return a.links().gate_figures().accepted == 200; }));
  CHECK(a.links().gate_figures().handshakes <= 32);
  const auto cpu = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  CHECK(wait_until([&] { return a.links().gate_figures().handshakes == 0; }, 20s));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  CHECK(took.count() > 0.5);
  CHECK(cpu_seconds() - cpu < 0.3 * took.count());
  CHECK(a.links().gate_figures().evicted == 168);
  CHECK(wait_until([&] { return a.links().gate_figures().timed_out >= 32; }));  // the last is counted a moment later
  CHECK(a.links().gate_figures().timed_out == 32);
  for (const auto& each : idle) CHECK(read_to_end(each, 5));
  a.links().set_peers({b.self()});
  b.links().set_peers({a.self()});
  CHECK(wait_until([&] { return a.is_up(2); }));
}

}  // namespace
}  // namespace throng
