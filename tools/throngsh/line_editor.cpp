// SPDX-License-Identifier: Apache-2.0
#include "tools/throngsh/line_editor.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <histedit.h>
#include <iostream>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/throngsh/completion.hpp"

namespace throng {

namespace {

void ignore_signal(int) {}  // only there to interrupt the read

class terminal_editor final : public line_editor {
 public:
  terminal_editor(std::string prompt, std::string history_file, complete offered)
      : prompt_(std::move(prompt)), history_file_(std::move(history_file)), complete_(std::move(offered)) {
    struct sigaction on_interrupt {};
    on_interrupt.sa_handler = ignore_signal;  // without SA_RESTART, so that Ctrl-C ends the read
    ::sigaction(SIGINT, &on_interrupt, nullptr);

    editor_ = ::el_init("throngsh", stdin, stdout, stderr);
    history_ = ::history_init();
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, history_lines);
    ::history(history_, &event, H_SETUNIQUE, 1);
    load_history();
    ::el_set(editor_, EL_CLIENTDATA, this);
    ::el_set(editor_, EL_PROMPT, &terminal_editor::prompt_of);
    ::el_set(editor_, EL_EDITOR, "emacs");
    ::el_set(editor_, EL_HIST, &::history, history_);
    ::el_set(editor_, EL_ADDFN, "throng-complete", "complete the word", &terminal_editor::complete_word);
    ::el_set(editor_, EL_BIND, "^I", "throng-complete", nullptr);
    ::el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    ::el_source(editor_, nullptr);  // the user's ~/.editrc
  }
  ~terminal_editor() override {
    save_history();
    ::history_end(history_);
    ::el_end(editor_);
  }

  std::optional<std::string> read() override {
    int count = 0;
    errno = 0;
    const char* line = ::el_gets(editor_, &count);
    if (!line || count <= 0) {
      if (count < 0 && errno == EINTR) {
        std::fputs("\n", stdout);
        ::el_reset(editor_);
        return std::string();
      }
      std::fputs("\n", stdout);
      return std::nullopt;
    }
    std::string text(line, static_cast<std::size_t>(count));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.find_first_not_of(' ') != text.npos) {
      HistEvent event;
      ::history(history_, &event, H_ENTER, text.c_str());
    }
    return text;
  }

 private:
  static terminal_editor& self(EditLine* editor) {
    void* data = nullptr;
    ::el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<terminal_editor*>(data);
  }
  static const char* prompt_of(EditLine* editor) { return self(editor).prompt_.c_str(); }

  static unsigned char complete_word(EditLine* editor, int) {
    const auto* line = ::el_line(editor);
    const std::string before(line->buffer, line->cursor);
    const auto words = self(editor).complete_(before);
    if (words.empty()) return CC_ERROR;
    const auto typed = last_word(before).size();
    auto more = common_prefix(words).substr(typed);
    if (words.size() == 1) more += ' ';
    if (!more.empty()) return ::el_insertstr(editor, more.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    std::fputs("\n", stdout);
    constexpr std::size_t shown_max = 60;
    for (std::size_t i = 0; i < words.size() && i < shown_max; ++i) std::fprintf(stdout, "%s  ", words[i].c_str());
    if (words.size() > shown_max) std::fprintf(stdout, "… %zu more", words.size() - shown_max);
    std::fputs("\n", stdout);
    return CC_REDISPLAY;
  }

  /// Makes the file, so that it is the user's alone from its first byte.
  void load_history() {
    if (history_file_.empty()) return;
    const int fd = ::open(history_file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      history_file_.clear();
      return;
    }
    ::close(fd);
    HistEvent event;
    ::history(history_, &event, H_LOAD, history_file_.c_str());
  }
  void save_history() {
    HistEvent event;
    if (!history_file_.empty()) ::history(history_, &event, H_SAVE, history_file_.c_str());
  }

  std::string prompt_, history_file_;
  complete complete_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
};

class pipe_reader final : public line_editor {
 public:
  std::optional<std::string> read() override {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    if (line.ends_with('\r')) line.pop_back();
    return line;
  }
};

}  // namespace

std::unique_ptr<line_editor> make_terminal_editor(std::string prompt, const std::string& history_file,
                                                  line_editor::complete complete) {
  return std::make_unique<terminal_editor>(std::move(prompt), history_file, std::move(complete));
}

std::unique_ptr<line_editor> make_pipe_reader() { return std::make_unique<pipe_reader>(); }

}  // namespace throng
