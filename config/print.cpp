// SPDX-License-Identifier: Apache-2.0
#include "config/print.hpp"

#include <algorithm>

#include "config/fields.hpp"

namespace throng {

namespace {

/// Texts and addresses always in quotes: `n1` needs none, but `true`, `1e3` and `[::1]:80` do.
std::string yaml_value(const field& setting) {
  auto text = to_text(setting);
  if (!std::holds_alternative<std::string*>(setting.member) && !std::holds_alternative<host_port*>(setting.member)) {
    return text;
  }
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted += '"';
}

/// "storage.mysql" is within itself and within "storage".
bool is_within(std::string_view section, std::string_view outer) {
  return section.starts_with(outer) && (section.size() == outer.size() || section[outer.size()] == '.');
}

/// Comment lines of at most 110 characters.
void append_comment(std::string& out, std::string_view indent, std::string_view text) {
  constexpr std::size_t width = 110;
  while (!text.empty()) {
    auto room = width - indent.size();
    auto end = text.size() <= room ? text.size() : text.rfind(' ', room);
    out.append(indent).append("# ").append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

template <class BeforeSection, class BeforeField>
std::string print(configuration printed, BeforeSection before_section, BeforeField before_field) {
  std::string out;
  std::string_view open;  // the section that the next line would belong to
  for (const auto& setting : fields(printed)) {
    const auto name_at = setting.key.rfind('.') + 1;  // 0 without a point
    const auto section = setting.key.substr(0, name_at == 0 ? 0 : name_at - 1);
    std::string indent;
    for (std::size_t end = 0; end < section.size(); indent += "  ") {
      end = std::min(section.find('.', end + 1), section.size());
      const auto part = section.substr(0, end);
      if (is_within(open, part)) continue;
      before_section(out, indent, part);
      out.append(indent).append(part.substr(part.rfind('.') + 1)).append(":\n");
    }
    open = section;
    before_field(out, indent, setting);
    if (!setting.secret)
      out.append(indent).append(setting.key.substr(name_at)).append(": ").append(yaml_value(setting)).append("\n");
  }
  return out;
}

}  // namespace

std::string print_configuration(const configuration& printed) {
  return print(
      printed, [](std::string&, std::string_view, std::string_view) {},
      [](std::string& out, std::string_view indent, const field& setting) {
        if (!setting.secret || to_text(setting).empty()) return;
        out.append(indent).append("# ").append(setting.key).append(" is set: ********\n");
      });
}

std::string print_example() {
  std::string out =
      "# Every setting of Throng with its default. A file needs only what differs; an unknown key, a wrong type or a\n"
      "# value out of range is refused. Environment variables override: gateway.io_threads is "
      "THRONG_GATEWAY_IO_THREADS.\n"
      "# Durations: 300ms, 10s, 5m, 1h, 7d. Sizes: 65536 (bytes), 64KiB, 16MiB, 1GiB.\n"
      "#\n"
      "# This file is written from the table in config/fields.cpp; a test compares the two.\n\n";
  return out + print(
                   configuration{},
                   [](std::string& text, std::string_view indent, std::string_view section) {
                     text += "\n";
                     append_comment(text, indent, section_doc(section));
                   },
                   [](std::string& text, std::string_view indent, const field& setting) {
                     append_comment(text, indent, setting.doc);
                     if (!setting.secret) append_comment(text, indent, "Takes " + expectation(setting) + ".");
                   });
}

}  // namespace throng
