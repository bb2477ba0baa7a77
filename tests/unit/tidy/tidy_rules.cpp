// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tidy/tidy_rules.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace throng {

namespace {

using std::string_view;

constexpr std::array<string_view, 6> folders{"config", "storage", "cluster", "actors", "net", "tools"};

string_view folder_of(string_view path) { return path.substr(0, path.find('/')); }

/// Position in the include order; nothing for tests, which see everything, and for what is no folder of ours.
std::optional<std::size_t> rank_of(string_view folder) {
  auto found = std::ranges::find(folders, folder);
  if (found == folders.end()) return std::nullopt;
  return static_cast<std::size_t>(found - folders.begin());
}

struct door {
  string_view header;   // how the included name starts
  string_view library;  // for the message
  bool (*open)(string_view folder, string_view path);
};

bool is_source(string_view path) { return path.ends_with(".cpp"); }

const std::array doors{
    door{"yaml-cpp/", "yaml-cpp", [](string_view, string_view path) { return path == "config/load_yaml.cpp"; }},
    door{"spdlog/", "spdlog", [](string_view, string_view path) { return path == "config/log.cpp"; }},
    door{"fmt/", "fmt", [](string_view, string_view path) { return path.starts_with("config/log."); }},
    door{"sqlite3", "SQLite", [](string_view, string_view path) { return path.starts_with("storage/sqlite/"); }},
    door{"mysql", "MySQL", [](string_view, string_view path) { return path.starts_with("storage/mysql/"); }},
    door{"cppconn/", "MySQL", [](string_view, string_view path) { return path.starts_with("storage/mysql/"); }},
    door{"rapidjson/", "RapidJSON", [](string_view, string_view path) { return path == "storage/json/json_parse.cpp"; }},
    door{"caf/", "CAF",
         [](string_view folder, string_view path) {
           return folder == "cluster" || folder == "actors" || folder == "tools" || path.starts_with("net/gateway");
         }},
    door{"boost/", "Boost",
         [](string_view folder, string_view path) {
           if (folder == "net") return is_source(path) || path.find("/detail/") != string_view::npos;
           return path.starts_with("cluster/consul") || path.starts_with("cluster/tls");
         }},
};

struct include {
  string_view name;
  bool quoted;
};

std::optional<include> include_of(string_view line) {
  auto skip_blanks = [&] { line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t"))); };
  skip_blanks();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_blanks();
  if (!line.starts_with("include")) return std::nullopt;
  line.remove_prefix(7);
  skip_blanks();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  bool quoted = line.front() == '"';
  line.remove_prefix(1);
  auto end = line.find(quoted ? '"' : '>');
  if (end == string_view::npos) return std::nullopt;
  return include{line.substr(0, end), quoted};
}

/// Standard headers have neither a folder nor an ending.
bool is_standard(include header) { return !header.quoted && header.name.find_first_of("/.") == string_view::npos; }

/// What is wrong with that include in that file; empty if nothing is.
std::string complaint_about(string_view path, include header) {
  auto name = std::string(header.name);
  if (name == "caf/all.hpp") return "includes caf/all.hpp; take the narrow headers";
  auto folder = folder_of(path);
  auto rank = rank_of(folder);
  if (!rank) return {};

  if (path.starts_with("storage/model/") && !is_standard(header) && !header.name.starts_with("storage/model/")) {
    return "includes " + name + ", but storage/model/ is for the standard library and itself";
  }
  auto target = folder_of(header.name);
  if (target == "tests") return "includes " + name + ", but only tests include tests/";
  if (auto target_rank = rank_of(target); target_rank && *target_rank > *rank) {
    return "includes " + name + ", but " + std::string(target) + "/ is to the right of " + std::string(folder) + "/";
  }
  if (folder == "net" && target == "actors" && header.name.ends_with("_actor.hpp")) {
    return "includes " + name + ", but net/ speaks to actors by message only";
  }
  for (const auto& d : doors) {
    if (header.name.starts_with(d.header) && !d.open(folder, path)) {
      return "includes " + name + ", but this is not one of the files that may see " + std::string(d.library);
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> tidy_complaints(string_view path, string_view text) {
  std::vector<std::string> complaints;
  auto complain = [&](std::size_t line, const std::string& what) {
    complaints.push_back(std::string(path) + ":" + std::to_string(line) + ": " + what);
  };
  if (!text.starts_with("// SPDX-License-Identifier: Apache-2.0\n")) {
    complain(1, "the first line is not `// SPDX-License-Identifier: Apache-2.0`");
  }
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto end = std::min(text.find('\n'), text.size());
    if (auto header = include_of(text.substr(0, end))) {
      if (auto what = complaint_about(path, *header); !what.empty()) complain(number, what);
    }
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return complaints;
}

}  // namespace throng
