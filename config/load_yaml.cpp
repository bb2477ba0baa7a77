// SPDX-License-Identifier: Apache-2.0
#include "config/load_yaml.hpp"

#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/fields.hpp"
#include "config/plain_text.hpp"

namespace throng {

namespace {

/// Ends the parse from within one of its callbacks; never leaves this file.
struct refused {
  config_problem problem;
};

/// Takes the parser's events one by one, so no tree is ever built of what is refused. Where in the document it is:
///
///   outside ──{──► root: key, value, key, …                    `section_` is empty
///                        └──{──► section: key, value…          `section_` is its full name, such as storage
///                                        └──{──► section: …    storage.mysql
class settings_reader final : public YAML::EventHandler {
 public:
  settings_reader(std::string_view file, configuration& into, config_origins& origins)
      : file_(file), fields_(fields(into)), origins_(origins) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(mark, "", "expected one YAML document");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (depth_ == 0) return;  // an empty document: all defaults
    if (!awaits_value_) refuse(mark, "", "expected a key");
    // The parser sees that there is no value only when the next key begins, so the key's line is told.
    if (is_section(full_key())) {  // a section whose lines are all commented out
      note_section(key_mark_);
      awaits_value_ = false;
      return;
    }
    auto& setting = known(key_mark_);
    refuse(key_mark_, setting.key, "expected " + expectation(setting) + ", not nothing");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark, 1); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    bool quoted = tag == "!";
    if (!quoted && !tag.empty() && tag != "?") refuse(mark, full_key(), "expected a value without a tag");
    if (depth_ == 0) refuse(mark, "", "expected keys and values, such as `node: n1`");
    if (!awaits_value_) {
      key_ = text;
      key_mark_ = mark;
      awaits_value_ = true;
      return;
    }
    awaits_value_ = false;
    if (is_section(full_key())) {
      refuse(mark, full_key(), "expected a section of keys, not " + shown(text));
    }
    auto& setting = known(mark);
    if (setting.secret)
      refuse(mark, setting.key, "expected only in " + environment_name(setting.key) + ", not in a file");
    if (!origins_.try_emplace(full_key(), at(mark)).second) refuse(mark, setting.key, "expected only once");
    if ((quoted && wants_plain(setting)) || !assign(setting, text)) {
      refuse(mark, setting.key,
             "expected " + expectation(setting) + ", not " + (quoted ? "the text " : "") + shown(text));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    if (depth_ == 0) refuse(mark, "", "expected keys and values, not a list");
    if (!awaits_value_) refuse(mark, "", "expected a key, not a list");
    refuse(mark, full_key(), "expected no list");
  }
  void OnSequenceEnd() override {}

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    if (!tag.empty() && tag != "?") refuse(mark, full_key(), "expected a section without a tag");
    if (depth_ > 0 && !awaits_value_) refuse(mark, "", "expected a key, not a map");
    if (depth_ > 0) {
      if (!is_section(full_key())) {
        auto& setting = known(mark);
        refuse(mark, setting.key, "expected " + expectation(setting) + ", not a section");
      }
      note_section(mark);
      section_ = full_key();
    }
    ++depth_;
    awaits_value_ = false;
  }

  void OnMapEnd() override {
    --depth_;
    const auto outer = section_.rfind('.');
    section_.resize(outer == std::string::npos ? 0 : outer);
    awaits_value_ = false;
  }

  std::string at(const YAML::Mark& mark) const {
    return file_ + ":" + std::to_string(mark.line < 0 ? 1 : mark.line + 1);
  }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view key, std::string expected) const {
    throw refused{{at(mark), std::string(key), std::move(expected)}};
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) refuse(mark, full_key(), "expected no anchors and aliases (& and *)");
  }

  static std::string shown(std::string_view text) { return '"' + make_plain(text, 60) + '"'; }

  /// A quoted "5" is a text, not a number.
  static bool wants_plain(const field& setting) {
    return std::holds_alternative<bool*>(setting.member) || std::holds_alternative<std::size_t*>(setting.member);
  }

  std::string full_key() const { return section_.empty() ? key_ : section_ + "." + key_; }

  /// A key with a point in it would otherwise be taken for a section's.
  bool has_point() const { return key_.find('.') != std::string::npos; }

  bool is_section(std::string_view name) const {
    if (has_point()) return false;
    for (const auto& f : fields_) {
      if (f.key.size() > name.size() && f.key[name.size()] == '.' && f.key.starts_with(name)) return true;
    }
    return false;
  }

  void note_section(const YAML::Mark& mark) {
    if (!sections_.insert(full_key()).second) refuse(mark, full_key(), "expected only once");
  }

  field& known(const YAML::Mark& mark) {
    auto key = full_key();
    auto* found = has_point() ? nullptr : find_field(fields_, key);
    if (!found) refuse(mark, key, "expected a known key" + suggestion(fields_, key));
    return *found;
  }

  std::string file_;
  std::vector<field> fields_;
  config_origins& origins_;
  std::set<std::string, std::less<>> sections_;
  std::string section_;
  std::string key_;
  YAML::Mark key_mark_;
  bool awaits_value_ = false;
  int depth_ = 0;
  int documents_ = 0;
};

}  // namespace

std::optional<config_problem> load_yaml(std::string_view text, std::string_view file, configuration& into,
                                        config_origins& origins) {
  if (text.size() > configuration_bytes_max) {
    return config_problem{std::string(file) + ":1", "", "expected at most 128KiB"};
  }
  // yaml-cpp 0.7 takes a quote that is never closed for closed if a line end is the last thing in the text.
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  settings_reader reader(file, into, origins);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(reader)) {
    }
  } catch (const refused& r) {
    return r.problem;
  } catch (const YAML::Exception& e) {
    return config_problem{reader.at(e.mark), "", "expected YAML: " + e.msg};
  } catch (const std::logic_error& e) {
    return config_problem{std::string(file), "", std::string("expected YAML: ") + e.what()};
  }
  return std::nullopt;
}

}  // namespace throng
