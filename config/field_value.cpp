// SPDX-License-Identifier: Apache-2.0
// What a field's value may be, and how it is read and written.
#include <algorithm>

#include "config/fields.hpp"
#include "config/plain_text.hpp"
#include "config/quantity.hpp"

namespace throng {

namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;  // clang 14 doesn't find it by itself

bool within(const field& setting, std::uint64_t value) { return value >= setting.min && value <= setting.max; }

std::string number_text(const field& setting, std::uint64_t value) {
  return setting.unit == field_unit::bytes ? bytes_text(value) : std::to_string(value);
}

std::string join(const std::vector<std::string_view>& words) {
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) all += i + 1 == words.size() ? " or " : ", ";
    all += words[i];
  }
  return all;
}

}  // namespace

bool assign(field& setting, std::string_view text) {
  return std::visit(overloaded{
                        [&](std::string* member) {
                          if (!within(setting, text.size()) || !is_plain_text(text)) return false;
                          *member = text;
                          return true;
                        },
                        [&](bool* member) {
                          if (text != "true" && text != "false") return false;
                          *member = text == "true";
                          return true;
                        },
                        [&](std::size_t* member) {
                          auto value = setting.unit == field_unit::bytes ? parse_bytes(text) : parse_count(text);
                          if (!value || !within(setting, *value)) return false;
                          *member = *value;
                          return true;
                        },
                        [&](configuration::duration* member) {
                          auto value = parse_duration(text);
                          if (!value || !within(setting, static_cast<std::uint64_t>(value->count()))) return false;
                          *member = *value;
                          return true;
                        },
                        [&](host_port* member) {
                          auto value = parse_host_port(text);
                          if (!value) return false;
                          *member = std::move(*value);
                          return true;
                        },
                        [&](choice_ref& member) {
                          auto word = std::ranges::find(member.words, text);
                          if (word == member.words.end()) return false;
                          member.choose(static_cast<std::size_t>(word - member.words.begin()));
                          return true;
                        },
                    },
                    setting.member);
}

std::string to_text(const field& setting) {
  return std::visit(overloaded{
                        [](const std::string* member) { return *member; },
                        [](const bool* member) { return std::string(*member ? "true" : "false"); },
                        [&](const std::size_t* member) { return number_text(setting, *member); },
                        [](const configuration::duration* member) { return duration_text(*member); },
                        [](const host_port* member) { return to_text(*member); },
                        [](const choice_ref& member) { return std::string(member.words.at(member.index())); },
                    },
                    setting.member);
}

std::string expectation(const field& setting) {
  auto range = [&](auto&& text) { return " from " + text(setting.min) + " to " + text(setting.max); };
  auto number = [&](std::uint64_t value) { return number_text(setting, value); };
  auto time = [](std::uint64_t value) {
    return duration_text(configuration::duration(static_cast<std::int64_t>(value)));
  };
  return std::visit(
      overloaded{
          [&](const std::string*) {
            return "a text of " + number(setting.min) + " to " + number(setting.max) + " characters";
          },
          [](const bool*) { return std::string("true or false"); },
          [&](const std::size_t*) {
            if (setting.unit == field_unit::bytes) return "a size" + range(number) + " (such as 65536, 64KiB, 16MiB)";
            return "a whole number" + range(number);
          },
          [&](const configuration::duration*) { return "a duration" + range(time) + " (such as 300ms, 10s, 5m)"; },
          [](const host_port*) { return std::string("HOST:PORT with a port from 0 to 65535"); },
          [](const choice_ref& member) { return join(member.words); },
      },
      setting.member);
}

}  // namespace throng
