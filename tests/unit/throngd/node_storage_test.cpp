// SPDX-License-Identifier: Apache-2.0
// What is wrong with a store's configuration is found before any server is asked.
#include "tools/throngd/node_storage.hpp"

#include <fstream>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.hpp"

using namespace throng;

namespace {

configuration mysql(std::string shards) {
  configuration settings;
  settings.storage.kind = storage_kind::mysql;
  settings.storage.mysql.shards = std::move(shards);
  return settings;
}

std::string mistake(const configuration& settings) {
  const config_origins origins{{"storage.mysql.shards", "t.yaml:7"}};
  return find_storage_mistake(settings, origins).value_or("none");
}

}  // namespace

TEST_CASE("node storage: shards that overlap, gap or aren't ranges are refused with their line") {
  CHECK(mistake(mysql("-80=h:1 80-=h:2")) == "none");
  CHECK(mistake(mysql("")) == "none");  // the topology may know them
  for (const auto* text :
       {"-80=h:1", "-80=h:1 40-=h:2", "-80=h:1 81-=h:2", "-8=h:1", "-80=h:1 80-=h:1", "h:1", "-=h"}) {
    CAPTURE(text);
    CHECK(mistake(mysql(text)).starts_with("t.yaml:7: storage.mysql.shards: "));
  }
  auto sqlite = mysql("-80=h:1");
  sqlite.storage.kind = storage_kind::sqlite;
  CHECK(mistake(sqlite) == "none");
  auto vtgate = mysql("h:15306");
  vtgate.storage.mysql.vtgate = true;
  CHECK(mistake(vtgate) == "none");
}

TEST_CASE("node storage: a VSchema is read, and refused with its line") {
  temporary_folder folder;
  auto settings = mysql("");
  settings.storage.mysql.vschema = THRONG_SOURCE_DIR "/config/vschema.json";
  CHECK(mistake(settings) == "none");
  settings.storage.mysql.vschema = (folder.path() / "v.json").string();
  std::ofstream(settings.storage.mysql.vschema)
      << "{\n  \"sharded\": true,\n  \"vindexes\": {\"x\": {\"type\": \"magic\"}}\n}\n";
  CHECK(mistake(settings).starts_with(settings.storage.mysql.vschema + ":3: "));
  CHECK(mistake(settings).find("magic") != std::string::npos);
}
