// SPDX-License-Identifier: Apache-2.0
#include "tools/throngverify/options.hpp"

#include <array>
#include <cstdlib>
#include <fstream>
#include <random>

namespace throng::verify {

namespace {

error wrong(std::string sentence) { return {errc::invalid_arguments, std::move(sentence)}; }

std::uint64_t fresh_seed() { return std::random_device()() % 1'000'000; }

/// "http://a,http://b"
result<std::vector<http_url>> parse_urls(std::string_view text) {
  std::vector<http_url> urls;
  while (!text.empty()) {
    const auto one = text.substr(0, text.find(','));
    auto url = parse_http_url(one);
    if (!url) return url.failure();
    if (url->scheme != "http") return wrong("--url takes http:// URLs, not `" + std::string(one) + "`");
    urls.push_back(std::move(*url));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
  }
  return urls;
}

/// --admin-token, its file, or THRONG_ADMIN_TOKEN.
result<std::string> find_token(const command_line& line) {
  if (line.has("--admin-token")) return line.text("--admin-token");
  if (line.has("--token-file")) {
    std::ifstream file(line.text("--token-file"));
    std::string token;
    if (file >> token) return token;
    return wrong("there is no token in " + line.text("--token-file"));
  }
  if (const char* token = std::getenv("THRONG_ADMIN_TOKEN")) return std::string(token);
  return wrong("--url needs --admin-token, --token-file or THRONG_ADMIN_TOKEN: a workspace is made for the run");
}

}  // namespace

std::span<const option_spec> option_specs() {
  static const std::array specs{
      option_spec{"--url", "URL,…", "client ports of a cluster that is there; without faults then"},
      option_spec{"--admin-token", "TOKEN", "its admin token; or --token-file, or THRONG_ADMIN_TOKEN"},
      option_spec{"--token-file", "FILE", "where its admin token is"},
      option_spec{"--nodes", "N", "nodes of a cluster of its own, which lives as long as the run", "3"},
      option_spec{"--mysql", "SxR", "its shards and the servers of each", "2x2"},
      option_spec{"--faults", "KINDS", "some of kill,pause,cut,drain,leader,consul,db,migrate,empty; or none",
                  "kill,pause,cut,drain,leader,migrate"},
      option_spec{"--minutes", "N", "how long people talk", "1"},
      option_spec{"--seconds", "N", "the same in seconds"},
      option_spec{"--seed", "N", "what people do and which faults happen when; drawn and printed without it"},
      option_spec{"--people", "N", "who talk; every other one has two devices", "60"},
      option_spec{"--channels", "N", "where; a third of them private", "30"},
      option_spec{"--members", "N", "of each channel but the two that all are in", "10"},
      option_spec{"--rate", "N", "what all of them do in a second", "200"},
      option_spec{"--program", "FILE", "throngd, if it isn't the one beside this program"},
      option_spec{"--folder", "DIR", "where the folder of the run is made, if not among temporary files"},
      option_spec{"--keep", "", "keep that folder; it is kept anyway when there is a violation"},
      option_spec{"--judge", "FILE", "run nothing: judge a history that was kept"},
      option_spec{"--json", "", "the verdict as one JSON object"},
      option_spec{"--help", "", "print this and leave"},
      option_spec{"--version", "", "print the version and leave"},
  };
  return specs;
}

result<options> read_options(const command_line& line) {
  if (!line.words.empty()) return wrong("what is `" + line.words.front() + "`?");
  options read;
  result<> outcome = done;
  const auto number = [&](std::string_view name, std::uint64_t least, std::uint64_t most) -> std::uint64_t {
    auto value = line.number(name, least, most);
    if (value) return *value;
    if (outcome) outcome = value.failure();
    return least;
  };
  read.play = line.has("--seconds") ? std::chrono::milliseconds(std::chrono::seconds(number("--seconds", 5, 86'400)))
                                    : std::chrono::milliseconds(std::chrono::minutes(number("--minutes", 1, 1'440)));
  read.scene.seed = line.has("--seed") ? number("--seed", 0, UINT64_MAX / 2) : fresh_seed();
  read.scene.people = number("--people", 2, 2'000);
  read.scene.channels = number("--channels", 1, 1'000);
  read.scene.members = number("--members", 1, 2'000);
  read.calls_per_second = static_cast<double>(number("--rate", 1, 100'000));
  read.nodes = number("--nodes", 2, 20);
  if (!outcome) return outcome.failure();
  read.mysql = line.text("--mysql");
  if (shards_of(read.mysql) == 0) return wrong("--mysql takes SHARDSxSERVERS such as 2x2, not `" + read.mysql + "`");
  if (line.has("--program")) read.program = line.text("--program");
  if (line.has("--folder")) read.folder = line.text("--folder");
  if (line.has("--judge")) read.judge = line.text("--judge");
  read.keeps_folder = line.has("--keep");
  read.wants_json = line.has("--json");
  if (line.has("--url")) {
    auto urls = parse_urls(line.text("--url"));
    if (!urls) return urls.failure();
    read.urls = std::move(*urls);
    if (line.has("--faults") && line.text("--faults") != "none")
      return wrong("--faults needs a cluster of its own: this program doesn't hurt what it didn't start");
    auto token = find_token(line);
    if (!token) return token.failure();
    read.admin_token = std::move(*token);
    return read;
  }
  auto faults = parse_fault_kinds(line.text("--faults"));
  if (!faults) return faults.failure();
  read.faults = std::move(*faults);
  return read;
}

std::string replay_of(const options& from) {
  std::string faults;
  for (const auto kind : from.faults) faults += (faults.empty() ? "" : ",") + std::string(to_text(kind));
  const auto number = [](auto value) { return std::to_string(value); };
  return "throngverify --nodes " + number(from.nodes) + " --mysql " + from.mysql + " --seconds " +
         number(from.play.count() / 1000) + " --faults " + (faults.empty() ? "none" : faults) + " --seed " +
         number(from.scene.seed) + " --people " + number(from.scene.people) + " --channels " +
         number(from.scene.channels) + " --members " + number(from.scene.members) + " --rate " +
         number(static_cast<std::uint64_t>(from.calls_per_second));
}

std::size_t shards_of(const std::string& mysql) {
  const auto count = std::strtoul(mysql.c_str(), nullptr, 10);
  const auto by = mysql.find('x');
  const bool has_servers = by != mysql.npos && by + 2 == mysql.size() && mysql[by + 1] >= '1' && mysql[by + 1] <= '5';
  const bool is_power = count > 0 && count <= 16 && (count & (count - 1)) == 0;
  return is_power && has_servers && std::to_string(count).size() == by ? count : 0;
}

}  // namespace throng::verify
