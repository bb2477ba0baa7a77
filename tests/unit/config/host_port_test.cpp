// SPDX-License-Identifier: Apache-2.0
#include "config/host_port.hpp"

#include <doctest/doctest.h>

using namespace throng;

TEST_CASE("host_port: names, IPv4 and bracketed IPv6 addresses are read and written alike") {
  CHECK(parse_host_port("127.0.0.1:8080") == host_port{"127.0.0.1", 8080});
  CHECK(parse_host_port("[::1]:0") == host_port{"::1", 0});
  CHECK(parse_host_port("node-7.example:65535") == host_port{"node-7.example", 65535});
  for (auto text : {"127.0.0.1:8080", "[fe80::1%eth0]:1", "localhost:0"})
    CHECK(to_text(*parse_host_port(text)) == text);
}

TEST_CASE("host_port: what is no address is refused") {
  for (auto bad : {"", ":", "8080", ":8080", "host:", "host:65536", "host:-1", "host:8a", "::1:80", "[::1]", "[]:80",
                   "[host]:80", "a b:80", "host:80 ", "user@host:80", "http://host:80"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_host_port(bad));
  }
}

TEST_CASE("host_port: only this machine's own addresses are loopback") {
  for (auto yes : {"127.0.0.1", "127.255.0.9", "localhost", "::1"}) CHECK(is_loopback({yes, 1}));
  for (auto no : {"0.0.0.0", "::", "10.0.0.1", "127.example.com", "127.0.0.1.example.com", "127.0.0", "127.0.0.256"}) {
    CAPTURE(no);
    CHECK_FALSE(is_loopback({no, 1}));
  }
}
