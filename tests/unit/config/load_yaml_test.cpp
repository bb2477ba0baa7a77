// SPDX-License-Identifier: Apache-2.0
#include "config/load_yaml.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace throng;
using namespace std::chrono_literals;

namespace {

configuration loaded(std::string_view text) {
  configuration c;
  config_origins origins;
  auto problem = load_yaml(text, "t.yaml", c, origins);
  REQUIRE_MESSAGE(!problem, to_text(problem.value_or(config_problem{})));
  return c;
}

std::string refusal(std::string_view text) {
  configuration c;
  config_origins origins;
  auto problem = load_yaml(text, "t.yaml", c, origins);
  return problem ? to_text(*problem) : "loaded";
}

}  // namespace

TEST_CASE("load_yaml: the smallest configuration of PRODUCT.md loads") {
  auto c = loaded(R"(node: n7
data: ./here
listen: {client: "127.0.0.1:0", admin: "127.0.0.1:0", node: "127.0.0.1:0"}
storage: {kind: sqlite}
topology: {kind: embedded}
)");
  CHECK(c.node == "n7");
  CHECK(c.data == "./here");
  CHECK(c.listen.client == host_port{"127.0.0.1", 0});
  CHECK(c.gateway == configuration::gateway_t{});
}

TEST_CASE("load_yaml: nothing at all is all defaults") {
  for (auto text : {"", "\n", "# only a comment\n", "---\n", "log:\n  # level: debug\n"}) {
    CAPTURE(text);
    CHECK(loaded(text) == configuration{});
  }
}

TEST_CASE("load_yaml: each type is read in its unit") {
  auto c = loaded(
      "gateway:\n  io_threads: 3\n  ping_interval: 1500ms\n  outbox_bytes_max: 1MiB\n  body_bytes_max: 2097152\n"
      "rate_limits: {enabled: false}\nlog: {level: warn, format: 'json'}\n");
  CHECK(c.gateway.io_threads == 3);
  CHECK(c.gateway.ping_interval == 1500ms);
  CHECK(c.gateway.outbox_bytes_max == 1_MiB);
  CHECK(c.gateway.body_bytes_max == 2_MiB);
  CHECK_FALSE(c.rate_limits.enabled);
  CHECK(c.log.level == log_level::warn);
  CHECK(c.log.format == log_format::json);
}

TEST_CASE("load_yaml: a key's line is known afterwards") {
  configuration c;
  config_origins origins;
  REQUIRE_FALSE(load_yaml("node: a\n\nlog:\n  level: debug\n", "t.yaml", c, origins));
  CHECK(origins == config_origins{{"node", "t.yaml:1"}, {"log.level", "t.yaml:4"}});
}

TEST_CASE("load_yaml: a wrong line is named with its key and with what was expected") {
  CHECK(refusal("node: a\nnoed: b\n") == "t.yaml:2: noed: expected a known key (did you mean node?)");
  CHECK(refusal("gateway:\n  io_thread: 1\n") ==
        "t.yaml:2: gateway.io_thread: expected a known key (did you mean gateway.io_threads?)");
  CHECK(refusal("gatewai: {}\n") == "t.yaml:1: gatewai: expected a known key");
  CHECK(refusal("log.level: info\n") == "t.yaml:1: log.level: expected a known key (did you mean log.level?)");
  CHECK(refusal("node: a\nnode: b\n") == "t.yaml:2: node: expected only once");
  CHECK(refusal("log: {level: info}\nlog: {format: text}\n") == "t.yaml:2: log: expected only once");
  CHECK(refusal("log:\nlog:\n") == "t.yaml:2: log: expected only once");
  CHECK(refusal("log:\n  level: loud\n") ==
        "t.yaml:2: log.level: expected debug, info, warn, error or off, not \"loud\"");
  CHECK(refusal("gateway: {io_threads: 257}") ==
        "t.yaml:1: gateway.io_threads: expected a whole number from 0 to 256, not \"257\"");
  CHECK(refusal("gateway: {io_threads: '2'}") ==
        "t.yaml:1: gateway.io_threads: expected a whole number from 0 to 256, not the text \"2\"");
  CHECK(refusal("sessions: {ticket_ttl: 5}") ==
        "t.yaml:1: sessions.ticket_ttl: expected a duration from 1s to 10m (such as 300ms, 10s, 5m), not \"5\"");
  CHECK(refusal("gateway: {frame_bytes_max: 16KB}") ==
        "t.yaml:1: gateway.frame_bytes_max: expected a size from 1KiB to 16KiB (such as 65536, 64KiB, 16MiB), not "
        "\"16KB\"");
  CHECK(refusal("listen: {client: 8080}") ==
        "t.yaml:1: listen.client: expected HOST:PORT with a port from 0 to 65535, not \"8080\"");
  CHECK(refusal("rate_limits: {enabled: yes}") == "t.yaml:1: rate_limits.enabled: expected true or false, not \"yes\"");
  CHECK(refusal("node: ''") == "t.yaml:1: node: expected a text of 1 to 64 characters, not the text \"\"");
  CHECK(refusal("node:\n") == "t.yaml:1: node: expected a text of 1 to 64 characters, not nothing");
  CHECK(refusal("node: ~") == "t.yaml:1: node: expected a text of 1 to 64 characters, not nothing");
  CHECK(refusal("storage: {kind: oracle}") == "t.yaml:1: storage.kind: expected sqlite or mysql, not \"oracle\"");
}

