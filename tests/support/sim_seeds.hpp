// SPDX-License-Identifier: Apache-2.0
// SIM SEEDS: which seeds a random sim runs. From the environment, for all of them the same way:
//
//   THRONG_SIM_SEED=17            that one again
//   THRONG_SIM_SEEDS=5000         1 to 5000
//   THRONG_SIM_SEEDS=5001-9000    those
//
// Otherwise as many as the test says, from 1, and those that have found something before; fewer under sanitizers, which
// are slow, and in one thread find little.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace throng::test {

/// REQUIRES: `text` is as above; what isn't throws, so that a slip of the pen isn't taken for a clean run.
inline std::vector<unsigned> seeds_of(const std::string& text) {
  auto number = [&](const std::string& digits) {
    if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos)
      throw std::invalid_argument("THRONG_SIM_SEEDS: a count or FROM-TO was expected, not '" + text + "'");
    return static_cast<unsigned>(std::stoul(digits));
  };
  const auto dash = text.find('-');
  const auto first = dash == std::string::npos ? 1 : number(text.substr(0, dash));
  const auto last = number(dash == std::string::npos ? text : text.substr(dash + 1));
  std::vector<unsigned> all;
  for (auto seed = first; seed <= last; ++seed) all.push_back(seed);
  if (all.empty()) throw std::invalid_argument("THRONG_SIM_SEEDS: '" + text + "' names no seed");
  return all;
}

inline std::vector<unsigned> sim_seeds([[maybe_unused]] unsigned usual, [[maybe_unused]] unsigned usual_if_slow,
                                       const std::vector<unsigned>& proven = {}) {
  if (const char* one = std::getenv("THRONG_SIM_SEED")) return seeds_of(std::string(one) + "-" + one);
  if (const char* many = std::getenv("THRONG_SIM_SEEDS")) return seeds_of(many);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  auto all = seeds_of(std::to_string(usual_if_slow));
#else
  auto all = seeds_of(std::to_string(usual));
#endif
  all.insert(all.end(), proven.begin(), proven.end());
  return all;
}

}  // namespace throng::test
