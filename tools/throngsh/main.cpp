// SPDX-License-Identifier: Apache-2.0
// throngsh: looks into a running node, over its admin port. One command with -c, a list of them from a pipe, or a
// conversation on a terminal. Exit codes: 0 fine, 1 something failed, 2 wrong usage.
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/common/command_line.hpp"
#include "tools/throngsh/completion.hpp"
#include "tools/throngsh/file_option.hpp"
#include "tools/throngsh/line_editor.hpp"
#include "tools/throngsh/live_view.hpp"
#include "tools/throngsh/plain_width.hpp"
#include "tools/throngsh/remote.hpp"
#include "tools/throngsh/render.hpp"

namespace {

using namespace throng;

constexpr std::array options{
    option_spec{"--url", "URL", "the node's admin port", "http://127.0.0.1:8081"},
    option_spec{
        "--token", "TOKEN",
        "the admin token, or the viewer token; other users of this machine can see it in the list of processes"},
    option_spec{"--token-file", "FILE",
                "where the admin token is; without it: THRONG_ADMIN_TOKEN, ./data/admin.token, ./data/run/admin.token"},
    option_spec{"-c", "COMMAND", "run this and leave; `help` shows what there is"},
    option_spec{"--json", "", "print the answers as they came, one a line"},
    option_spec{"--version", "", "print the version and leave"},
    option_spec{"--help", "", "print this and leave"},
};

constexpr std::string_view keys =
    "  help [COMMAND]  what the node can be asked\n"
    "  \\?              this\n"
    "  \\json           switches between tables and the bare answers\n"
    "  \\q, Ctrl-D      leave\n"
    "  Tab completes commands, kinds, and entities seen in the last answers; Ctrl-R searches the history\n";

int refuse(const error& why) {
  std::fprintf(stderr, "throngsh: %s\n", why.detail.c_str());
  return 2;
}

void write(std::FILE* where, std::string_view text) { std::fwrite(text.data(), 1, text.size(), where); }

/// 0: not a terminal, or one that doesn't say.
std::size_t terminal_columns() {
  winsize size{};
  if (!::isatty(STDOUT_FILENO) || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

class conversation {
 public:
  conversation(remote& node, bool as_json) : node_(node), as_json_(as_json) {}

  /// Asks the node and shows the answer; false if it failed.
  bool ask(std::string_view line) {
    const auto asked = take_file_option(line);
    if (!asked) return complain(asked.failure());
    const bool is_live = !as_json_ && asked->file.empty() && first_word(line) == "top" && ::isatty(STDIN_FILENO) &&
                         ::isatty(STDOUT_FILENO);
    if (is_live) return show_live([&] { return look(line); });
    const auto answer = node_.run(asked->line);
    if (!answer) return complain(answer.failure());
    if (!asked->file.empty()) return keep(*answer, asked->file);
    const auto shown = render_reply(*answer, as_json_ ? 0 : terminal_columns());
    if (as_json_)
      write(stdout, *answer + "\n");
    else
      write(shown.is_ok ? stdout : stderr, shown.text);
    std::fflush(stdout);
    if (const auto document = parse_json(*answer, reply_limits())) words_.learn_answer(document->root());
    return shown.is_ok;
  }

  /// Until the end of the input; false if a command failed.
  bool talk(line_editor& lines) {
    bool is_fine = true;
    while (auto line = lines.read()) {
      const auto begin = line->find_first_not_of(" \t");
      if (begin == line->npos || (*line)[begin] == '#') continue;
      const auto command = std::string_view(*line).substr(begin, line->find_last_not_of(" \t") + 1 - begin);
      if (command == "\\q" || command == "exit" || command == "quit") break;
      if (command == "\\?" || command == "?")
        write(stdout, keys);
      else if (command == "\\json")
        as_json_ = !as_json_;
      else if (!ask(command))
        is_fine = false;
    }
    return is_fine;
  }

  void learn_words() {
    const auto words = node_.words();
    if (!words) return;  // completion is a convenience: without it, no commands are offered
    if (const auto document = parse_json(*words, reply_limits())) words_.learn_commands(document->root());
  }
  std::vector<std::string> complete(std::string_view before) const { return words_.candidates(before); }

 private:
  static bool complain(const error& why) {
    std::fprintf(stderr, "throngsh: %s\n", why.detail.c_str());
    return false;
  }
  static std::string_view first_word(std::string_view line) {
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    return line.substr(0, line.find_first_of(" \t"));
  }

  live_frame look(std::string_view line) {
    const auto answer = node_.run(line);
    if (!answer) return {false, "throngsh: " + answer.failure().detail + "\n"};
    const auto shown = render_reply(*answer, terminal_columns());
    return {shown.is_ok, shown.text};
  }

  /// The answer as it came goes into the file; on the screen, that it did, and whose part is missing.
  bool keep(const std::string& answer, const std::string& file) {
    const auto document = parse_json(answer, reply_limits());
    const auto shown = render_reply(answer, 0);
    if (!document || !shown.is_ok) {
      write(stderr, shown.text);
      return false;
    }
    std::ofstream out(file, std::ios::trunc);
    out << answer << "\n";
    out.close();
    if (!out) return complain({errc::invalid_arguments, "can't write " + file});
    std::printf("%zu bytes are in %s\n", answer.size() + 1, file.c_str());
    document->root().find("partial").for_each_element(
        [](json_value each) { std::printf("PARTIAL: %s\n", harmless(each.as_string().value_or("")).c_str()); });
    return true;
  }

  remote& node_;
  bool as_json_;
  completion words_;
};

int talk_on_terminal(conversation& talk, remote& node) {
  const auto name = harmless(node.node_name());
  if (name.empty()) {
    // Says what is wrong: nobody there, a wrong token.
    if (!talk.ask("nodes")) return 1;
  }
  talk.learn_words();
  const char* home = std::getenv("HOME");
  auto lines = make_terminal_editor(name.empty() ? "throng> " : "throng " + name + "> ",
                                    home && *home ? std::string(home) + "/.throngsh_history" : std::string(),
                                    [&talk](std::string_view before) { return talk.complete(before); });
  write(stdout, "\\? for help, Ctrl-D to leave\n");
  talk.talk(*lines);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_ALL, "");
  const auto line = parse_command_line({argv + 1, static_cast<std::size_t>(argc - 1)}, options);
  if (!line) return refuse(line.failure());
  if (line->has("--help")) {
    std::printf("throngsh [options]: a shell into a running node\n%s", describe(options).c_str());
    return 0;
  }
  if (line->has("--version")) {
    std::printf("throngsh %s\n", THRONG_VERSION);
    return 0;
  }
  if (!line->words.empty()) return refuse({errc::invalid_arguments, "one command goes behind -c, in quotes"});
  auto url = parse_http_url(line->text("--url"));
  if (!url) return refuse(url.failure());
  auto token = find_admin_token(line->text("--token"), line->text("--token-file"));
  if (!token) return refuse(token.failure());

  remote node(std::move(*url), std::move(*token));
  conversation talk(node, line->has("--json"));
  if (line->has("-c")) return talk.ask(line->text("-c")) ? 0 : 1;
  if (::isatty(STDIN_FILENO) && ::isatty(STDOUT_FILENO)) return talk_on_terminal(talk, node);
  auto lines = make_pipe_reader();
  return talk.talk(*lines) ? 0 : 1;
}
