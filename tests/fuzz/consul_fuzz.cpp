// SPDX-License-Identifier: Apache-2.0
// link: throng_cluster
// Whatever answers at Consul's address: each parser takes it or says what is wrong, and what it takes is within bounds.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "cluster/consul_answers.hpp"

namespace {

/// An error is invalid_json with a sentence.
template <class Value>
bool is_taken(const throng::result<Value>& parsed) {
  if (!parsed && (parsed.code() != throng::errc::invalid_json || parsed.failure().detail.empty())) std::abort();
  return parsed.ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto pairs = throng::parse_consul_pairs(text); is_taken(pairs)) {
    if (!std::ranges::is_sorted(*pairs, {}, &throng::consul_pair::key)) std::abort();
    for (const auto& pair : *pairs) {
      if (pair.modify_index == 0 || pair.value.size() > size || pair.key.size() > size) std::abort();
    }
  }
  if (auto instances = throng::parse_consul_instances(text); is_taken(instances)) {
    if (!std::ranges::is_sorted(*instances, {}, &throng::consul_instance::id)) std::abort();
  }
  if (auto id = throng::parse_consul_session_id(text); is_taken(id)) {
    if (id->empty() || id->find_first_not_of("0123456789abcdef-") != id->npos) std::abort();
  }
  if (auto failed = throng::parse_consul_failed_operations(text); is_taken(failed)) {
    if (failed->empty()) std::abort();
  }
  (void)is_taken(throng::parse_consul_flag(text));
  for (std::uint64_t last : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    auto next = throng::next_consul_index(last, text);
    if (next != 0 && next < last) std::abort();
  }
  return 0;
}
