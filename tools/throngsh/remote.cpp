// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/remote.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tools/throngsh/render.hpp"

namespace throng {

namespace {

constexpr std::string_view usual_files[] = {"./data/admin.token", "./data/run/admin.token"};

error wrong(std::string sentence) { return {errc::invalid_arguments, std::move(sentence)}; }

std::string trimmed(std::string text) {
  const auto blank = [](unsigned char c) { return c <= ' '; };
  text.erase(std::find_if_not(text.rbegin(), text.rend(), blank).base(), text.end());
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), blank));
  return text;
}

/// It goes into a header, so it must be one word.
result<std::string> checked(std::string token, const std::string& from) {
  token = trimmed(std::move(token));
  if (token.empty()) return wrong(from + " is empty");
  if (std::ranges::any_of(token, [](unsigned char c) { return c <= ' ' || c >= 0x7f; }))
    return wrong(from + " is not a token: it has blanks or control characters in it");
  return token;
}

}  // namespace

result<std::string> remote::run(std::string_view line) {
  auto answer = http_.request("POST", "/shell", token_, "text/plain; charset=utf-8", line);
  if (!answer) return answer.failure();
  return std::move(answer->body);
}

result<std::string> remote::words() {
  auto answer = http_.request("GET", "/shell/words", token_, {}, {});
  if (!answer) return answer.failure();
  if (answer->status != 200) return errc::not_found;
  return std::move(answer->body);
}

std::string remote::node_name() {
  const auto answer = run("nodes");
  if (!answer) return {};
  const auto document = parse_json(*answer, reply_limits());
  if (!document) return {};
  // Of several, the one that has no link to itself.
  std::string name, self;
  document->root().find("rows").for_each_element([&](json_value row) {
    std::string first;
    row.for_each_element([&](json_value cell) {
      const auto text = cell.as_string().value_or("");
      if (first.empty()) first = text;
      if (text == "self") self = first;
    });
    if (name.empty()) name = first;
  });
  return self.empty() ? name : self;
}

result<std::string> find_admin_token(const std::string& given, const std::string& file) {
  if (!given.empty()) return checked(given, "--token");
  if (file.empty()) {
    if (const char* from_environment = std::getenv("THRONG_ADMIN_TOKEN"); from_environment && *from_environment)
      return checked(from_environment, "THRONG_ADMIN_TOKEN");
  }
  auto read = [](std::string_view path) -> result<std::string> {
    std::ifstream in{std::string(path)};
    if (!in) return errc::not_found;
    std::string text;
    std::getline(in, text);
    return checked(std::move(text), std::string(path));
  };
  if (!file.empty()) {
    auto token = read(file);
    if (!token && token.code() == errc::not_found) return wrong("can't read the token file " + file);
    return token;
  }
  for (auto path : usual_files) {
    auto token = read(path);
    if (token || token.code() != errc::not_found) return token;
  }
  return wrong("no admin token: give --token-file DATA/admin.token, or set THRONG_ADMIN_TOKEN");
}

}  // namespace throng
