// SPDX-License-Identifier: Apache-2.0
#include "config/load.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace throng;

namespace {

/// A folder of its own that goes with the test.
class scratch {
 public:
  scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "throng_config_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~scratch() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::variant<configuration, config_problem> load(const std::string& file, std::vector<const char*> environment = {}) {
  environment.push_back(nullptr);
  return load_configuration(file, environment.data());
}

std::string refusal(const std::variant<configuration, config_problem>& loaded) {
  auto* problem = std::get_if<config_problem>(&loaded);
  return problem ? to_text(*problem) : "loaded";
}

}  // namespace

TEST_CASE("load: the environment overrides the file, and the file the defaults") {
  scratch dir;
  auto file = dir.file("a.yaml", "node: from-file\nlog: {level: warn}\n");
  auto loaded = load(file, {"PATH=/bin", "THRONG_NODE=from-env", "THRONG_LISTEN_CLIENT=127.0.0.1:0",
                            "THRONG_GATEWAY_IO_THREADS=2", "THRONG_ADMIN_TOKEN=0123456789abcdef"});
  REQUIRE(std::holds_alternative<configuration>(loaded));
  const auto& c = std::get<configuration>(loaded);
  CHECK(c.node == "from-env");
  CHECK(c.log.level == log_level::warn);
  CHECK(c.listen.client.port == 0);
  CHECK(c.gateway.io_threads == 2);
  CHECK(c.admin.token == "0123456789abcdef");
  CHECK(c.listen.admin.port == 8081);
}

TEST_CASE("load: a variable that names no setting, or holds no value of it, is refused by name") {
  scratch dir;
  auto file = dir.file("a.yaml", "");
  CHECK(refusal(load(file, {"THRONG_NODES=1"})) ==
        "environment: THRONG_NODES: expected the name of a setting, such as THRONG_LOG_LEVEL");
  CHECK(refusal(load(file, {"THRONG_LOG_LEVEL=loud"})) ==
        "environment: THRONG_LOG_LEVEL: expected debug, info, warn, error or off, not \"loud\"");
  CHECK(refusal(load(file, {"THRONG_NODE"})).starts_with("environment: THRONG_NODE: expected"));
  auto secret = refusal(load(file, {"THRONG_ADMIN_TOKEN=short"}));
  CHECK(secret.starts_with("environment: THRONG_ADMIN_TOKEN: expected a text of 16 to 256"));
  CHECK(secret.find("short") == std::string::npos);
}

TEST_CASE("load: a file that can't be read is refused") {
  scratch dir;
  CHECK(refusal(load(dir.path("none.yaml"))) == dir.path("none.yaml") + ": expected a file that can be read");
  CHECK(refusal(load(dir.path("."))) == dir.path(".") + ": expected a file that can be read");
  CHECK(refusal(load("/dev/zero")).find("expected at most 128KiB") != std::string::npos);
}

TEST_CASE("load: contradictions are refused where somebody wrote them") {
  scratch dir;
  auto said = [&](std::string_view text) {
    auto file = dir.file("a.yaml", text);
    auto line = refusal(load(file));
    return line.starts_with(file) ? line.substr(file.size()) : line;
  };
  CHECK(said("node: a b") == ":1: node: expected letters, digits, '-', '_' and '.'");
  CHECK(said("listen: {client: '0.0.0.0:8081'}") ==
        ":1: listen.client: expected different ports in listen.client and listen.admin");
  CHECK(said("listen: {client: '127.0.0.1:0', admin: '127.0.0.1:0'}") == "loaded");
  CHECK(said("listen: {node: '0.0.0.0:8090'}").starts_with(":1: listen.node: expected a loopback address"));
  CHECK(said("topology: {kind: consul}") ==
        ":1: topology.kind: expected storage.kind mysql with topology.kind consul: the nodes of a cluster share their "
        "store");
  const std::string shared = "storage: {kind: mysql}\n";
  CHECK(said(shared + "topology: {kind: consul}") == "loaded");
  CHECK(said(shared + "topology: {kind: consul, agents: 'a:1,b'}").starts_with(":2: topology.agents: expected"));
  CHECK(said(shared + "topology: {kind: consul, prefix: throng}").starts_with(":2: topology.prefix: expected"));
  CHECK(said(shared + "topology: {kind: consul}\ncluster: {address: 'relay:8090'}") == "loaded");
  for (std::string no : {"relay", "relay:0", "relay:http"})
    CHECK(said(shared + "topology: {kind: consul}\ncluster: {address: '" + no + "'}")
              .starts_with(":3: cluster.address: expected"));
  CHECK(said("cluster: {key: x.pem}").starts_with(":1: cluster.key: expected"));
  CHECK(said("cluster: {certificate: no.pem, key: no.pem, authority: no.pem}")
            .starts_with(":1: cluster.certificate: expected a file"));
  CHECK(said("tls: {certificate: x.pem}") ==
        ":1: tls.certificate: expected both tls.certificate and tls.key, or neither");
  CHECK(said("tls: {key: x.pem}") == ":1: tls.key: expected both tls.certificate and tls.key, or neither");
  CHECK(said("\ngateway: {bodies_bytes_max: 1MiB, body_bytes_max: 2MiB}")
            .starts_with(":2: gateway.body_bytes_max: expected"));
  CHECK(said("gateway: {public_url: 'chat.example.com'}").starts_with(":1: gateway.public_url: expected http://"));
  CHECK(said("gateway: {public_url: 'https://chat.example.com:8443/base'}") == "loaded");
  CHECK(said("gateway: {frame_bytes_max: 2MiB}").starts_with(":1: gateway.frame_bytes_max: expected"));
  CHECK(
      said("gateway: {kernel_unsent_bytes_max: 512KiB}").starts_with(":1: gateway.kernel_unsent_bytes_max: expected"));
  CHECK(said("entities: {ask_timeout: 1m}").starts_with(":1: entities.ask_timeout: expected"));
  CHECK(said("limits: {blocks_bytes_max: 1MiB}").starts_with(":1: limits.blocks_bytes_max: expected"));
  CHECK(said("storage: {waiting_units_max: 10}").starts_with(":1: storage.waiting_units_max: expected"));
  CHECK(said("storage: {messages_kept: 23h}") == ":1: storage.messages_kept: expected 0 (for ever) or at least 1d");
  for (std::string kept : {"0s", "1d", "3650d"}) CHECK(said("storage: {messages_kept: " + kept + "}") == "loaded");
}

