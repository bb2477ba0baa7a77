// SPDX-License-Identifier: Apache-2.0
// TOWN: a workspace for a benchmark, made through the API: people with tokens, public channels, and who is in which.
// Channel c has `members_each` members: the people c·members_each … modulo their number, so memberships are spread
// evenly. Further people post: publisher p to each channel whose number modulo `publishers` is p.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tools/common/api_client.hpp"

namespace throng {

struct town_plan {
  std::size_t people = 0, channels = 0, members_each = 0, publishers = 1;
  /// Which of a channel's members `person` is; none if not a member.
  std::optional<std::size_t> place_of(std::size_t person, std::size_t channel) const {
    const auto place = (person + people - channel * members_each % people) % people;
    if (place < members_each) return place;
    return std::nullopt;
  }
  std::size_t person_at(std::size_t channel, std::size_t place) const {
    return (channel * members_each + place) % people;
  }
};

struct town {
  town_plan plan;
  std::vector<std::string> channels;  // ids
  std::vector<std::string> tokens;    // of the people
  std::vector<std::string> publisher_tokens;
};

result<town> make_town(const http_url& server, const std::string& admin_token, const town_plan& plan);

inline constexpr std::size_t town_makers = 16;

/// Calls work(api, i) for each i below `count` on so many threads with a connection each; the first error ends it.
result<> in_parallel(const http_url& server, std::size_t count, std::size_t threads,
                     const std::function<result<>(api_client&, std::size_t)>& work);

}  // namespace throng
