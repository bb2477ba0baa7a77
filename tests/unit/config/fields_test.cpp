// SPDX-License-Identifier: Apache-2.0
// What must hold for every setting, so that a new line in the table is checked without a new test.
#include "config/fields.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "config/load_yaml.hpp"
#include "config/print.hpp"
#include "config/validate.hpp"

using namespace throng;

namespace {

configuration reload(const std::string& text) {
  configuration c;
  config_origins origins;
  auto problem = load_yaml(text, "printed", c, origins);
  REQUIRE_MESSAGE(!problem, to_text(problem.value_or(config_problem{})));
  return c;
}

/// A value other than the default, as text.
std::string other_value(const field& setting) {
  if (std::holds_alternative<std::string*>(setting.member)) return "it's \"q\\\" # ü: {}";
  if (auto* flag = std::get_if<bool*>(&setting.member)) return **flag ? "false" : "true";
  if (std::holds_alternative<host_port*>(setting.member)) return "[::1]:12345";
  if (auto* choice = std::get_if<choice_ref>(&setting.member)) return std::string(choice->words.back());
  auto written = [&](std::uint64_t value) {
    return std::to_string(value) + (std::holds_alternative<configuration::duration*>(setting.member) ? "ms" : "");
  };
  configuration scratch;
  auto all = fields(scratch);
  auto& same = *find_field(all, setting.key);
  REQUIRE(assign(same, written(setting.min)));
  return written(to_text(same) == to_text(setting) ? setting.max : setting.min);
}

}  // namespace

TEST_CASE("fields: keys and variable names are unique, sections stand together, and each key is explained") {
  configuration c;
  std::set<std::string> names;
  std::set<std::string_view> keys;
  std::set<std::string_view> closed;  // sections that another one has followed
  std::string_view open;
  for (const auto& f : fields(c)) {
    CAPTURE(f.key);
    CHECK(keys.insert(f.key).second);
    CHECK(names.insert(environment_name(f.key)).second);
    CHECK(std::count(f.key.begin(), f.key.end(), '.') <= 2);
    auto section = f.key.substr(0, f.key.find('.') == std::string_view::npos ? 0 : f.key.rfind('.'));
    if (section != open) closed.insert(std::exchange(open, section));
    CHECK_FALSE(closed.contains(section));
    CHECK(f.doc.ends_with('.'));
    CHECK(f.min <= f.max);
  }
}

TEST_CASE("fields: each default is within its own range") {
  configuration c;
  for (auto& f : fields(c)) {
    if (f.secret) continue;
    CAPTURE(f.key);
    CHECK(assign(f, to_text(f)));
  }
  CHECK(c == configuration{});
}

TEST_CASE("fields: the defaults contradict nothing") { CHECK_FALSE(validate(configuration{}, {})); }

TEST_CASE("fields: every setting is its own member, and is equal only to itself") {
  configuration c;
  auto count = fields(c).size();
  for (std::size_t i = 0; i < count; ++i) {
    configuration one;
    auto all = fields(one);
    auto value = other_value(all[i]);
    CAPTURE(all[i].key);
    CAPTURE(value);
    bool only_one_word = std::holds_alternative<choice_ref>(all[i].member) && to_text(all[i]) == value;
    REQUIRE(assign(all[i], value));
    CHECK((one != configuration{} || only_one_word));
    auto untouched = fields(c);
    for (std::size_t j = 0; j < count; ++j) {
      if (j != i) CHECK(to_text(all[j]) == to_text(untouched[j]));
    }
  }
}

TEST_CASE("print: a configuration with no default left loads to the same again") {
  configuration c;
  for (auto& f : fields(c)) {
    if (!f.secret) REQUIRE(assign(f, other_value(f)));
  }
  CHECK(reload(print_configuration(c)) == c);
}

TEST_CASE("print: a secret is not printed, but that there is one is") {
  configuration c;
  CHECK(print_configuration(c).find("admin.token is set") == std::string::npos);
  c.admin.token = "very-secret-token-value";
  auto text = print_configuration(c);
  CHECK(text.find("very-secret") == std::string::npos);
  CHECK(text.find("# admin.token is set: ********") != std::string::npos);
  c.admin.token.clear();
  CHECK(reload(text) == c);
}

// After a change of the table: THRONG_UPDATE_EXAMPLE=1 build/tests/unit_config writes the file anew.
TEST_CASE("print: config/throng.example.yaml is the table of settings, and loads to the defaults") {
  const std::string path = THRONG_SOURCE_DIR "/config/throng.example.yaml";
  if (std::getenv("THRONG_UPDATE_EXAMPLE")) std::ofstream(path) << print_example();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  CHECK(text.str() == print_example());
  CHECK(reload(text.str()) == configuration{});
  configuration c;
  for (const auto& f : fields(c)) {
    auto name = std::string(f.key.substr(f.key.rfind('.') + 1)) + ": ";
    CAPTURE(f.key);
    if (!f.secret) CHECK(text.str().find(name) != std::string::npos);
  }
}