TEST_CASE("load: MySQL's settings are held against each other only where MySQL is the store") {
  scratch dir;
  auto said = [&](std::string_view text) {
    auto file = dir.file("a.yaml", text);
    auto line = refusal(load(file));
    return line.starts_with(file) ? line.substr(file.size()) : line;
  };
  CHECK(said("storage: {kind: mysql}") == "loaded");  // the topology may know the shards
  CHECK(said("storage: {kind: mysql, mysql: {vtgate: true}}") ==
        ":1: storage.mysql.vtgate: expected the HOST:PORT of one vtgate, since storage.mysql.vtgate is true");
  CHECK(said("storage: {mysql: {vtgate: true}}") == "loaded");
  CHECK(said("storage:\n  kind: mysql\n  mysql:\n    vtgate: true\n    shards: \"-80=h:1 80-=h:2\"\n")
            .starts_with(":5: storage.mysql.shards: expected the HOST:PORT"));
  CHECK(said("storage: {kind: mysql, mysql: {vtgate: true, shards: 'h:15306'}}") == "loaded");
  CHECK(said("storage: {mysql: {database: 'a`b'}}") == ":1: storage.mysql.database: expected letters, digits and '_'");
  CHECK(said("storage: {mysql: {connect_timeout: 1500ms}}") ==
        ":1: storage.mysql.connect_timeout: expected whole seconds");
  CHECK(said("storage: {mysql: {idle_transaction_timeout: 1500ms}}") ==
        ":1: storage.mysql.idle_transaction_timeout: expected whole seconds");
  CHECK(said("storage: {kind: mysql, mysql: {user: root, admin_user: root}}")
            .starts_with(":1: storage.mysql.admin_user: expected different accounts"));
  CHECK(said("storage: {kind: mysql, mysql: {user: root, admin_user: root, supervise: false}}") == "loaded");
  CHECK(said("storage: {kind: mysql, mysql: {vschema: none.json}}") ==
        ":1: storage.mysql.vschema: expected a file that can be read");
}

TEST_CASE("load: a password comes from a file of one line, or from the environment, which goes before it") {
  scratch dir;
  auto secret = dir.file("password", "hush hush\n");
  auto file = dir.file("a.yaml", "storage:\n  kind: mysql\n  mysql:\n    password_file: " + secret + "\n");
  config_origins origins;
  auto loaded = load_configuration(file, nullptr, &origins);
  REQUIRE(std::holds_alternative<configuration>(loaded));
  CHECK(std::get<configuration>(loaded).storage.mysql.password == "hush hush");
  CHECK(origins.at("storage.mysql.password_file") == file + ":4");
  loaded = load(file, {"THRONG_STORAGE_MYSQL_PASSWORD=other"});
  REQUIRE(std::holds_alternative<configuration>(loaded));
  CHECK(std::get<configuration>(loaded).storage.mysql.password == "other");
  dir.file("password", "hush\nhush\n");
  CHECK(refusal(load(file)) ==
        file +
            ":4: storage.mysql.password_file: expected a file that can be read, of one line of at most 256 characters");
  dir.file("password", "\n");
  CHECK(refusal(load(file)).find("of one line") != std::string::npos);
  CHECK(refusal(load(file, {"THRONG_STORAGE_KIND=sqlite"})) == "loaded");
}

TEST_CASE("load: TLS files must be there") {
  scratch dir;
  auto certificate = dir.file("cert.pem", "x");
  auto file = dir.file("a.yaml", "tls:\n  certificate: " + certificate + "\n  key: " + dir.path("none.pem") + "\n");
  CHECK(refusal(load(file)) == file + ":3: tls.key: expected a file that can be read");
  dir.file("none.pem", "x");
  CHECK(refusal(load(file)) == "loaded");
}

TEST_CASE("load: paths are below the data folder unless absolute") {
  configuration c;
  c.data = "/var/lib/throng";
  CHECK(c.data_path("throng.db") == "/var/lib/throng/throng.db");
  CHECK(c.data_path("/tmp/x.db") == "/tmp/x.db");
}
