// SPDX-License-Identifier: Apache-2.0
// What Tab offers: the commands, the kinds of entities, and the keys and ids seen in the last answers. Pure.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/json/json.hpp"

namespace throng {

class completion {
 public:
  static constexpr std::size_t seen_max = 5'000;  // then the oldest go

  /// `words` is what GET /shell/words answers; anything else teaches nothing.
  void learn_commands(json_value words);
  /// Remembers what in an answer can be named in a command: "channel:C1A2", "U1".
  void learn_answer(json_value reply);

  /// Whole words that can stand where the last word of `line` is begun, in alphabetical order.
  std::vector<std::string> candidates(std::string_view line) const;

 private:
  void learn_text(std::string_view text);
  std::set<std::string, std::less<>> commands_, kinds_, options_, seen_;
  std::deque<std::string> seen_order_;
};

/// The word being typed: what is behind the last blank.
std::string_view last_word(std::string_view line);
/// What all of them begin with.
std::string common_prefix(const std::vector<std::string>& words);

}  // namespace throng
