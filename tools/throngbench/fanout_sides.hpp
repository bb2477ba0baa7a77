// SPDX-License-Identifier: Apache-2.0
// The two sides that the fan-out benchmark compares: a node with a town in it, and the bare server. Both have a crowd
// of sockets that reads, and one that posts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/throngbench/bare_server.hpp"
#include "tools/throngbench/delivery_check.hpp"
#include "tools/throngbench/served_node.hpp"

namespace throng {

class fanout_side {
 public:
  virtual ~fanout_side() = default;
  virtual std::string_view name() const = 0;
  virtual pid_t process() const = 0;
  virtual delivery_check& check() = 0;
  /// Posts `count` messages, to the channels of that publisher in turn, without waiting for answers.
  virtual result<> publish(std::size_t publisher, std::size_t count) = 0;
  /// Posts of that publisher that were not answered yet.
  virtual std::size_t unanswered(std::size_t publisher) const = 0;
  /// What went wrong with its sockets, to be appended to a sentence; empty if nothing did.
  virtual std::string trouble() const = 0;
};

class throng_side : public fanout_side {
 public:
  /// Posts once to each channel, and returns the frame in which the first delivery came.
  virtual result<std::string> sample_frame() = 0;
};

/// Makes the town and signs everybody in.
result<std::unique_ptr<throng_side>> make_throng_side(const served_node& node, const town_plan& plan,
                                                      std::size_t text_bytes);
/// `frame` is a delivery of Throng's; its mark is replaced for each post.
result<std::unique_ptr<fanout_side>> make_bare_side(const bare_server& server, const town_plan& plan,
                                                    std::string frame);

}  // namespace throng
