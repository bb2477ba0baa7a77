// SPDX-License-Identifier: Apache-2.0
// The rules on made-up files first, so that they are known to bite; then on the repository.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "tests/unit/tidy/tidy_rules.hpp"

using namespace throng;

namespace {

const std::string license = "// SPDX-License-Identifier: Apache-2.0\n";

std::string complaint(std::string_view path, const std::string& line) {
  auto all = tidy_complaints(path, license + line + "\n");
  return all.empty() ? "" : all.front();
}

}  // namespace

TEST_CASE("tidy: a folder sees itself and what is to its left") {
  for (auto path : {"storage/a.hpp", "cluster/a.cpp", "net/sub/a.cpp", "tools/throngd/a.cpp", "tests/unit/a.cpp"}) {
    CAPTURE(path);
    CHECK(complaint(path, "#include \"storage/store.hpp\"").empty());
  }
  CHECK(complaint("config/a.cpp", "#include \"storage/store.hpp\"") ==
        "config/a.cpp:2: includes storage/store.hpp, but storage/ is to the right of config/");
  CHECK(complaint("cluster/a.hpp", "  #  include\t\"actors/proto/channel.pb.h\" // why not") ==
        "cluster/a.hpp:2: includes actors/proto/channel.pb.h, but actors/ is to the right of cluster/");
  CHECK_FALSE(complaint("actors/a.hpp", "#include \"net/server.hpp\"").empty());
  CHECK_FALSE(complaint("net/a.cpp", "#include \"tools/cmake/x.hpp\"").empty());
  CHECK_FALSE(complaint("storage/a.cpp", "#include <cluster/region.hpp>").empty());
  CHECK_FALSE(complaint("tools/throngd/a.cpp", "#include \"tests/support/x.hpp\"").empty());
  CHECK(complaint("config/a.cpp", "// #include \"storage/store.hpp\"").empty());
}

TEST_CASE("tidy: the vocabulary needs nothing but the standard library") {
  CHECK(complaint("storage/model/a.hpp", "#include <vector>").empty());
  CHECK(complaint("storage/model/a.hpp", "#include \"storage/model/ids.hpp\"").empty());
  for (auto line : {"#include <xxhash.h>", "#include <caf/fwd.hpp>", "#include \"storage/store.hpp\"",
                    "#include \"config/log.hpp\"", "#include <unistd.h>", "#include \"vector\""}) {
    CAPTURE(line);
    CHECK_FALSE(complaint("storage/model/a.hpp", line).empty());
  }
}

TEST_CASE("tidy: big libraries are seen by few files") {
  struct sample {
    const char* path;
    const char* header;
    bool allowed;
  };
  for (auto [path, header, allowed] : {
           sample{"config/load_yaml.cpp", "yaml-cpp/parser.h", true},
           sample{"config/load.cpp", "yaml-cpp/parser.h", false},
           sample{"config/log.cpp", "spdlog/spdlog.h", true},
           sample{"config/log.hpp", "spdlog/spdlog.h", false},
           sample{"config/log.hpp", "fmt/core.h", true},
           sample{"net/a.cpp", "fmt/core.h", false},
           sample{"storage/sqlite/a.cpp", "sqlite3.h", true},
           sample{"storage/a.cpp", "sqlite3.h", false},
           sample{"storage/mysql/a.cpp", "mysqlx/xdevapi.h", true},
           sample{"storage/a.cpp", "mysqlx/xdevapi.h", false},
           sample{"cluster/a.hpp", "caf/actor.hpp", true},
           sample{"tools/throngd/a.cpp", "caf/actor_system.hpp", true},
           sample{"net/gateway.cpp", "caf/actor.hpp", true},
           sample{"net/gateway/a.cpp", "caf/actor.hpp", true},
           sample{"net/api/a.cpp", "caf/actor.hpp", false},
           sample{"storage/a.hpp", "caf/fwd.hpp", false},
           sample{"net/a.cpp", "boost/asio/post.hpp", true},
           sample{"net/transport/detail/a.hpp", "boost/asio/post.hpp", true},
           sample{"net/transport/a.hpp", "boost/asio/post.hpp", false},
           sample{"cluster/consul_client.cpp", "boost/beast/http.hpp", true},
           sample{"cluster/region.cpp", "boost/beast/http.hpp", false},
           sample{"tests/unit/a.cpp", "boost/beast/http.hpp", true},
           sample{"tests/unit/a.cpp", "caf/all.hpp", false},
           sample{"actors/a.cpp", "caf/all.hpp", false},
       }) {
    CAPTURE(path);
    CAPTURE(header);
    CHECK(complaint(path, std::string("#include <") + header + ">").empty() == allowed);
  }
}

TEST_CASE("tidy: net/ sees the actors' messages, not the actors") {
  CHECK(complaint("net/a.cpp", "#include \"actors/proto/channel.pb.h\"").empty());
  CHECK(complaint("net/a.cpp", "#include \"actors/channel/channel_actor.hpp\"") ==
        "net/a.cpp:2: includes actors/channel/channel_actor.hpp, but net/ speaks to actors by message only");
  CHECK(complaint("tools/throngd/a.cpp", "#include \"actors/channel/channel_actor.hpp\"").empty());
}

TEST_CASE("tidy: a file starts with its license") {
  CHECK(tidy_complaints("config/a.hpp", license).empty());
  for (auto text : {"", "\n// SPDX-License-Identifier: Apache-2.0\n", "// SPDX-License-Identifier: MIT\n"}) {
    CHECK(tidy_complaints("config/a.hpp", text).size() == 1);
  }
}

TEST_CASE("tidy: the repository keeps its rules") {
  namespace fs = std::filesystem;
  const fs::path root = THRONG_SOURCE_DIR;
  std::size_t files = 0;
  for (auto folder : {"config", "storage", "cluster", "actors", "net", "tools", "tests"}) {
    for (auto entry = fs::recursive_directory_iterator(root / folder); entry != fs::end(entry); ++entry) {
      if (entry->path().filename() == "node_modules") entry.disable_recursion_pending();
      auto extension = entry->path().extension();
      if (!entry->is_regular_file() || (extension != ".cpp" && extension != ".hpp")) continue;
      ++files;
      std::stringstream text;
      text << std::ifstream(entry->path()).rdbuf();
      for (const auto& what : tidy_complaints(entry->path().lexically_relative(root).string(), text.str())) {
        FAIL_CHECK(what);
      }
    }
  }
  CHECK(files > 40);  // else it looked in the wrong place
}