TEST_CASE("load_yaml: a section within a section is read, and its keys are known by all three names") {
  configuration c;
  config_origins origins;
  REQUIRE_FALSE(load_yaml("storage:\n  kind: mysql\n  mysql:\n    user: app\n    lanes: 3\n  readers: 5\nnode: a\n",
                          "t.yaml", c, origins));
  CHECK(c.storage.kind == storage_kind::mysql);
  CHECK(c.storage.mysql.user == "app");
  CHECK(c.storage.mysql.lanes == 3);
  CHECK(c.storage.readers == 5);  // the outer section goes on
  CHECK(c.node == "a");
  CHECK(origins.at("storage.mysql.lanes") == "t.yaml:5");

  CHECK(refusal("storage: {mysql: {usr: app}}") ==
        "t.yaml:1: storage.mysql.usr: expected a known key (did you mean storage.mysql.user?)");
  CHECK(refusal("storage: {admin_user: app}") ==
        "t.yaml:1: storage.admin_user: expected a known key (did you mean storage.mysql.admin_user?)");
  CHECK(refusal("mysql: {user: app}") == "t.yaml:1: mysql: expected a known key");
  CHECK(refusal("storage: {mysql.user: app}") ==
        "t.yaml:1: storage.mysql.user: expected a known key (did you mean storage.mysql.user?)");
  CHECK(refusal("storage.mysql: {user: app}").starts_with("t.yaml:1: storage.mysql: expected a known key"));
  CHECK(refusal("storage: {mysql: app}") == "t.yaml:1: storage.mysql: expected a section of keys, not \"app\"");
  CHECK(refusal("storage:\n  mysql: {user: a}\n  mysql: {lanes: 2}\n") ==
        "t.yaml:3: storage.mysql: expected only once");
  CHECK(refusal("storage: {mysql: {user: {a: b}}}") ==
        "t.yaml:1: storage.mysql.user: expected a text of 1 to 80 characters, not a section");
  CHECK(refusal("storage: {mysql: [a]}") == "t.yaml:1: storage.mysql: expected no list");
  CHECK(loaded("storage:\n  mysql:\n  #  user: x\n  readers: 3\n").storage.readers == 3);
  CHECK(refusal("storage: {mysql: {password: hush-hush}}") ==
        "t.yaml:1: storage.mysql.password: expected only in THRONG_STORAGE_MYSQL_PASSWORD, not in a file");
}

TEST_CASE("load_yaml: another shape than keys and sections is refused") {
  CHECK(refusal("- a\n- b\n") == "t.yaml:1: expected keys and values, not a list");
  CHECK(refusal("hello") == "t.yaml:1: expected keys and values, such as `node: n1`");
  CHECK(refusal("node: [a]") == "t.yaml:1: node: expected no list");
  CHECK(refusal("node: {a: b}") == "t.yaml:1: node: expected a text of 1 to 64 characters, not a section");
  CHECK(refusal("log: info") == "t.yaml:1: log: expected a section of keys, not \"info\"");
  CHECK(refusal("log: {level: {a: b}}") ==
        "t.yaml:1: log.level: expected debug, info, warn, error or off, not a section");
  CHECK(refusal("? [a, b]\n: c\n") == "t.yaml:1: expected a key, not a list");
  CHECK(refusal("? {a: b}\n: c\n") == "t.yaml:1: expected a key, not a map");
  CHECK(refusal("~: c\n") == "t.yaml:1: expected a key");
  CHECK(refusal("node: a\n---\nnode: b\n") == "t.yaml:2: expected one YAML document");
  CHECK(refusal("node: !!int 5\n") == "t.yaml:1: node: expected a value without a tag");
}

TEST_CASE("load_yaml: text that is no YAML is refused with its line") {
  CHECK(refusal("node: a\nlog: {level: info\n").starts_with("t.yaml:2: expected YAML: "));
  CHECK(refusal("node: a\n\tlog: b\n").starts_with("t.yaml:"));
  CHECK(refusal("node: \"a\n") == "t.yaml:1: expected YAML: illegal EOF in scalar");
}

TEST_CASE("load_yaml: bombs are refused before they cost anything") {
  CHECK(refusal("node: &a x\ndata: *a\n") == "t.yaml:1: node: expected no anchors and aliases (& and *)");
  CHECK(refusal("a: &a [x,x]\nb: &b [*a,*a]\n").find("expected") != std::string::npos);
  CHECK(refusal("<<: *x\n").find("expected") != std::string::npos);
  CHECK(refusal(std::string(100'000, '[')).starts_with("t.yaml:1: expected"));
  CHECK(refusal("log: " + std::string(50'000, '{')).starts_with("t.yaml:1: "));
  CHECK(refusal(std::string(50'000, '?')).starts_with("t.yaml"));
  CHECK(refusal("# " + std::string(configuration_bytes_max, 'x')) == "t.yaml:1: expected at most 128KiB");
}

TEST_CASE("load_yaml: a secret has no place in a file, and is not repeated") {
  auto line = refusal("admin: {token: very-secret-token-value}");
  CHECK(line == "t.yaml:1: admin.token: expected only in THRONG_ADMIN_TOKEN, not in a file");
}

TEST_CASE("load_yaml: a refusal is one line of plain text, whatever the file held") {
  auto line = refusal("\"no\\nde\\e[31m" + std::string(1000, 'x') + "\": b\n");
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.size() < 300);
}
