// SPDX-License-Identifier: Apache-2.0
// LINE EDITOR: reads command lines from a terminal, with history and completion (libedit), or from a pipe without
// either. History is kept in a file of the user's, readable by nobody else; if it can't be written there is none.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace throng {

class line_editor {
 public:
  /// For the text left of the cursor: whole words that could stand in the place of its last one.
  using complete = std::function<std::vector<std::string>(std::string_view before_cursor)>;
  static constexpr int history_lines = 1'000;

  virtual ~line_editor() = default;
  /// Nothing at the end of the input. On a terminal, Ctrl-C drops the line and gives an empty one.
  virtual std::optional<std::string> read() = 0;
};

/// `history_file` may be empty.
std::unique_ptr<line_editor> make_terminal_editor(std::string prompt, const std::string& history_file,
                                                  line_editor::complete complete);
std::unique_ptr<line_editor> make_pipe_reader();

}  // namespace throng
